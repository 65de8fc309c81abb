"""Qcv: a case by hand, properties and undefined cases; test_evaluate.py has the plain formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics import evaluate
from tests.metrics.test_ssim import smooth
from tests.tolerances import FLOAT32_SUMS

F64 = NDArray[np.float64]


def qcv(infrared: F64, visible: F64, fused: F64) -> float:
    return evaluate(infrared, visible, fused, metrics=["Qcv"])["Qcv"]


def test_copy_and_symmetry() -> None:
    infrared, visible, fused = smooth(0, 48)
    assert qcv(fused, fused, fused) == 0.0
    expected = pytest.approx(qcv(visible, infrared, fused), rel=FLOAT32_SUMS)
    assert qcv(infrared, visible, fused) == expected


def test_a_wave_by_hand() -> None:
    # The difference is a wave of 8 cycles across 64 pixels, of amplitude 51: frequency 8 of at
    # most 32, in this metric's unit 2 * 8 / 8. Its mean square is half the squared amplitude.
    frequency = 2 * 8 / 8
    sensitivity = 2.6 * (0.0192 + 0.144 * frequency) * math.exp(-((0.144 * frequency) ** 1.1))
    wave = np.tile(0.2 * np.sin(2 * np.pi * 8 * np.arange(64) / 64 + 0.4), (64, 1))
    source = np.full((64, 64), 0.5)
    source[0, 0], source[0, 1] = 0.0, 1.0  # both use the whole range, so nothing is stretched
    fused = source + wave
    fused[0, 0], fused[0, 1] = 0.0, 1.0
    expected = (51 * sensitivity) ** 2 / 2
    assert qcv(source, source, fused) == pytest.approx(expected, rel=0.1)


def test_grows_with_the_difference() -> None:
    picture, other, _ = smooth(1, 64)
    values = [qcv(picture, picture, (1 - w) * picture + w * other) for w in (0, 0.2, 0.5, 1)]
    assert values == sorted(values)


def test_salient_regions_decide() -> None:
    picture = np.full((32, 64), 0.5)
    picture[8:24, 4:12] = 1.0  # an object at the left
    picture[0, 0] = 0.0
    left, right = picture.copy(), picture.copy()
    left[8:24, 13:15] += 0.2
    right[8:24, 37:39] += 0.2
    assert qcv(picture, picture, left) > qcv(picture, picture, right)


def test_constant_sources_weigh_the_same_everywhere() -> None:
    constant = np.full((32, 32), 0.25)
    assert qcv(constant, constant, constant) == 0.0
    assert qcv(constant, constant, smooth(2, 32)[0]) > 0


@pytest.mark.parametrize("shape", [(1, 1), (15, 17), (16, 33)])
def test_any_size(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).random(shape)
    assert qcv(picture, picture, picture) == 0.0
