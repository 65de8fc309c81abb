"""FMI: windows by hand and properties; test_evaluate.py has the plain formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics import evaluate
from piafusion.metrics.fmi import PLACES, _information, _stops
from tests.tolerances import FLOAT32_SUMS

U8 = NDArray[np.uint8]


def fmi(infrared: U8, visible: U8, fused: U8, feature: str = "pixel") -> float:
    name = f"FMI-{feature}"
    return evaluate(infrared, visible, fused, metrics=[name])[name]


def window(*rows: tuple[int, int, int]) -> U8:
    return np.array(rows, dtype=np.uint8)


def noise(seed: int) -> list[U8]:
    return list(np.random.default_rng(seed).integers(0, 256, (3, 20, 24), dtype=np.uint8))


@pytest.mark.parametrize("feature", ["pixel", "gradient"])
def test_copy_has_one(feature: str) -> None:
    picture = noise(0)[0]
    assert fmi(picture, picture, picture, feature) == 1.0


def test_gain_and_offset_do_not_change_a_window() -> None:
    picture = noise(1)[0] // 2
    assert fmi(picture, picture, picture + 7) == pytest.approx(1.0, abs=FLOAT32_SUMS)
    assert fmi(picture, picture, 2 * picture) == pytest.approx(1.0, abs=FLOAT32_SUMS)


def test_two_equal_shares_by_hand() -> None:
    # Shares of a half at places 1 and 2, and at 1 and 9; correlation 5/14 (both powers are 7/18,
    # their product 1/4 - 1/9), spreads 1/2 and 4, so the bound's correlation is 1 and the joint
    # distribution has 1/4 + phi/4 twice and 1/4 - phi/4 twice, with phi = 5/14.
    source = window((9, 0, 0), (9, 0, 0), (0, 0, 0))
    fused = window((9, 0, 0), (0, 0, 0), (0, 0, 9))
    phi = 5 / 14
    joint = -sum(2 * p * math.log2(p) for p in ((1 + phi) / 4, (1 - phi) / 4))
    assert fmi(source, source, fused) == pytest.approx(2 - joint, abs=FLOAT32_SUMS)


def test_opposed_windows_share_information_too() -> None:
    picture = noise(2)[0]
    assert 0 < fmi(picture, picture, 255 - picture) < 1


def test_flat_windows() -> None:
    flat, other = window(*[(7, 7, 7)] * 3), window(*[(8, 8, 8)] * 3)
    busy = window((1, 2, 3), (4, 5, 6), (7, 8, 9))
    assert fmi(flat, flat, flat) == 1.0
    assert fmi(flat, flat, other) == pytest.approx(0.0, abs=FLOAT32_SUMS)
    assert fmi(flat, flat, busy) == pytest.approx(0.0, abs=FLOAT32_SUMS)
    assert fmi(busy, flat, busy) == pytest.approx(0.5, abs=FLOAT32_SUMS)


def test_windows_without_entropy_share_none() -> None:
    one, other = window((9, 0, 0), *[(0, 0, 0)] * 2), window(*[(0, 0, 0)] * 2, (0, 0, 9))
    assert fmi(one, one, other) == 0.0


def test_symmetric_in_sources() -> None:
    infrared, visible, fused = noise(3)
    value = fmi(infrared, visible, fused)
    assert value == pytest.approx(fmi(visible, infrared, fused), rel=FLOAT32_SUMS)
    one_by_one = [fmi(source, source, fused) for source in (infrared, visible)]
    assert value == pytest.approx(np.mean(one_by_one), rel=FLOAT32_SUMS)


def test_gradient_is_along_rows() -> None:
    rows = np.tile(np.arange(0, 100, 9, dtype=np.uint8)[:, None], (1, 12))
    # No gradient along rows anywhere: all windows are equal.
    assert fmi(rows, rows, rows[::-1], "gradient") == 1.0
    assert fmi(rows.T, rows.T, np.ascontiguousarray(rows.T[:, ::-1]), "gradient") == pytest.approx(
        0.0, abs=FLOAT32_SUMS
    )


COUNT = 50


def shares(seed: int) -> NDArray[np.float64]:
    """Distributions, a column each; many places hold nothing."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((PLACES, COUNT)) * (generator.random((PLACES, COUNT)) < 0.6) + 1e-9
    return drawn / drawn.sum(axis=0)


def information(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    return (cells * np.log(np.maximum(np.abs(cells), 1e-300))).sum(axis=(0, 1))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 2.0, -3.0])
def test_staircase_holds_all_that_the_bound_does(ratio: float) -> None:
    one, other = shares(0), shares(1)
    cumulated, other_cumulated = (
        np.cumsum(p, axis=0)[:-1].astype(np.float32) for p in (one, other)
    )
    found_stops = _stops(cumulated, other_cumulated)
    found = _information(found_stops, np.full(COUNT, ratio, np.float32))

    padded = [np.concatenate([np.zeros((1, COUNT)), np.cumsum(p, axis=0)]) for p in (one, other)]
    bound = np.minimum(padded[0][:, None], padded[1])
    cells = np.diff(np.diff(bound, axis=0), axis=1)
    independent = one[:, None] * other
    expected = information(independent + ratio * cells) - information(independent)
    np.testing.assert_allclose(found, expected, atol=10 * FLOAT32_SUMS)

    stops = np.concatenate([padded[0][1:-1], padded[1][1:-1]])
    np.testing.assert_allclose(found_stops[1:-1], np.sort(stops, axis=0), atol=FLOAT32_SUMS)
