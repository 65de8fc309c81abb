import numpy as np
import pytest

from piafusion.lab.data.dark_channel import (
    air_light,
    dark_channel,
    enhance,
    noise_level,
)
from piafusion.scenes.synthetic import labelled_scene


def veiled(seed: int, noise: int) -> np.ndarray:
    """A thermal picture of low contrast with noise, as MFNet's are."""
    scene = labelled_scene(seed, daylight=(1.0, 0.0)[seed % 2], height=240, width=320)
    generator = np.random.default_rng(noise)
    levels = 90 + 0.35 * scene.infrared + generator.normal(0, 5, (240, 320))
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def signal_to_noise(one: np.ndarray, other: np.ndarray) -> float:
    """Variance of what two pictures of one scene share over that in which they differ."""
    noise = (one.astype(float) - other).var() / 2
    return ((one.astype(float) + other) / 2).var() / noise - 0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_contrast_and_signal_to_noise_rise(seed):
    before = [veiled(seed, noise) for noise in (1, 2)]
    after = [enhance(picture) for picture in before]
    assert after[0].std() > 1.1 * before[0].std()
    assert signal_to_noise(*after) > 1.5 * signal_to_noise(*before)


def test_dtype_and_shape_stay():
    for picture in (veiled(0, 1), veiled(0, 1).astype(np.uint16) * 257, veiled(0, 1) / 255.0):
        result = enhance(picture)
        assert (result.dtype, result.shape) == (picture.dtype, picture.shape)


def test_a_constant_picture_stays_finite():
    assert np.isfinite(enhance(np.full((40, 50), 0.5, np.float32))).all()


def test_dark_channel_is_the_least_of_a_neighbourhood():
    levels = np.random.default_rng(0).random((40, 50), np.float32)
    assert dark_channel(levels)[20, 25] == levels[13:28, 18:33].min()


def test_air_light_ignores_small_hot_spots():
    levels = np.full((100, 100), 0.4, np.float32)
    levels[50:53, 50:53] = 1.0
    levels[:40] = 0.6
    assert air_light(levels) == pytest.approx(0.6)


def test_noise_level_is_measured_beside_edges():
    generator = np.random.default_rng(0)
    levels = np.full((200, 200), 0.3)
    levels[:, 100:] = 0.7
    noisy = (levels + generator.normal(0, 0.02, levels.shape)).astype(np.float32)
    assert noise_level(noisy) == pytest.approx(0.02, rel=0.1)
