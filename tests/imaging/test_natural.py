"""How much of the complete fusion comes in, place by place."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.imaging.natural import (
    FRAME,
    UNIT,
    Floats,
    Judgement,
    blend,
    check_strength,
    judge,
    reduce,
    weigh,
)
from piafusion.imaging.strips import Strips


def _judgement(height: int = 30, width: int = 40, step: int = 4) -> Judgement:
    generator = np.random.default_rng(0)
    maps = generator.random((3, height, width), np.float32)
    maps[0] = 10 + 10 * maps[0]
    maps[1] = -6 - 6 * maps[1]
    return Judgement(maps, step)


def _weights(
    judgement: Judgement, infrared: Floats, strength: float, rows: int = 0, columns: int = 0
) -> Floats:
    """Return the weights of a part with so many rows above and columns left of it."""
    return weigh(judgement, infrared, strength, slice(0, len(infrared)), (rows, columns))


def test_the_weight_rises_with_the_strength_at_every_pixel() -> None:
    infrared = np.random.default_rng(1).random((120, 160), np.float32)
    weights = np.stack([_weights(_judgement(), infrared, s / 20) for s in range(21)])
    steps = np.diff(weights, axis=0)
    assert steps.min() >= -1e-6
    assert steps.max() < 0.25  # no jumps: a step of a twentieth
    assert weights[0].max() == 0
    assert weights[20].min() > 0.99
    assert (weights[20] >= np.maximum(weights[10], 1) - 1e-5).all()


@pytest.mark.parametrize(
    ("sure", "dark", "heat", "expected"),
    [
        (20, 0, 0.3, 0.6 + 0.7 * 1.9),  # a cool target by day takes more than all
        (20, 0, 1.0, 0.6),  # a hot one keeps some of what the visible picture shows
        (20, 1, 0.3, 1.0),  # in the dark all comes in
        (-20, 1, 0.3, 1.0),
        (-20, 0, 0.3, 0.0),  # nothing where the light is good and no target is
    ],
)
def test_the_natural_share(sure: float, dark: float, heat: float, expected: float) -> None:
    maps = np.zeros((3, 8, 8), np.float32)
    maps[1], maps[2] = sure, dark
    weights = _weights(Judgement(maps, 2), np.full((16, 16), heat, np.float32), 0.5)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


@pytest.mark.parametrize("step", [2, 4, 6, 14])
def test_parts_have_the_weights_of_the_whole(step: int) -> None:
    height, width = 30 * step - 3, 40 * step - 1
    infrared = np.random.default_rng(1).random((height, width), np.float32)
    judgement = _judgement(step=step)
    whole = _weights(judgement, infrared, 0.6)
    for top, left in ((0, 0), (12, 20), (height // 4 * 2, width // 4 * 2)):
        part = _weights(judgement, infrared[top:, left:], 0.6, top, left)
        inner = (slice(2 if top else 0, None), slice(2 if left else 0, None))
        np.testing.assert_allclose(part[inner], whole[top:, left:][inner], atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (61, 83), (480, 640), (700, 1001)])
def test_the_network_sees_a_framed_copy_and_the_maps_cover_the_picture(
    shape: tuple[int, int],
) -> None:
    seen: list[Floats] = []

    def network(thumbnails: Floats) -> Floats:
        seen.append(thumbnails)
        maps = np.zeros((1, 3, *(side // 2 for side in thumbnails.shape[2:])), np.float32)
        maps[:, 2] = thumbnails[:, 1, ::2, ::2] * 10 - 5
        return maps

    luminance = np.tile(np.linspace(0, 1, shape[1], dtype=np.float32), (shape[0], 1))
    infrared = np.full(shape, 0.25, np.float32)
    engine = SimpleNamespace(context_side=320, judge=network)
    judgement = judge(engine, shape, lambda rows: (infrared[rows], luminance[rows]), Strips(1))
    assert judgement
    ((_, channels, height, width),) = (each.shape for each in seen)
    assert (channels, height % UNIT, width % UNIT) == (2, 0, 0)
    assert max(height, width) <= 320 + 2 * FRAME + UNIT
    assert judgement.maps.shape[1] * judgement.step >= shape[0]
    assert judgement.maps.shape[2] * judgement.step >= shape[1]
    weights = _weights(judgement, infrared, 0.5)
    assert weights.shape == shape
    assert weights[:, -1].min() >= weights[:, 0].max()  # the maps lie where they belong
    assert min(shape) < 16 or weights[:, -1].min() > 1.1 * weights[:, 0].max()


def test_reduce_takes_means_of_blocks_and_repeats_the_border() -> None:
    plane = np.arange(35, dtype=np.float32).reshape(5, 7)
    small = reduce(plane, 3)
    padded = np.pad(plane, ((0, 1), (0, 2)), mode="edge")
    np.testing.assert_allclose(small, padded.reshape(2, 3, 3, 3).mean((1, 3)), rtol=1e-6)


def test_blend_stays_in_range() -> None:
    fused, luminance = np.float32([[0.9, 0.1]]), np.float32([[0.5, 0.5]])
    assert blend(fused, luminance, np.float32([[2, 2]])).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_strength_outside_of_its_range_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match="from 0"):
        check_strength(strength)
