"""MSE and PSNR against scikit-image, cases by hand, and their properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from piafusion.metrics import evaluate

U8 = NDArray[np.uint8]
seeds = st.integers(0, 2**32 - 1)


def both(infrared: U8, visible: U8, fused: U8, convention: str = "float") -> tuple[float, float]:
    values = evaluate(infrared, visible, fused, metrics=["MSE", "PSNR"], convention=convention)
    return values["MSE"], values["PSNR"]


def noise(seed: int) -> list[U8]:
    return list(np.random.default_rng(seed).integers(0, 256, (3, 9, 11), dtype=np.uint8))


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_agrees_with_scikit_image(seed: int) -> None:
    infrared, visible, fused = noise(seed)
    errors = [mean_squared_error(source, fused) for source in (infrared, visible)]
    assert both(infrared, visible, fused)[0] == pytest.approx(np.mean(errors), rel=1e-12)
    # With one source, the ratio of the mean error is that source's own.
    expected = peak_signal_noise_ratio(infrared, fused, data_range=255)
    assert both(infrared, infrared, fused)[1] == pytest.approx(expected, rel=1e-12)


def test_by_hand() -> None:
    infrared = np.array([[0, 0]], dtype=np.uint8)
    visible = np.array([[4, 8]], dtype=np.uint8)
    fused = np.array([[2, 4]], dtype=np.uint8)
    # Squares 4 and 16, twice: 10; on [0, 1] that over 255^2, with a peak of 255 left as it is.
    assert both(infrared, visible, fused) == (10.0, pytest.approx(10 * math.log10(6502.5)))
    mse, psnr = both(infrared, visible, fused, "uint8")
    assert mse == pytest.approx(10 / 65025, rel=1e-15)
    assert psnr == pytest.approx(20 * math.log10(255 * math.sqrt(6502.5)), rel=1e-15)


def test_the_mean_of_the_ratios_is_no_smaller() -> None:
    infrared, visible, fused = noise(0)
    own = [both(source, source, fused)[1] for source in (infrared, visible)]
    assert both(infrared, visible, fused)[1] <= np.mean(own)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_symmetric_in_sources(seed: int) -> None:
    infrared, visible, fused = noise(seed)
    assert both(infrared, visible, fused) == pytest.approx(both(visible, infrared, fused))


@pytest.mark.parametrize("convention", ["float", "uint8"])
def test_equal_pictures_have_an_infinite_ratio(convention: str) -> None:
    picture = noise(1)[0]
    assert both(picture, picture, picture, convention) == (0.0, math.inf)
