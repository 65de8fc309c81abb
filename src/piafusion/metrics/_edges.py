"""Strength and orientation of gradients, which Qabf, Nabf and Labf compare."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._spec import Single

_HALF_PI = np.float32(np.pi / 2)
_SIGN = np.int32(-(2**31))
_TINY = np.float32(1e-30)  # in the place of a divisor of 0

# Odd polynomial for the arc tangent of 0 to 1, highest power first; 2.5e-7 off at most. NumPy's
# own is not vectorised for float32 on many processors and takes three times as long.
_ARC_TANGENT = np.array(
    [0.00681178, -0.03360421, 0.07962369, -0.13233345, 0.19807818, -0.33317369, 0.99999611],
    dtype=np.float32,
)


class Edges(NamedTuple):
    """Gradient of a picture: strength, and orientation in radians, -pi/2 to pi/2."""

    strength: NDArray[np.floating[Any]]
    orientation: NDArray[np.floating[Any]]


def sobel(grey: Single, scale: float = 1.0) -> tuple[Single, Single]:
    """Derivatives to the right and downwards where Sobel's 3 x 3 window fits."""
    right, down = (
        np.asarray(cv2.Sobel(grey, cv2.CV_32F, x, 1 - x, scale=scale))[1:-1, 1:-1] for x in (1, 0)
    )
    return np.ascontiguousarray(right), np.ascontiguousarray(down)


def strength(right: Single, down: Single) -> Single:
    """Length of the gradient, the same for the same gradient wherever it stands.

    OpenCV's magnitude is not, and Nabf asks whether two gradients are equal.
    """
    squares = right * right
    squares += down * down
    return np.asarray(np.sqrt(squares, out=squares))


def orientation(across: Single, along: Single) -> Single:
    """Arc tangent of ``along / across``, 0 where both are 0; to 3e-7."""
    width, height = np.abs(across), np.abs(along)
    steep = height > width
    tangent = np.minimum(width, height)
    np.maximum(width, height, out=width)
    tangent /= np.maximum(width, _TINY, out=width)
    square = np.multiply(tangent, tangent, out=width)
    angle = np.multiply(square, _ARC_TANGENT[0], out=height)
    for coefficient in _ARC_TANGENT[1:-1]:
        angle += coefficient
        angle *= square
    angle += _ARC_TANGENT[-1]
    angle *= tangent
    np.abs(np.subtract(steep * _HALF_PI, angle, out=angle), out=angle)
    bits = angle.view(np.int32)
    bits |= (across.view(np.int32) ^ along.view(np.int32)) & _SIGN
    return np.asarray(angle)


def ratio(one: Single, other: Single) -> Single:
    """The smaller over the larger; 0 where both are 0."""
    larger = np.maximum(one, other)
    np.maximum(larger, _TINY, out=larger)
    return np.asarray(np.divide(np.minimum(one, other), larger, out=larger))
