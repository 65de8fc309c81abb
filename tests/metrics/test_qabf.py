"""Qabf against a loop over pixels, cases by hand, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.signal import convolve2d

from piafusion.metrics import evaluate
from tests.tolerances import FLOAT32_SUMS

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
# What a perfectly kept edge scores: strength ratio 1 and orientation agreement 1.
PERFECT = 0.9994 / (1 + math.exp(-15 * 0.5)) * 0.9879 / (1 + math.exp(-22 * 0.2))
pictures = hnp.arrays(np.uint8, (7, 9), elements=st.integers(0, 255))
coarse_pictures = hnp.arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 40, 80, 200]))


def qabf(
    infrared: NDArray[np.generic],
    visible: NDArray[np.generic],
    fused: NDArray[np.generic],
    convention: str = "float",
) -> float:
    return evaluate(infrared, visible, fused, metrics=["Qabf"], convention=convention)["Qabf"]


def edges(picture: U8) -> list[tuple[float, float]]:
    """Strength and orientation of each pixel, as VIFB's MATLAB code has them."""
    h1 = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], dtype=float)
    h3 = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=float)
    xs = convolve2d(picture.astype(float), h3, mode="same").ravel().tolist()
    ys = convolve2d(picture.astype(float), h1, mode="same").ravel().tolist()
    return [
        (math.hypot(x, y), math.pi / 2 if x == 0 else math.atan(y / x))
        for x, y in zip(xs, ys, strict=True)
    ]


def qabf_by_loops(infrared: U8, visible: U8, fused: U8) -> float:
    preserved = total = 0.0
    for source in (infrared, visible):
        for (g_s, a_s), (g_f, a_f) in zip(edges(source), edges(fused), strict=True):
            ratio = 1.0 if g_s == g_f else min(g_s, g_f) / max(g_s, g_f)
            agreement = 1 - abs(a_s - a_f) / (math.pi / 2)
            strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            orientation = 0.9879 / (1 + math.exp(-22 * (agreement - 0.8)))
            preserved += strength * orientation * g_s
            total += g_s
    return preserved / total


@given(pictures, coarse_pictures, coarse_pictures)
@settings(max_examples=20, deadline=None)
def test_agrees_with_loops(infrared: U8, visible: U8, fused: U8) -> None:
    infrared[0, 0] = infrared[1, 0] ^ 1  # not constant
    expected = qabf_by_loops(infrared, visible, fused)
    assert qabf(infrared, visible, fused) == pytest.approx(expected, rel=FLOAT32_SUMS)


@given(pictures)
@settings(max_examples=20, deadline=None)
def test_copy_scores_what_the_sigmoids_allow(picture: U8) -> None:
    picture[0, 0] = picture[1, 0] ^ 1  # not constant
    assert qabf(picture, picture, picture) == pytest.approx(PERFECT, rel=FLOAT32_SUMS)
    assert pytest.approx(0.9748, abs=5e-5) == PERFECT


def test_black_fused_by_hand() -> None:
    # One white pixel: 4 edges of strength 2 along rows, 4 of sqrt(2) on diagonals (times 255),
    # none at the pixel. Fused has ratio 0 and orientation +90 degrees everywhere. Agreement is 0
    # left and right (orientation 0), 1 above and below (90), 0.5 or -0.5 on diagonals (45, -45).
    dot = np.zeros((5, 5), dtype=np.uint8)
    dot[2, 2] = 255
    lost = 0.9994 / (1 + math.exp(7.5))
    angle = {a: 0.9879 / (1 + math.exp(-22 * (a - 0.8))) for a in (-0.5, 0, 0.5, 1)}
    kept = 2 * 2 * (angle[0] + angle[1]) + 2 * math.sqrt(2) * (angle[0.5] + angle[-0.5])
    expected = lost * kept / (4 * 2 + 4 * math.sqrt(2))
    assert qabf(dot, dot, np.zeros_like(dot)) == pytest.approx(expected, rel=FLOAT32_SUMS)


@given(pictures, coarse_pictures, pictures)
@settings(max_examples=15, deadline=None)
def test_symmetric_in_sources_and_in_range(a: U8, b: U8, fused: U8) -> None:
    value = qabf(a, b, fused)
    assert value == pytest.approx(qabf(b, a, fused), rel=FLOAT32_SUMS)
    assert 0 <= value <= PERFECT + FLOAT32_SUMS


@given(pictures, coarse_pictures, coarse_pictures, st.sampled_from([0.5, 0.1, 1 / 3]))
@settings(max_examples=15, deadline=None)
def test_common_scale_does_not_matter(a: U8, b: U8, fused: U8, scale: float) -> None:
    scaled = [picture / 255 * scale for picture in (a, b, fused)]
    assert qabf(*scaled) == pytest.approx(qabf(a, b, fused), rel=10 * FLOAT32_SUMS)


@given(pictures, coarse_pictures, coarse_pictures)
@settings(max_examples=15, deadline=None)
def test_rounding_noise_does_not_turn_edges(a: U8, b: U8, fused: U8) -> None:
    single = [(picture / 255).astype(np.float32) for picture in (a, b, fused)]
    assert qabf(*single) == pytest.approx(qabf(a, b, fused), abs=10 * FLOAT32_SUMS)


def test_source_with_the_kept_edges_counts_by_its_strength() -> None:
    strong = np.tile(np.array([0, 0, 0, 250, 0, 0, 0], dtype=np.uint8), (7, 1))
    weak = strong.T // 10
    assert qabf(strong, weak, strong) > qabf(strong, weak, weak)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_sources_without_edges_score_zero(level: int) -> None:
    constant = np.full((6, 6), level, dtype=np.uint8)
    busy = np.eye(6, dtype=np.uint8) * 255
    assert qabf(constant, constant, constant) == 0.0
    assert qabf(constant, constant, busy) == 0.0
    assert qabf(constant, busy, busy) > 0


def test_uint8_takes_an_equal_gradient_for_the_ratio() -> None:
    # A step of 51 levels, a fifth of the range: strength 0.8 inside, by four Sobel weights.
    step = np.zeros((60, 60), dtype=np.uint8)
    step[:, 30:] = 51
    strengths = qabf(step, step, step, "uint8")
    kept = 0.9994 / (1 + math.exp(-15 * (0.8 - 0.5))) * PERFECT / (0.9994 / (1 + math.exp(-7.5)))
    assert strengths == pytest.approx(kept, abs=0.01)  # the frame's corners are weaker
    assert qabf(step, step, step) == pytest.approx(PERFECT, rel=FLOAT32_SUMS)


def test_uint8_of_sources_without_edges_is_zero() -> None:
    constant = np.full((6, 6), 9, dtype=np.uint8)
    assert qabf(constant, constant, np.eye(6, dtype=np.uint8), "uint8") == 0.0
