"""Qcb: properties and undefined cases; test_evaluate.py has the agreement with the formula."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics import evaluate
from tests.metrics.test_ssim import smooth
from tests.tolerances import FLOAT32_SUMS

F64 = NDArray[np.float64]


def qcb(infrared: F64, visible: F64, fused: F64) -> float:
    return evaluate(infrared, visible, fused, metrics=["Qcb"])["Qcb"]


def test_copy_and_symmetry() -> None:
    infrared, visible, fused = smooth(0)
    assert qcb(fused, fused, fused) == 1.0
    expected = pytest.approx(qcb(visible, infrared, fused), rel=FLOAT32_SUMS)
    assert qcb(infrared, visible, fused) == expected


def test_pictures_are_stretched_first() -> None:
    infrared, visible, fused = smooth(1)
    levels = [np.floor(255 * (p - p.min()) / np.ptp(p) + 0.5) / 255 for p in (infrared, fused)]
    expected = pytest.approx(qcb(infrared, visible, fused), rel=FLOAT32_SUMS)
    assert qcb(levels[0] / 5, visible, 0.5 + levels[1] / 5) == expected


def test_copy_of_one_source_is_half_way_or_more() -> None:
    infrared, visible, _ = smooth(2, 64)
    assert 0.5 < qcb(infrared, visible, infrared) < 1.0


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_constant_pictures_are_not_stretched(level: float) -> None:
    constant = np.full((40, 44), level)
    picture = smooth(3, 44)[0][:40]
    assert qcb(constant, constant, constant) == 1.0
    assert 0 <= qcb(constant, constant, picture) < 1
    assert 0 <= qcb(picture, picture, constant) < 1


def test_black_background_has_no_contrast() -> None:
    black = np.zeros((40, 40))
    assert qcb(black, black, black) == 1.0
    dot = black.copy()
    dot[20, 20] = 1.0
    assert np.isfinite(qcb(dot, black, dot))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (10, 13)])
def test_any_size(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(4).random(shape)
    assert qcb(picture, picture, picture) == 1.0
