"""SSIM against scikit-image, closed forms, properties; MS-SSIM's formula is in test_evaluate.py."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from piafusion.errors import ImageError
from piafusion.metrics import evaluate

F64 = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def score(name: str, infrared: F64, visible: F64, fused: F64) -> float:
    return evaluate(infrared, visible, fused, metrics=[name])[name]


def smooth(seed: int, side: int = 32) -> list[F64]:
    generator = np.random.default_rng(seed)
    coarse = cv2.resize(generator.random((5, 5, 3)), (side, side), interpolation=cv2.INTER_LINEAR)
    return list(np.moveaxis(0.8 * coarse + 0.2 * generator.random((side, side, 3)), 2, 0))


@given(seeds, st.integers(11, 40))
@settings(max_examples=15, deadline=None)
def test_ssim_agrees_with_scikit_image(seed: int, side: int) -> None:
    infrared, visible, fused = smooth(seed, side)
    expected = [
        structural_similarity(
            source * 255,
            fused * 255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        for source in (infrared, visible)
    ]
    value = score("SSIM", infrared, visible, fused)
    assert value == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.parametrize("name", ["SSIM", "MS-SSIM"])
def test_copy_symmetry_and_noise(name: str) -> None:
    infrared, visible, fused = smooth(0, 177)
    assert score(name, fused, fused, fused) == pytest.approx(1.0, abs=1e-12)
    value = score(name, infrared, visible, fused)
    assert value == pytest.approx(score(name, visible, infrared, fused), rel=1e-12)
    # One source kept wholly, the other not at all, is the mean.
    kept = score(name, infrared, visible, visible)
    assert kept == pytest.approx((score(name, infrared, infrared, visible) + 1) / 2, rel=1e-12)
    mixed = [score(name, fused, fused, (1 - w) * fused + w * infrared) for w in (0, 0.2, 0.5, 1)]
    assert mixed == sorted(mixed, reverse=True)


def test_ssim_of_constant_pictures_compares_their_luminance() -> None:
    dark, light = np.full((12, 12), 0.2), np.full((12, 12), 0.8)
    constant = 2.55**2
    expected = (2 * 51 * 204 + constant) / (51**2 + 204**2 + constant)
    assert score("SSIM", dark, dark, light) == pytest.approx(expected, rel=1e-9)
    assert score("SSIM", dark, dark, dark) == pytest.approx(1.0, abs=1e-9)


def test_ms_ssim_of_opposed_structure_is_zero() -> None:
    picture = smooth(1, 176)[0]
    assert score("SSIM", picture, picture, 1 - picture) < 0
    assert score("MS-SSIM", picture, picture, 1 - picture) == 0.0


@pytest.mark.parametrize(("name", "side"), [("SSIM", 11), ("MS-SSIM", 176)])
def test_smallest_size(name: str, side: int) -> None:
    picture = smooth(2, side)[0]
    assert score(name, picture, picture, picture) == pytest.approx(1.0, abs=1e-12)
    small = picture[1:]
    with pytest.raises(ImageError, match=rf"{name}: expected .* {side}x{side} pixels"):
        score(name, small, small, small)
