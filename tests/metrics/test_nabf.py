"""Nabf and Labf: cases by hand and properties; test_evaluate.py has the plain formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics import evaluate
from tests.tolerances import FLOAT32_SUMS

U8 = NDArray[np.uint8]
# What the sigmoids leave of a perfectly kept edge.
KEPT = math.sqrt(0.9999 / (1 + math.exp(-9.5)) * 0.9995 / (1 + math.exp(-11)))


def both(infrared: U8, visible: U8, fused: U8, convention: str = "float") -> tuple[float, float]:
    values = evaluate(infrared, visible, fused, metrics=["Nabf", "Labf"], convention=convention)
    return values["Nabf"], values["Labf"]


def noise(seed: int) -> list[U8]:
    return list(np.random.default_rng(seed).integers(0, 256, (3, 20, 24), dtype=np.uint8))


@pytest.mark.parametrize("convention", ["float", "uint8"])
def test_copy_loses_and_adds_next_to_nothing(convention: str) -> None:
    picture = noise(0)[0]
    artefacts, loss = both(picture, picture, picture, convention)
    assert artefacts == 0.0
    assert loss == pytest.approx(1 - KEPT, abs=1e-5 if convention == "float" else 0.02)


def test_black_fused_loses_all() -> None:
    infrared, visible, _ = noise(1)
    artefacts, loss = both(infrared, visible, np.zeros_like(infrared))
    assert artefacts == 0.0
    assert loss > 0.99


def test_stronger_edges_are_artefacts_by_the_ratio() -> None:
    ramp = np.tile(np.arange(0, 96, 4, dtype=np.uint8), (20, 1))
    # Twice the gradient in the same direction, but none at the mirrored frame, of least weight.
    strength = 0.9999 / (1 + math.exp(-19 * (0.5 - 0.5)))
    expected = 1 - math.sqrt(strength * 0.9995 / (1 + math.exp(-11)))
    artefacts, loss = both(ramp, ramp, 2 * ramp)
    assert artefacts == pytest.approx(expected, rel=1e-3)
    assert loss == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("convention", ["float", "uint8"])
def test_symmetric_and_bounded(convention: str) -> None:
    infrared, visible, fused = noise(2)
    artefacts, loss = both(infrared, visible, fused, convention)
    expected = pytest.approx((artefacts, loss), rel=FLOAT32_SUMS)
    assert both(visible, infrared, fused, convention) == expected
    assert artefacts > 0
    assert loss > 0
    assert artefacts + loss < 1


def test_a_reversed_edge_is_the_same_edge() -> None:
    infrared, visible, fused = noise(3)
    expected = pytest.approx(both(infrared, visible, fused), rel=FLOAT32_SUMS)
    assert both(infrared, visible, 255 - fused) == expected


def test_uint8_weighs_every_pixel_alike() -> None:
    # An edge of 12 pixels' height and two pixels' width in 20 x 24, lost; the rest is flat.
    edge = np.zeros((20, 24), dtype=np.uint8)
    edge[:, 12:] = 200
    artefacts, loss = both(edge, edge, np.zeros_like(edge), "uint8")
    assert artefacts == 0.0
    # As published, flat pixels count as lost too: all of them miss nearly all.
    assert loss == pytest.approx(1.0, abs=0.01)


def test_constant_sources() -> None:
    constant = np.full((20, 24), 77, dtype=np.uint8)
    assert both(constant, constant, constant) == (0.0, 0.0)
    edge = constant.copy()
    edge[:, 12:] = 200
    artefacts, loss = both(constant, constant, edge)
    assert artefacts == pytest.approx(2 / 24, rel=0.01)  # two columns have the edge
    assert loss == 0.0
