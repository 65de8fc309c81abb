"""Qy: properties and undefined cases; test_evaluate.py has the agreement with the formula."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics import evaluate
from tests.metrics.test_ssim import smooth

F64 = NDArray[np.float64]


def qy(infrared: F64, visible: F64, fused: F64) -> float:
    return evaluate(infrared, visible, fused, metrics=["Qy"])["Qy"]


def test_copy_and_symmetry() -> None:
    infrared, visible, fused = smooth(0)
    assert qy(fused, fused, fused) == pytest.approx(1.0, abs=1e-9)
    assert qy(infrared, visible, fused) == pytest.approx(qy(visible, infrared, fused), rel=1e-9)


def test_where_sources_differ_a_copy_of_one_is_enough() -> None:
    generator = np.random.default_rng(1)
    infrared, visible = generator.random((2, 40, 40))  # independent: hardly a window agrees
    assert qy(infrared, visible, infrared) > 0.99
    assert qy(infrared, visible, visible) > 0.99
    assert qy(infrared, visible, generator.random((40, 40))) < 0.5


def test_where_sources_agree_both_count() -> None:
    picture, noise, _ = smooth(2)
    nearly = picture + 1e-4 * noise
    assert qy(picture, nearly, nearly / 1.1) < 1.0
    assert qy(picture, nearly, picture) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("level", [0.0, 1 / 3, 1.0])
def test_flat_windows_are_alike_whatever_rounding_says(level: float) -> None:
    constant = np.full((16, 16), level)
    assert qy(constant, constant, constant) == pytest.approx(1.0, abs=1e-12)
    fused = smooth(3, 16)[0]
    assert qy(constant, constant, fused) == pytest.approx(0.0, abs=1e-12)


def test_flat_sources_weigh_the_same() -> None:
    # Alike in structure and nearly in luminance: similarity is that of luminance alone.
    dark, light = np.full((16, 16), 0.50), np.full((16, 16), 0.52)
    expected = np.mean([2 * 0.5 * 0.51 / (0.5**2 + 0.51**2), 2 * 0.52 * 0.51 / (0.52**2 + 0.51**2)])
    assert qy(dark, light, np.full((16, 16), 0.51)) == pytest.approx(expected, rel=1e-9)
