"""Lenses: where a camera's distortion sends the pixels of a straight picture, and back.

The models and the order of their numbers are OpenCV's: k1, k2, p1, p2, k3, and k4 to k6 (Brown and
Conrady, with a denominator), or the four of a fisheye lens (Kannala and Brandt). The straight
picture of a lens has the same focal lengths and centre, so that far from wide lenses it is nearly
the same picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.geometry import Points, resizing

LENGTHS = (4, 5, 8)
"""How many numbers describe a distortion; a fisheye lens has 4."""

_ROUNDS = 60
_MESH = 8  # pixels; between its nodes a map is taken as straight
_EXACT = 1e-9  # slope
_LEFT = 1e-3  # pixels

Size = tuple[int, int]


@dataclass(frozen=True)
class Lens:
    """The distortion of a camera.

    Attributes:
        focal: Focal lengths across and down, in pixels.
        centre: The pixel on the axis, x and y; pixel centres are at whole numbers.
        distortion: k1, k2, p1, p2, then k3, then k4, k5, k6; those of a fisheye lens are k1 to k4.
        fisheye: Whether it is OpenCV's model of a fisheye lens, "equidistant" elsewhere.
    """

    focal: tuple[float, float]
    centre: tuple[float, float]
    distortion: tuple[float, ...]
    fisheye: bool = False

    @classmethod
    def plain(cls, size: Size, *distortion: float) -> Lens:
        """Return a lens whose focal length is the picture's longer side, around its middle."""
        height, width = size
        focal = float(max(size))
        numbers = (*distortion, *[0.0] * (4 - len(distortion)))
        return cls((focal, focal), ((width - 1) / 2, (height - 1) / 2), numbers)

    def bend(self, points: Points) -> Points:
        """Return where the camera's picture shows pixels of the straight one, N x 2."""
        return self._bent((points - self.centre) / self.focal) * self.focal + self.centre

    def straighten(self, points: Points) -> Points:
        """Return where the straight picture shows pixels of the camera's one, N x 2.

        Where no pixel of the straight picture is shown there, the result is not finite.
        """
        wanted = (points - self.centre) / self.focal
        found = wanted.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(_ROUNDS):
                left = wanted - self._bent(found)
                found += left
                if np.abs(left).max(initial=0) < _EXACT:
                    break
            found[np.abs(left).max(axis=1) * max(self.focal) > _LEFT] = np.nan
        return np.asarray(found * self.focal + self.centre)

    def moved(self, x: float, y: float) -> Lens:
        """Return the lens of pictures in which everything lies that far to the right and down."""
        return replace(self, centre=(self.centre[0] + x, self.centre[1] + y))

    def resized(self, size: Size, to: Size) -> Lens:
        """Return the lens of pictures at another resolution."""
        scale = resizing(size, to)
        x, y, _ = scale @ [*self.centre, 1.0]
        focal = float(scale[0, 0] * self.focal[0]), float(scale[1, 1] * self.focal[1])
        return replace(self, focal=focal, centre=(float(x), float(y)))

    def _bent(self, slopes: Points) -> Points:
        x, y = slopes[:, :1], slopes[:, 1:]
        square = x * x + y * y
        if self.fisheye:
            radius = np.sqrt(square)
            angle = np.arctan(radius)
            powers = np.hstack([angle ** (2 * n) for n in range(1, 5)])
            bent = angle * (1 + powers @ np.array(self.distortion)[:, None])
            return np.asarray(slopes * np.where(radius > 1e-9, bent / np.maximum(radius, 1e-9), 1))
        k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(self.distortion, (0, 8 - len(self.distortion)))
        factor = 1 + square * (k1 + square * (k2 + square * k3))
        factor /= 1 + square * (k4 + square * (k5 + square * k6))
        more = [
            2 * p1 * x * y + p2 * (square + 2 * x * x),
            p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ]
        return np.asarray(slopes * factor + np.hstack(more))


Calibration = tuple[Lens, Size | None]
"""A lens, and the height and width of the pictures it was calibrated with, if known."""


def as_lens(
    focal: Sequence[float],
    centre: Sequence[float],
    distortion: Sequence[float],
    fisheye: bool = False,
) -> Lens:
    """Return the lens that the numbers of a file describe; `ValueError` if they describe none."""
    lengths = LENGTHS[:1] if fisheye else LENGTHS
    numbers = [*focal, *centre, *distortion]
    if len(focal) != 2 or len(centre) != 2 or len(distortion) not in lengths:
        raise ValueError(f"{len(distortion)} numbers of distortion")
    if not np.isfinite(numbers).all() or min(focal) <= 0:
        raise ValueError(f"the lens {numbers}")
    return Lens((focal[0], focal[1]), (centre[0], centre[1]), tuple(distortion), fisheye)


def over_grid(where: Callable[[Points], Points], size: Size) -> NDArray[np.float32]:
    """Return the places, H x W x 2, to which a smooth map of points sends all pixels."""
    rows, columns = (np.arange(-1, -(-side // _MESH) + 1) for side in size)
    x, y = np.meshgrid(*((each + 0.5) * _MESH - 0.5 for each in (columns, rows)))
    found = where(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(*x.shape, 2)
    full = (len(columns) * _MESH, len(rows) * _MESH)
    spread = cv2.resize(found.astype(np.float32), full, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(spread[_MESH : _MESH + size[0], _MESH : _MESH + size[1]])
