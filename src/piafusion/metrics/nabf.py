"""Errors of edges: Nabf (artefacts: edges that no source has) and Labf (lost edges)."""

from __future__ import annotations

import cv2
import numpy as np

from piafusion.metrics._edges import Edges, orientation, ratio, sobel, strength
from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec, Single
from piafusion.metrics._windows import strips

# Sigmoids of strength (g) and orientation (a); limits of the weights.
_GAMMA_G, _KAPPA_G, _SIGMA_G = 0.9999, 19.0, 0.5
_GAMMA_A, _KAPPA_A, _SIGMA_A = 0.9995, 22.0, 0.5
_LEAST_EDGE, _LEAST_WEIGHT = 2.0, 0.001


def fusion_artefacts(greys: Greys) -> float:
    """Nabf: share of the edge information that the fusion made up.

    Pixels count where the fused gradient exceeds the gradients of both sources. Their value is the
    part of the sources' edges that is not preserved (1 - Q of strength and orientation), weighted
    by the sources' gradients: g^1.5, or 0.001 below 2 grey levels. Gradients are Sobel's, divided
    by 8, of pictures mirrored at the frame. This is the modified measure; the original of Petrovic
    and Xydeas counts artefacts by both weights.

    Constant sources have the least weight everywhere; then a constant fused picture has no
    artefacts (0), and an edge in it is an artefact.

    The computation is in float32.

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

    The computation is in float32.

    Returns:
        0 to 1; lower is better.

    Reference:
        V. Petrovic, C. Xydeas, Objective image fusion performance characterisation, IEEE
        International Conference on Computer Vision, 2005.
    """
    return greys.once(_balance)[1]


def fusion_artefacts_uint8(greys: Greys) -> float:
    """Nabf of the toolboxes that pass pictures on the [0, 1] scale.

    There no gradient reaches 2, so every pixel has the same weight.
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
            missing += np.multiply(_loss(source, fused), weight)
            total += float(weight.sum(dtype=np.float64))
        made_up = fused.strength > np.maximum(sources[0].strength, sources[1].strength)
        of_all, of_artefacts = (
            float(values.sum(dtype=np.float64)) for values in (missing, missing[made_up])
        )
        artefacts += of_artefacts
        lost += of_all - of_artefacts
    if all(source.min() == source.max() for source in greys.sources):
        lost = 0.0
    return artefacts / total, lost / total


def _edges(grey: Single) -> Edges:
    """Sobel gradient where its 3 x 3 window fits, divided by 8."""
    right, down = sobel(grey, scale=1 / 8)
    return Edges(strength(right, down), orientation(down, right))


def _loss(source: Edges, fused: Edges) -> Single:
    """Share of each pixel's edge of a source that the fused picture does not preserve."""
    turned = np.abs(source.orientation - fused.orientation)  # 0 to pi; pi is no turn at all
    turned -= np.float32(np.pi / 2)
    np.abs(turned, out=turned)
    turned *= np.float32(-_KAPPA_A * 2 / np.pi)
    turned += np.float32(_KAPPA_A * _SIGMA_A)
    amount = ratio(source.strength, fused.strength)
    amount *= np.float32(-_KAPPA_G)
    amount += np.float32(_KAPPA_G * _SIGMA_G)
    for exponent in (amount, turned):
        cv2.exp(exponent, exponent)
        exponent += 1
    amount *= turned
    np.divide(np.float32(_GAMMA_G * _GAMMA_A), amount, out=amount)
    return np.subtract(1, np.sqrt(amount, out=amount), out=amount)


def _weights(strength: Single, *, by_strength: bool) -> Single:
    if not by_strength:
        return np.full_like(strength, _LEAST_WEIGHT)
    powered = np.sqrt(strength)
    powered *= strength  # the exponent 1.5
    powered[strength < _LEAST_EDGE] = _LEAST_WEIGHT
    return powered


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
