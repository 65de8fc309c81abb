"""What goes wrong with edges: Nabf (artefacts, edges of no source) and Labf (edges lost)."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Greys, Single
from piafusion.metrics._spec import ALL, Arithmetic, MetricSpec
from piafusion.metrics._strips import strips

# Sigmoids of strength (g) and orientation (a); limits of the weights.
_GAMMA_G, _KAPPA_G, _SIGMA_G = 0.9999, 19.0, 0.5
_GAMMA_A, _KAPPA_A, _SIGMA_A = 0.9995, 22.0, 0.5
_LEAST_EDGE, _LEAST_WEIGHT = 2.0, 0.001

_TINY = 1e-30  # in the place of a divisor of 0


class _Edges(NamedTuple):
    strength: Single
    orientation: Single


def fusion_artefacts(greys: Greys) -> float:
    """Nabf: share of the edge information that the fusion made up.

    Where the fused gradient exceeds both sources' gradients, what it does not preserve of them
    (1 - Q of strength and orientation), weighted by their gradients: g^1.5, or 0.001 below 2 grey
    levels. Gradients are Sobel's, divided by 8, of pictures mirrored at the frame. This is the
    modified measure; the original of Petrovic and Xydeas counts artefacts by both weights.

    Constant sources have the least weight everywhere; a constant fused picture then has no
    artefacts, 0, and an edge in it is one.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 2 x 2; float32 inside.

    Returns:
        0 to 1; lower is better.

    Reference:
        B. K. Shreyamsha Kumar, Multifocus and multispectral image fusion based on pixel
        significance using discrete cosine harmonic wavelet transform, Signal, Image and Video
        Processing 7(6), 2013.
    """
    return greys.once(_balance)[0]


def fusion_loss(greys: Greys) -> float:
    """Labf: share of the edge information that the fusion lost.

    As `fusion_artefacts`, at the other pixels: where the fused gradient is no stronger than that
    of at least one source. As published, a pixel where source and fused picture are both flat
    counts as lost, by its small weight. Two constant sources have nothing to lose; the answer is
    then 0.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 2 x 2; float32 inside.

    Returns:
        0 to 1; lower is better.

    Reference:
        V. Petrovic, C. Xydeas, Objective image fusion performance characterisation, IEEE
        International Conference on Computer Vision, 2005.
    """
    return greys.once(_balance)[1]


def fusion_artefacts_uint8(greys: Greys) -> float:
    """Nabf of the toolboxes that pass pictures on the [0, 1] scale.

    No gradient there reaches 2, so that every pixel has the same weight.
    """
    return greys.once(_balance_uint8)[0]


def fusion_loss_uint8(greys: Greys) -> float:
    """Labf of the toolboxes that pass pictures on the [0, 1] scale: all pixels weigh the same."""
    return greys.once(_balance_uint8)[1]


def _balance(greys: Greys) -> tuple[float, float]:
    return _artefacts_and_loss(greys, by_strength=True)


def _balance_uint8(greys: Greys) -> tuple[float, float]:
    return _artefacts_and_loss(greys, by_strength=False)


def _artefacts_and_loss(greys: Greys, *, by_strength: bool) -> tuple[float, float]:
    artefacts = lost = total = 0.0
    mirrored = [np.pad(plane, 1, mode="reflect") for plane in greys.singles]
    for strip in strips(mirrored, window=3):
        *sources, fused = map(_edges, strip)
        missing = np.zeros_like(fused.strength)
        for source in sources:
            weight = _weights(source.strength, by_strength=by_strength)
            missing += (1.0 - _preservation(source, fused)) * weight
            total += float(weight.sum(dtype=np.float64))
        made_up = fused.strength > np.maximum(sources[0].strength, sources[1].strength)
        artefacts += float((missing * made_up).sum(dtype=np.float64))
        lost += float((missing * ~made_up).sum(dtype=np.float64))
    if all(source.min() == source.max() for source in greys.sources):
        lost = 0.0
    return artefacts / total, lost / total


def _edges(grey: Single) -> _Edges:
    """Sobel gradient where its 3 x 3 window fits, divided by 8."""
    right = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8))[1:-1, 1:-1]
    down = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8))[1:-1, 1:-1]
    slope = right / (down + (down == 0) * np.float32(_TINY))
    return _Edges(np.sqrt(right * right + down * down), np.arctan(slope))


def _preservation(source: _Edges, fused: _Edges) -> NDArray[np.float32]:
    stronger = np.maximum(source.strength, fused.strength)
    ratio = np.minimum(source.strength, fused.strength) / np.maximum(stronger, np.float32(_TINY))
    turned = np.abs(source.orientation - fused.orientation)  # 0 to pi; pi is no turn at all
    agreement = np.abs(turned - np.float32(np.pi / 2)) * np.float32(2 / np.pi)
    strength = 1.0 + np.exp(_KAPPA_G * (_SIGMA_G - ratio))
    orientation = 1.0 + np.exp(_KAPPA_A * (_SIGMA_A - agreement))
    return np.asarray(np.sqrt(_GAMMA_G * _GAMMA_A / (strength * orientation)))


def _weights(strength: Single, *, by_strength: bool) -> NDArray[np.float32]:
    if not by_strength:
        return np.full_like(strength, _LEAST_WEIGHT)
    powered = strength * np.sqrt(strength)  # the exponent 1.5
    return np.where(strength >= _LEAST_EDGE, powered, np.float32(_LEAST_WEIGHT))


SPECS = (
    MetricSpec(
        name="Nabf",
        direction="lower",
        inputs=ALL,
        reference="Shreyamsha Kumar, Signal, Image and Video Processing 7(6), 2013",
        float=Arithmetic(fusion_artefacts, range=(0.0, 1.0)),
        uint8=Arithmetic(fusion_artefacts_uint8, range=(0.0, 1.0)),
        minimum_size=2,
    ),
    MetricSpec(
        name="Labf",
        direction="lower",
        inputs=ALL,
        reference="Petrovic, Xydeas, IEEE ICCV 2005",
        float=Arithmetic(fusion_loss, range=(0.0, 1.0)),
        uint8=Arithmetic(fusion_loss_uint8, range=(0.0, 1.0)),
        minimum_size=2,
    ),
)
