"""Local means and covariances in Gaussian windows, strip by strip; structural similarity there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._spec import Grey, Greys

F64 = NDArray[np.float64]

FLAT = 1e-10
"""VIF's limit, on the 0..255 scale: a variance below it belongs to a flat window."""

ROUNDING = 1e-8
"""Variance that rounding can give to a flat window; one pixel off by a level has 1e-6 or more."""


_STRIP_ROWS = 96  # even, so that every second row is the same in a strip as in the picture


class Moments(NamedTuple):
    """Moments of infrared, visible and fused picture at each place where the window fits."""

    means: list[F64]
    variances: list[F64]
    covariances: list[F64]
    """Infrared with fused, and visible with fused."""


def strips(
    planes: Sequence[NDArray[Any]], window: int, margin: int = 0
) -> Iterator[list[NDArray[Any]]]:
    """Cut pictures of one size into horizontal strips, whose intermediate results fit the cache.

    Neighbouring strips overlap by ``window - 1`` rows, so that each window that lies wholly inside
    the pictures lies wholly inside exactly one strip.

    Args:
        planes: ``H x W`` pictures of one size; H and `margin` together at least `window`.
        window: Height of the window.
        margin: Black pixels to add on all four sides first.

    Yields:
        The same strip of each picture, as views, or as copies where there is a margin.
    """
    height = planes[0].shape[0]
    for top in range(-margin, height + margin - window + 1, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS + window - 1, height + margin)
        cut = [plane[max(top, 0) : max(bottom, 0)] for plane in planes]
        if margin:
            beyond = (max(-top, 0), max(bottom - height, 0))
            cut = [np.pad(plane, (beyond, (margin, margin))) for plane in cut]
        yield cut


def gaussian(side: int, sigma: float) -> F64:
    """Weights of a Gaussian window along one axis: `side` of them (odd), their sum 1."""
    offsets = np.arange(side) - side // 2
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def smooth(plane: F64, taps: F64) -> F64:
    """Separable filter, only where the window fits: ``H x W`` becomes ``H-n+1 x W-n+1``."""
    margin = taps.size // 2
    smoothed = np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, taps, taps), dtype=np.float64)
    # What follows is quicker on rows without gaps, by more than the copy takes.
    return np.ascontiguousarray(smoothed[margin:-margin, margin:-margin])


def moments(
    planes: Sequence[F64], taps: F64, product: Callable[[F64, F64], F64] = np.multiply
) -> Moments:
    """Moments of three pictures in one window.

    Args:
        planes: Infrared, visible and fused, each ``H x W`` and no smaller than the window.
        taps: The window's weights along one axis.
        product: Multiplies two pictures.

    Returns:
        Arrays of ``H-n+1 x W-n+1``. Variances are 0 or more.
    """
    means = [smooth(plane, taps) for plane in planes]
    variances = []
    for plane, mean in zip(planes, means, strict=True):
        variance = smooth(product(plane, plane), taps)
        variance -= mean * mean
        variances.append(np.maximum(variance, 0.0, out=variance))
    *sources, fused = planes
    covariances = []
    for source, mean in zip(sources, means, strict=False):
        covariance = smooth(product(source, fused), taps)
        covariance -= mean * means[2]
        covariances.append(covariance)
    return Moments(means, variances, covariances)


def moments_in_strips(planes: Sequence[NDArray[Any]], taps: F64) -> Iterator[Moments]:
    """Yield the moments of three pictures of any floating type, strip after strip."""
    for strip in strips(planes, taps.size):
        yield moments([plane.astype(np.float64) for plane in strip], taps)


TAPS = gaussian(11, 1.5)
"""Window of SSIM along one axis."""

C1, C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
"""Constants that keep the ratios of luminance and of contrast from 0/0."""


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
