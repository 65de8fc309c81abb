"""SD and SF against loops over pixels, tiny cases by hand, and their properties."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from piafusion.metrics import evaluate

F64 = NDArray[np.float64]
unit_pictures = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8),
    elements=st.floats(0, 0.5),
)


def score(fused: NDArray[np.generic]) -> tuple[float, float]:
    blank = np.zeros(fused.shape[:2], dtype=np.uint8)
    values = evaluate(blank, blank, fused, metrics=["SD", "SF"])
    return values["SD"], values["SF"]


def spatial_frequency_by_loops(grey: list[list[float]]) -> float:
    rows = [(b - a) ** 2 for row in grey for a, b in itertools.pairwise(row)]
    columns = [
        (b - a) ** 2
        for upper, lower in itertools.pairwise(grey)
        for a, b in zip(upper, lower, strict=True)
    ]
    return math.sqrt(statistics.fmean(rows) + statistics.fmean(columns))


@given(unit_pictures)
@settings(max_examples=20, deadline=None)
def test_agrees_with_loops(fused: F64) -> None:
    grey = (fused * 255).tolist()
    sd, sf = score(fused)
    pixels = [value for row in grey for value in row]
    assert sd == pytest.approx(statistics.pstdev(pixels), rel=1e-10, abs=1e-10)
    assert sf == pytest.approx(spatial_frequency_by_loops(grey), rel=1e-10, abs=1e-10)


def test_by_hand() -> None:
    # Rows differ by 4 and columns by 3: sqrt(9 + 16) = 5; deviations from 3.5 are 3.5 and 0.5.
    sd, sf = score(np.array([[0, 3], [4, 7]], dtype=np.uint8))
    assert sf == 5.0
    assert sd == 2.5


def test_largest_values() -> None:
    checks = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    assert score(checks) == (127.5, pytest.approx(255 * math.sqrt(2), rel=1e-15))


def test_means_are_over_the_pairs_that_there_are() -> None:
    # One step of 6 among two neighbour pairs a row: RF^2 = 18, not 36 / 3.
    _, sf = score(np.array([[0, 0, 6], [0, 0, 6]], dtype=np.uint8))
    assert sf == pytest.approx(math.sqrt(18), rel=1e-15)


def test_constant_picture_has_none() -> None:
    assert score(np.full((4, 5), 200, dtype=np.uint8)) == (0.0, 0.0)


@given(unit_pictures, st.floats(0.01, 1), st.floats(0, 0.5))
@settings(max_examples=20, deadline=None)
def test_linear_in_contrast_and_blind_to_brightness(fused: F64, gain: float, offset: float) -> None:
    sd, sf = score(fused)
    scaled_sd, scaled_sf = score(fused * gain + offset)
    assert scaled_sd == pytest.approx(gain * sd, rel=1e-9, abs=1e-9)
    assert scaled_sf == pytest.approx(gain * sf, rel=1e-9, abs=1e-9)


@given(unit_pictures)
@settings(max_examples=15, deadline=None)
def test_turning_and_mirroring_change_nothing(fused: F64) -> None:
    expected = pytest.approx(score(fused), rel=1e-12, abs=1e-12)
    assert score(fused.T) == expected
    assert score(fused[:, ::-1]) == expected


def test_order_of_pixels_matters_to_sf_alone() -> None:
    coarse = np.array([[0, 0, 9, 9], [0, 0, 9, 9]], dtype=np.uint8)
    fine = np.array([[0, 9, 0, 9], [9, 0, 9, 0]], dtype=np.uint8)
    assert score(coarse)[0] == score(fine)[0]
    assert score(coarse)[1] < score(fine)[1]


def one(name: str, fused: NDArray[np.generic], convention: str = "float") -> float:
    blank = np.zeros(fused.shape[:2], dtype=np.uint8)
    return evaluate(blank, blank, fused, metrics=[name], convention=convention)[name]


def test_ag_by_hand() -> None:
    # On a ramp of 2 per pixel each gradient is (2, 0): sqrt(2) at 12 pixels, over 2 x 3.
    ramp = np.tile(np.arange(0, 8, 2, dtype=np.uint8), (3, 1))
    assert one("AG", ramp) == pytest.approx(math.sqrt(2) * 12 / 6, rel=1e-15)
    assert one("AG", np.full((4, 5), 200, dtype=np.uint8)) == 0.0
    checks = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    assert one("AG", checks) == pytest.approx(1020)


@given(unit_pictures, st.floats(0.01, 1), st.floats(0, 0.5))
@settings(max_examples=15, deadline=None)
def test_ag_is_linear_in_contrast_and_blind_to_brightness(
    fused: F64, gain: float, offset: float
) -> None:
    expected = pytest.approx(gain * one("AG", fused), rel=1e-9, abs=1e-9)
    assert one("AG", fused * gain + offset) == expected
    assert one("AG", fused.T * gain) == expected


def test_uint8_sd_counts_what_is_above_the_mean_up_to_16_levels() -> None:
    # Mean 15.5; above it 20 by 4.5, which rounds to 5, and 42 by 26.5: 27, its square stops at 255.
    fused = np.array([[0, 0], [20, 42]], dtype=np.uint8)
    assert one("SD", fused, "uint8") == pytest.approx(math.sqrt((25 + 255) / 4), rel=1e-15)
    assert one("SD", np.full((3, 3), 9, dtype=np.uint8), "uint8") == 0.0


@given(unit_pictures)
@settings(max_examples=20, deadline=None)
def test_uint8_sf_is_on_the_unit_scale(fused: F64) -> None:
    levels = np.floor(fused * 255 + 0.5).astype(np.uint8)
    assert one("SF", levels, "uint8") == pytest.approx(one("SF", levels) / 255, rel=1e-12)
