"""The guided filter of He, Sun, Tang (IEEE TPAMI 35(6), 2013)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]


def guided_filter(plane: Plane, guide: Plane, radius: int, epsilon: float) -> Plane:
    """Smooth a plane where its guide is smooth, and keep its steps where the guide has edges.

    In each window the result is a linear function of the guide; a pixel gets the mean of the
    functions of all windows that hold it. Borders are mirrored.

    Args:
        plane: H x W, float32 or float64.
        guide: H x W, of the same dtype.
        radius: A window has `2 radius + 1` pixels a side.
        epsilon: Variance of the guide below which a window counts as smooth. Below 1e-5 use
            float64: the variance is a difference of means, which loses digits.

    Returns:
        H x W, of the same dtype.
    """
    side = 2 * radius + 1
    mean_plane, mean_guide = box_mean(plane, side), box_mean(guide, side)
    covariance = box_mean(guide * plane, side) - mean_guide * mean_plane
    variance = np.maximum(box_mean(guide * guide, side) - mean_guide * mean_guide, 0)
    slope = covariance / (variance + plane.dtype.type(epsilon))
    offset = mean_plane - slope * mean_guide
    return np.asarray(box_mean(slope, side) * guide + box_mean(offset, side))


def box_mean(plane: Plane, side: int) -> Plane:
    """Return the mean of the `side` x `side` pixels around each one; borders are mirrored."""
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT))
