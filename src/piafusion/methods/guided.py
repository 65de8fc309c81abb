"""Fusion with guided filtering (Li, Kang, Hu 2013): two scales, weights that follow edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.guided_filter import box_mean, guided_filter
from piafusion.methods._spec import MethodSpec, Plane

Array: TypeAlias = NDArray[np.floating[Any]]

BASE_SIDE = 31  # pixels of the average filter that splits the scales
SALIENCY_SIGMA, SALIENCY_SIDE = 5.0, 11
BASE_RADIUS, BASE_EPSILON = 45, 0.3
DETAIL_RADIUS, DETAIL_EPSILON = 7, 1e-6
_LEAST_WEIGHT = 1e-6  # if both filtered weights are 0, the sources share equally


def guided(infrared: Plane, luminance: Plane) -> Plane:
    """Fuse bases and details with weights of where each source is the more salient.

    Planes are H x W in [0, 1].

    Returns:
        H x W; near strong edges it may leave [0, 1].
    """
    # If two pixels are equally salient, the visible one is taken.
    infrared_wins = (saliency(infrared) > saliency(luminance)).astype(np.float32)
    chosen = ((infrared, infrared_wins), (luminance, 1 - infrared_wins))
    bases = [box_mean(plane, BASE_SIDE) for plane, _ in chosen]
    details = [plane - base for (plane, _), base in zip(chosen, bases, strict=True)]
    base_weights = [_refined(p, plane, BASE_RADIUS, BASE_EPSILON) for plane, p in chosen]
    detail_weights = [_refined(p, plane, DETAIL_RADIUS, DETAIL_EPSILON) for plane, p in chosen]
    return np.asarray(
        _weighted(bases, base_weights) + _weighted(details, detail_weights), np.float32
    )


def saliency(plane: Plane) -> Plane:
    """Return the local average of the magnitude of the Laplacian, H x W."""
    edges = np.abs(cv2.Laplacian(plane, cv2.CV_32F, borderType=cv2.BORDER_REFLECT))
    side = (SALIENCY_SIDE, SALIENCY_SIDE)
    return np.asarray(cv2.GaussianBlur(edges, side, SALIENCY_SIGMA, borderType=cv2.BORDER_REFLECT))


def _refined(weights: Plane, source: Plane, radius: int, epsilon: float) -> Plane:
    """Make weights follow the edges of a source."""
    plane, guide = weights.astype(np.float64), source.astype(np.float64)
    return np.asarray(guided_filter(plane, guide, radius, epsilon), np.float32)


def _weighted(planes: Sequence[Array], weights: list[Plane]) -> Plane:
    first, second = (np.clip(weight, _LEAST_WEIGHT, 1) for weight in weights)
    total = first * planes[0] + second * planes[1]
    return np.asarray(total / (first + second), np.float32)


SPEC = MethodSpec(
    name="guided",
    create=lambda _: guided,
    title="Guided filtering (GFF)",
    paper=(
        "Li, Kang, Hu: Image fusion with guided filtering, IEEE Transactions on Image Processing "
        "22, 2013"
    ),
    kind="multi-scale",
    departures=("Filtered weights are clipped to [0, 1] before they are normalised.",),
)
