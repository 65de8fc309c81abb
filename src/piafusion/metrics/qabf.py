"""Qabf: how well the edges of the sources survive in the fused picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Grey, Greys
from piafusion.metrics._spec import MetricSpec
from piafusion.metrics._strips import strips

# The sigmoids' constants, in the paper's names: strength (g) and orientation (a).
_GAMMA_G, _KAPPA_G, _SIGMA_G = 0.9994, -15.0, 0.5
_GAMMA_A, _KAPPA_A, _SIGMA_A = 0.9879, -22.0, 0.8

_VERTICAL = 5e-4
"""A horizontal derivative smaller than this counts as 0.

Luminance of uint8 colour comes in steps of 0.001, so that a smaller value is rounding; without
the limit its sign would decide between the orientations +90 and -90 degrees.
"""

_NO_EDGE = 1e-300  # keeps 0/0 out; such pixels have weight 0


def edge_preservation(greys: Greys) -> float:
    """Qabf: edge strength and orientation of both sources that the fused picture preserves.

    Sobel gradients; at each pixel and for each source the ratio of the weaker to the stronger
    gradient and the agreement of orientations pass through sigmoids and are multiplied; the mean
    over pixels and sources is weighted by the source's gradient (L = 1). Three equal pictures
    reach 0.9748, not 1: the sigmoids do not.

    As in the field's code (VIFB, MEFB) the pictures are continued by black, so that their frame
    counts as an edge, 0.03 of the mean score on TNO; and orientations lie in (-90, 90] degrees and
    are compared without wrapping round. Unlike that code, two equal gradients have ratio 1 as in
    the paper, not the gradient itself; this changes uint8 scores by less than 0.0006.

    Two constant sources have no edges to preserve; the answer is then 0.

    Args:
        greys: Three ``H x W`` float64 pictures on the 0..255 scale.

    Returns:
        0 to 1; higher is better.

    Reference:
        C. S. Xydeas, V. Petrovic, Objective image fusion performance measure,
        Electronics Letters 36(4), 2000.
    """
    if all(source.min() == source.max() for source in greys.sources):
        return 0.0
    framed = [np.pad(plane, 1) for plane in (*greys.sources, greys.fused)]
    preserved = total = 0.0
    for strip in strips(framed, window=3):
        *sources, fused = map(_edges, strip)
        for source in sources:
            preserved += float(np.sum(_preservation(source, fused) * source.strength))
            total += float(np.sum(source.strength))
    return preserved / total


@dataclass(frozen=True)
class _Edges:
    """Gradient of a picture: strength, and orientation in radians."""

    strength: Grey
    orientation: NDArray[np.float64]


def _edges(grey: Grey) -> _Edges:
    """Sobel gradient where its 3 x 3 window fits: ``H x W`` becomes ``H-2 x W-2``."""
    right = np.asarray(cv2.Sobel(grey, cv2.CV_64F, 1, 0))[1:-1, 1:-1]
    down = np.asarray(cv2.Sobel(grey, cv2.CV_64F, 0, 1))[1:-1, 1:-1]
    strength = np.asarray(cv2.magnitude(right, down), dtype=np.float64)
    vertical = np.abs(right) < _VERTICAL
    slope = -down / (right + vertical)  # never divides by 0
    return _Edges(strength, np.where(vertical, np.pi / 2, np.arctan(slope)))


def _preservation(source: _Edges, fused: _Edges) -> NDArray[np.float64]:
    """Quality in [0, 1] with which each pixel's edge of a source appears in the fused picture."""
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    ratio = weaker / np.maximum(stronger, _NO_EDGE)
    agreement = 1.0 - np.abs(source.orientation - fused.orientation) / (np.pi / 2)
    strength = 1.0 + np.exp(_KAPPA_G * (ratio - _SIGMA_G))
    orientation = 1.0 + np.exp(_KAPPA_A * (agreement - _SIGMA_A))
    return _GAMMA_G * _GAMMA_A / (strength * orientation)


SPECS = (
    MetricSpec(
        name="Qabf",
        direction="higher",
        range=(0.0, 1.0),
        unit="",
        reference="Xydeas, Petrovic, Electronics Letters 36(4), 2000",
        function=edge_preservation,
    ),
)
