"""Qabf: how well the edges of the sources survive in the fused picture."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._edges import Edges, orientation, ratio, sobel, strength
from piafusion.metrics._spec import ALL, Arithmetic, Double, Greys, MetricSpec, Single
from piafusion.metrics._windows import strips

# The sigmoids' constants, in the paper's names: strength (g) and orientation (a).
_GAMMA_G, _KAPPA_G, _SIGMA_G = 0.9994, -15.0, 0.5
_GAMMA_A, _KAPPA_A, _SIGMA_A = 0.9879, -22.0, 0.8

_VERTICAL = 5e-3
"""A horizontal derivative smaller than this, in grey levels, counts as 0.

Float pictures are whole levels up to rounding; without the limit the sign of a rounding error
would decide between the orientations +90 and -90 degrees. The luminance of 16-bit colour comes
in finer steps; there the limit is 0.3 degrees on an edge of a level.
"""


def edge_preservation(greys: Greys) -> float:
    """Qabf: edge strength and orientation of both sources that the fused picture preserves.

    Gradients are Sobel's. For each pixel and source, two values pass through sigmoids and are
    multiplied: the ratio of the weaker to the stronger gradient, and the agreement of the
    orientations. The result is the mean of these products, weighted by the source's gradient
    (L = 1). Three equal pictures reach 0.9748, not 1, because the sigmoids do not reach 1.

    As in the code that the field uses (VIFB, MEFB), black surrounds the pictures, so their frame
    counts as an edge (0.03 of the mean score on TNO), and orientations do not wrap round. Unlike
    that code, two equal gradients have the ratio 1, as in the paper.

    Two constant sources have no edges to preserve; the answer is then 0.

    The computation is in float32.

    Returns:
        0 to 1; higher is better.

    Reference:
        C. S. Xydeas, V. Petrovic, Objective image fusion performance measure,
        Electronics Letters 36(4), 2000.
    """
    if _without_edges(greys):
        return 0.0
    preserved = total = 0.0
    for strip in strips(greys.singles, window=3, margin=1):
        *sources, fused = map(_edges, strip)
        for source in sources:
            quality = _quality(ratio(source.strength, fused.strength), source, fused)
            preserved += _sum(np.multiply(quality, source.strength, out=quality))
            total += _sum(source.strength)
    return preserved / total


def edge_preservation_uint8(greys: Greys) -> float:
    """Qabf as in the published sheet: two equal gradients have their strength as ratio.

    The MATLAB code works on the [0, 1] scale and divides the smaller gradient by the larger; where
    both are the same it takes the gradient itself for the ratio. Whether two gradients are the
    same is decided by rounding: the six products are summed column by column, as conv2 does.
    """
    if _without_edges(greys):
        return 0.0
    preserved = total = 0.0
    for strip in strips(greys.doubles, window=3, margin=1):
        *sources, fused = (_edges_as_conv2(plane / 255.0) for plane in strip)
        for source in sources:
            kept = ratio(source.strength, fused.strength)
            kept = np.where(source.strength == fused.strength, fused.strength, kept)
            preserved += _sum(_quality(kept, source, fused) * source.strength)
            total += _sum(source.strength)
    return preserved / total


def _without_edges(greys: Greys) -> bool:
    """Both sources are constant."""
    return all(source.min() == source.max() for source in greys.sources)


def _edges(grey: Single) -> Edges:
    """Sobel gradient where its 3 x 3 window fits, on the 0..255 scale."""
    right, down = sobel(grey)
    angle = orientation(-right, down)
    angle[np.abs(right) < _VERTICAL] = np.pi / 2
    return Edges(strength(right, down), angle)


def _edges_as_conv2(grey: Double) -> Edges:
    """The same on the [0, 1] scale, in float64, in the order of MATLAB's conv2."""
    height, width = grey.shape

    def neighbour(row: int, column: int) -> Double:
        return grey[row : height - 2 + row, column : width - 2 + column]

    first, second, third = ([neighbour(row, column) for row in (2, 1, 0)] for column in (2, 1, 0))
    across = -first[0] - 2.0 * first[1] - first[2] + third[0] + 2.0 * third[1] + third[2]
    up = first[0] - first[2] + 2.0 * second[0] - 2.0 * second[2] + third[0] - third[2]
    vertical = across == 0
    orientation = np.where(vertical, np.pi / 2, np.arctan(up / (across + vertical)))
    return Edges(np.sqrt(across * across + up * up), orientation)


def _quality(
    kept: NDArray[np.floating[Any]], source: Edges, fused: Edges
) -> NDArray[np.floating[Any]]:
    """Quality in [0, 1] with which each pixel's edge of a source appears in the fused picture."""
    turned = np.abs(source.orientation - fused.orientation)
    turned *= -_KAPPA_A * 2.0 / math.pi
    turned += _KAPPA_A * (1.0 - _SIGMA_A)
    amount = kept * _KAPPA_G
    amount -= _KAPPA_G * _SIGMA_G
    for exponent in (amount, turned):
        cv2.exp(exponent, exponent)
        exponent += 1.0
    amount *= turned
    return np.asarray(np.divide(_GAMMA_G * _GAMMA_A, amount, out=amount))


def _sum(values: NDArray[np.floating[Any]]) -> float:
    return float(values.sum(dtype=np.float64))


SPECS = (
    MetricSpec(
        name="Qabf",
        direction="higher",
        inputs=ALL,
        reference="Xydeas, Petrovic, Electronics Letters 36(4), 2000",
        float=Arithmetic(edge_preservation, range=(0.0, 1.0)),
        uint8=Arithmetic(edge_preservation_uint8, range=(0.0, 1.0)),
    ),
)
