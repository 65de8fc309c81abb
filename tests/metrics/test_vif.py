"""VIF against two-dimensional SciPy convolutions, closed forms, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from piafusion.errors import ImageError
from piafusion.metrics import evaluate
from piafusion.metrics.vif import MINIMUM_SIZE
from tests.reference.plain_metrics import METRICS

F64 = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def vif(infrared: NDArray[np.generic], visible: NDArray[np.generic], fused: F64) -> float:
    return evaluate(infrared, visible, fused, metrics=["VIF"])["VIF"]


def textured(seed: int, height: int = 48, width: int = 53) -> F64:
    """Noise with detail at all four scales, in [0, 1]."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for cell in (1, 3, 9):
        small = generator.random((height // cell + 1, width // cell + 1))
        total += np.kron(small, np.ones((cell, cell)))[:height, :width]
    return total / total.max()


@given(seeds, st.integers(41, 160), st.integers(41, 70))
@settings(max_examples=15, deadline=None)
def test_agrees_with_convolutions(seed: int, height: int, width: int) -> None:
    infrared, visible, noise = (textured(seed + i, height, width) for i in range(3))
    fused = 0.5 * infrared + 0.3 * visible + 0.2 * noise
    visible[:20, :20] = 0.25  # flat windows as well
    expected = METRICS["VIF"](infrared * 255, visible * 255, fused * 255)
    assert vif(infrared, visible, fused) == pytest.approx(expected, rel=1e-9)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_copy_keeps_all(seed: int) -> None:
    picture = textured(seed)
    assert vif(picture, picture, picture) == pytest.approx(2.0, abs=1e-7)


@given(seeds, seeds)
@settings(max_examples=10, deadline=None)
def test_symmetric_in_sources(one: int, other: int) -> None:
    a, b, fused = textured(one), textured(other), textured(one ^ other)
    assert vif(a, b, fused) == pytest.approx(vif(b, a, fused), rel=1e-12)


@given(seeds, st.floats(0.2, 0.8))
@settings(max_examples=10, deadline=None)
def test_brightness_does_not_matter(seed: int, offset: float) -> None:
    a, b, fused = (textured(seed + i) / 5 for i in range(3))
    assert vif(a, b + offset, fused + offset) == pytest.approx(vif(a, b, fused), rel=1e-6)


def test_contrast_has_a_closed_form() -> None:
    # On the smallest picture the coarsest scale is one window; all scales follow
    # sum(log(1 + g^2 v / 2)) / sum(log(1 + v / 2)), which nears g^2 for low variances v.
    faint = textured(5, MINIMUM_SIZE, MINIMUM_SIZE) * 1e-3
    doubled, halved = vif(faint, faint, 2 * faint), vif(faint, faint, faint / 2)
    assert doubled == pytest.approx(2 * 4, rel=0.02)
    assert halved == pytest.approx(2 / 4, rel=0.02)


def test_negative_keeps_nothing() -> None:
    picture = textured(7)
    assert vif(picture, picture, 1 - picture) == pytest.approx(0.0, abs=1e-12)


def test_more_noise_keeps_less() -> None:
    picture, noise = textured(1), textured(2)
    values = [vif(picture, picture, (1 - w) * picture + w * noise) for w in (0, 0.1, 0.3, 1)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
def test_constant_source_adds_exactly_nothing(level: int) -> None:
    constant = np.full((50, 60), level, dtype=np.uint8)
    picture = textured(3, 50, 60)
    assert vif(constant, constant, picture) == 0.0
    assert vif(constant, picture, picture) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("level", [0.0, 0.1, 1 / 3, 1.0])
def test_constant_fused_keeps_nothing(level: float) -> None:
    picture = textured(4)
    assert vif(picture, picture, np.full_like(picture, level)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (1, 1)])
def test_too_small(shape: tuple[int, int]) -> None:
    picture = np.zeros(shape)
    with pytest.raises(ImageError, match=rf"VIF.*at least 41x41.*found {shape[1]}x{shape[0]}"):
        vif(picture, picture, picture)


def test_smallest_size_is_enough() -> None:
    picture = textured(6, MINIMUM_SIZE, MINIMUM_SIZE)
    assert math.isclose(vif(picture, picture, picture), 2.0, abs_tol=1e-7)


def test_uint8_products_stop_at_255() -> None:
    picture = (textured(8) * 255).astype(np.uint8)
    fused = (textured(9) * 255).astype(np.uint8)
    as_uint8 = evaluate(picture, picture, fused, metrics=["VIF"], convention="uint8")["VIF"]
    assert as_uint8 != pytest.approx(vif(picture, picture, fused / 255), rel=1e-3)


def test_uint8_of_pictures_below_16_levels_is_float() -> None:
    dim = [(textured(seed) * 15).astype(np.uint8) for seed in range(3)]
    as_float, as_uint8 = (
        evaluate(*dim, metrics=["VIF"], convention=convention)["VIF"]
        for convention in ("float", "uint8")
    )
    assert as_uint8 == pytest.approx(as_float, rel=1e-6)


@pytest.mark.parametrize("level", [0, 10, 255])
def test_uint8_of_a_constant_source_adds_nothing(level: int) -> None:
    constant = np.full((50, 60), level, dtype=np.uint8)
    fused = (textured(3, 50, 60) * 255).astype(np.uint8)
    value = evaluate(constant, constant, fused, metrics=["VIF"], convention="uint8")["VIF"]
    assert value == pytest.approx(0.0, abs=1e-6)
