"""CC and SCD against NumPy's corrcoef, cases by hand, and their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from piafusion.metrics import evaluate

F64 = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def both(infrared: F64, visible: F64, fused: F64) -> tuple[float, float]:
    values = evaluate(infrared, visible, fused, metrics=["CC", "SCD"])
    return values["CC"], values["SCD"]


def noise(seed: int) -> F64:
    return np.random.default_rng(seed).random((3, 9, 11))


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_agrees_with_corrcoef(seed: int) -> None:
    infrared, visible, fused = noise(seed)
    flat = [plane.ravel() for plane in (infrared, visible, fused)]
    cc, scd = both(infrared, visible, fused)
    assert cc == pytest.approx(np.corrcoef(flat)[2, :2].mean(), abs=1e-12)
    expected = np.corrcoef(flat[2] - flat[1], flat[0])[0, 1]
    expected += np.corrcoef(flat[2] - flat[0], flat[1])[0, 1]
    assert scd == pytest.approx(expected, abs=1e-12)


def test_sum_of_the_sources_has_the_highest_scd() -> None:
    infrared, visible = noise(0)[:2] / 2
    assert both(infrared, visible, infrared + visible)[1] == pytest.approx(2.0, abs=1e-12)


def test_cc_of_a_copy_and_of_a_negative() -> None:
    picture = noise(1)[0]
    assert both(picture, picture, picture)[0] == pytest.approx(1.0, abs=1e-12)
    assert both(picture, picture, 1 - picture)[0] == pytest.approx(-1.0, abs=1e-12)
    assert both(picture, 1 - picture, picture)[0] == pytest.approx(0.0, abs=1e-12)


@given(seeds, st.floats(0.1, 1), st.floats(0, 0.5))
@settings(max_examples=20, deadline=None)
def test_cc_is_blind_to_gain_and_offset(seed: int, gain: float, offset: float) -> None:
    infrared, visible, fused = noise(seed) / 2
    cc = both(infrared, visible, fused)[0]
    assert both(infrared * gain + offset, visible, fused)[0] == pytest.approx(cc, abs=1e-9)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_symmetric_in_sources(seed: int) -> None:
    infrared, visible, fused = noise(seed)
    assert both(infrared, visible, fused) == pytest.approx(both(visible, infrared, fused))


def test_constant_pictures_correlate_with_nothing() -> None:
    picture = noise(2)[0]
    constant = np.full_like(picture, 0.3)
    assert both(constant, constant, picture) == (0.0, 0.0)
    assert both(picture, picture, constant)[0] == 0.0
    assert both(constant, picture, picture)[0] == pytest.approx(0.5)
    assert both(picture, picture, picture)[1] == 0.0  # no differences
