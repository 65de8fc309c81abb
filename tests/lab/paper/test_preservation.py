import numpy as np
import pytest

from piafusion.lab.paper.preservation import preservation
from piafusion.metrics import evaluate


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two warm spots on a cold ground, and stripes."""
    infrared = np.full((96, 128), 40, np.uint8)
    infrared[20:26, 30:36] = infrared[60:66, 90:96] = 240
    visible = np.repeat((np.arange(128) // 4 % 2 * 120 + 60).astype(np.uint8)[None], 96, axis=0)
    return infrared, visible


def test_each_source_leaves_its_own_preservation(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    warm, cold = preservation(infrared, visible, infrared), preservation(infrared, visible, visible)
    assert warm["targets"] == pytest.approx(1)
    assert abs(cold["targets"]) < 0.1
    assert warm["infrared edges"] > 0.9 > 0.3 > warm["visible edges"]
    assert cold["visible edges"] > 0.9 > 0.3 > cold["infrared edges"]


def test_half_the_contrast_is_half_the_targets(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    half = preservation(infrared, visible, (infrared // 2).astype(np.uint8))
    assert half["targets"] == pytest.approx(0.5, abs=0.01)


def test_the_edges_are_qabf_against_one_source(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    fused = np.maximum(infrared, visible)
    found = preservation(infrared, visible, fused)
    for name, source in (("infrared edges", infrared), ("visible edges", visible)):
        expected = evaluate(source, source, fused, metrics=["Qabf"])["Qabf"]
        assert found[name] == pytest.approx(expected, abs=1e-5)


def test_without_targets_nothing_is_said_of_them() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    assert set(preservation(flat, flat, flat)) == {"infrared edges", "visible edges"}


def test_colour_and_depth_do_not_matter(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    colour = np.repeat(visible[..., None], 3, axis=2)
    deep = [image.astype(np.uint16) * 257 for image in (infrared, colour, colour)]
    assert preservation(*deep) == pytest.approx(preservation(infrared, visible, visible), abs=1e-5)
