"""Qw: properties and undefined cases; test_evaluate.py has the agreement with the formula."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics import evaluate
from tests.metrics.test_ssim import score, smooth

F64 = NDArray[np.float64]


def qw(infrared: F64, visible: F64, fused: F64) -> float:
    return evaluate(infrared, visible, fused, metrics=["Qw"])["Qw"]


def test_copy_and_symmetry() -> None:
    infrared, visible, fused = smooth(0)
    assert qw(fused, fused, fused) == pytest.approx(1.0, abs=1e-12)
    assert qw(infrared, visible, fused) == pytest.approx(qw(visible, infrared, fused), rel=1e-12)


def test_the_more_varied_source_decides() -> None:
    varied, other, _ = smooth(1)
    faint = 0.5 + other / 1000
    assert qw(varied, faint, varied) > 0.99
    assert qw(varied, faint, faint) < 0.1


def test_a_flat_source_has_no_say() -> None:
    picture, fused, _ = smooth(2)
    constant = np.full_like(picture, 0.5)
    assert qw(picture, constant, picture) == pytest.approx(1.0, abs=1e-9)
    assert qw(constant, picture, fused) == pytest.approx(qw(picture, constant, fused), rel=1e-12)


def test_flat_sources_weigh_the_same_everywhere() -> None:
    constant = np.full((16, 16), 0.5)
    assert qw(constant, constant, constant) == pytest.approx(1.0, abs=1e-9)
    fused = smooth(3, 16)[0]
    expected = score("SSIM", constant, constant, fused)
    assert qw(constant, constant, fused) == pytest.approx(expected, rel=1e-9)
