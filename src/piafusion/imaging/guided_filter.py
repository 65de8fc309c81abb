"""The guided filter of He, Sun, Tang (IEEE TPAMI 35(6), 2013)."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]


def guided_filter(
    plane: Plane, guide: Plane, radius: int, epsilon: float, shrink: int = 1
) -> Plane:
    """Smooth a plane where its guide is smooth, and keep its steps where the guide has edges.

    In each window the result is a linear function of the guide; a pixel gets the mean of the
    functions of all windows that hold it. Borders are mirrored.

    Args:
        plane: H x W, float32 or float64.
        guide: H x W, of the same dtype.
        radius: A window has `2 radius + 1` pixels a side.
        epsilon: Variance of the guide below which a window counts as smooth. Below 1e-5 use
            float64: the variance is a difference of means, which loses digits.
        shrink: Find the functions in pictures with sides that are so many times shorter, which is
            faster: He, Sun, "Fast guided filter", arXiv 1505.00996.

    Returns:
        H x W, of the same dtype.
    """
    whole = guide
    if shrink > 1:
        size = -(-guide.shape[1] // shrink), -(-guide.shape[0] // shrink)
        plane, guide = _resized(plane, size), _resized(guide, size)
    side = 2 * (radius // shrink) + 1
    mean_plane, mean_guide = box_mean(plane, side), box_mean(guide, side)
    covariance = box_mean(guide * plane, side) - mean_guide * mean_plane
    variance = np.maximum(box_mean(guide * guide, side) - mean_guide * mean_guide, 0)
    slope: Plane = covariance / (variance + plane.dtype.type(epsilon))
    offset: Plane = mean_plane - slope * mean_guide
    slope, offset = box_mean(slope, side), box_mean(offset, side)
    if shrink > 1:
        size = whole.shape[1], whole.shape[0]
        slope, offset = _resized(slope, size), _resized(offset, size)
    return np.asarray(slope * whole + offset)


def _resized(plane: Plane, size: tuple[int, int]) -> Plane:
    smaller = size[0] < plane.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cast("Plane", cv2.resize(plane, size, interpolation=how))


def box_mean(plane: Plane, side: int) -> Plane:
    """Return the mean of the `side` x `side` pixels around each one; borders are mirrored."""
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT))
