"""Structural similarity in windows, which SSIM, MS-SSIM, Qw and Qy have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Grey, Greys
from piafusion.metrics._windows import ROUNDING, Moments, gaussian, moments_in_strips

TAPS = gaussian(11, 1.5)
"""Window of SSIM along one axis."""

C1, C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
"""Constants that keep the ratios of luminance and of contrast from 0/0."""

F64 = NDArray[np.float64]


class Means(NamedTuple):
    """Means over the windows of three pictures."""

    similarity: F64
    """SSIM of the fused picture and either source."""
    structure: F64
    """The same without the comparison of luminance."""
    weighted: float
    """Qw, on which SSIM's windows agree."""


def similarity(local: Moments, source: int, c1: float = C1, c2: float = C2) -> tuple[F64, F64]:
    """SSIM of the fused picture and a source (0 infrared, 1 visible) in each window.

    Returns:
        SSIM, and its comparison of contrast and structure alone.
    """
    mean, fused_mean = local.means[source], local.means[2]
    spread = local.variances[source] + local.variances[2]
    spread += c2
    structure = local.covariances[source] * 2.0
    structure += c2
    structure /= spread
    luminance = mean * fused_mean
    luminance *= 2.0
    luminance += c1
    squares = np.multiply(mean, mean, out=spread)
    squares += fused_mean * fused_mean
    squares += c1
    luminance /= squares
    luminance *= structure
    return luminance, structure


def finest(greys: Greys) -> Means:
    """Means at the pictures' own scale."""
    return means(greys.planes)


def means(planes: Sequence[Grey]) -> Means:
    """Means over all windows that lie inside three pictures."""
    of_all, of_structure, count = np.zeros(2), np.zeros(2), 0
    quality = total = 0.0
    for local in moments_in_strips(planes, TAPS):
        maps = [similarity(local, source) for source in (0, 1)]
        similarities, structures = zip(*maps, strict=True)
        of_all += [values.sum() for values in similarities]
        of_structure += [values.sum() for values in structures]
        count += local.means[0].size
        infrared, visible, _ = local.variances
        both_flat = infrared + visible < ROUNDING
        if both_flat.any():
            infrared, visible = infrared + 0.5 * both_flat, visible + 0.5 * both_flat
        weight = np.maximum(infrared, visible)
        total += float(weight.sum())
        quality += float(np.vdot(weight, blend(similarities, infrared, visible)))
    return Means(of_all / count, of_structure / count, quality / total)


def blend(similarities: Sequence[F64], infrared: F64, visible: F64) -> F64:
    """Similarities averaged in proportion to the sources' variances, which are not both 0."""
    of_infrared, of_visible = similarities
    blended = of_infrared - of_visible
    blended *= infrared
    blended /= infrared + visible
    blended += of_visible
    return blended
