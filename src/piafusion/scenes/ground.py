"""Maps of the street from above: sun shadow, contact darkness and warmth on the ground."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

LEFT, RIGHT, FAR = -10.0, 22.0, 80.0
"""Extent of the maps in metres: x from LEFT to RIGHT, z from 0 to FAR."""
TEXELS = 20.0
SUBPIXEL_BITS = 4


class GroundMaps:
    """Shadow and warmth that objects leave on the ground, drawn while they are painted."""

    def __init__(self, sun: tuple[float, float, float]) -> None:
        """Start empty; `sun` is the unit vector towards the sun."""
        self.sun = np.asarray(sun, np.float64)
        shape = (int(FAR * TEXELS), int((RIGHT - LEFT) * TEXELS))
        self._shadow = np.zeros(shape, np.uint8)
        self._contact = np.zeros(shape, np.uint8)
        self._warmth = np.zeros(shape, np.uint8)

    def cast_polygon(self, points: Array) -> None:
        """Add the sun shadow of a polygon `N x 3`."""
        cv2.fillPoly(self._shadow, [_fixed(self._fall(points))], 255, cv2.LINE_8, SUBPIXEL_BITS)

    def cast_rod(self, start: Array, stop: Array, radius: float) -> None:
        """Add the sun shadow of a rod between two points `3`."""
        ends = _fixed(self._fall(np.stack([start, stop])))
        thickness = max(1, round(2 * radius * TEXELS))
        first, last = ends.tolist()
        cv2.line(self._shadow, first, last, 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def cast_discs(self, centres: Array, radii: Array) -> None:
        """Add the sun shadows of many small balls, centres `N x 3` and radii `N`."""
        places = _fixed(self._fall(centres)).tolist()
        sizes = np.maximum(np.rint(radii * TEXELS * (1 << SUBPIXEL_BITS)), 1).astype(int).tolist()
        for place, size in zip(places, sizes, strict=True):
            cv2.circle(self._shadow, place, size, 255, cv2.FILLED, cv2.LINE_8, SUBPIXEL_BITS)

    def rest(self, outline: Array, *, warmth: float = 0.0) -> None:
        """Darken, and warm by `warmth` in [0, 1], the ground under an outline `N x 2` of x, z."""
        corners = _fixed(outline)
        cv2.fillPoly(self._contact, [corners], 255, cv2.LINE_8, SUBPIXEL_BITS)
        if warmth:
            cv2.fillPoly(self._warmth, [corners], 255 * warmth, cv2.LINE_8, SUBPIXEL_BITS)

    def shadow(self, x: Array, y: Array, z: Array) -> Array:
        """Share of the sun that things take away at world positions (any shape), in [0, 1]."""
        reach = y / np.float32(self.sun[1])
        fall_x = x - reach * np.float32(self.sun[0])
        fall_z = z - reach * np.float32(self.sun[2])
        return _read(cv2.GaussianBlur(self._shadow, (0, 0), 1.3), fall_x, fall_z)

    def contact(self, x: Array, z: Array) -> Array:
        """Closeness of things that stand on the ground at x, z, in [0, 1]."""
        return _read(cv2.GaussianBlur(self._contact, (0, 0), 3.5), x, z)

    def warmth(self, x: Array, z: Array) -> Array:
        """Warmth that engines left on the ground at x, z, in [0, 1]."""
        return _read(cv2.GaussianBlur(self._warmth, (0, 0), 7.0), x, z)

    def _fall(self, points: Array) -> Array:
        """Where the sun's rays through `points` `N x 3` meet the ground, `N x 2` of x, z."""
        return np.asarray((points - points[:, 1:2] * (self.sun / self.sun[1]))[:, [0, 2]])


def _fixed(places: Array) -> Array:
    texels = (places - [LEFT, 0.0]) * TEXELS - 0.5
    return np.rint(texels * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _read(chart: Array, x: Array, z: Array) -> Array:
    u = ((x - np.float32(LEFT)) * np.float32(TEXELS)).astype(np.float32)
    v = np.clip(z * np.float32(TEXELS), -1e4, 1e4).astype(np.float32)
    read = cv2.remap(chart, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return read.astype(np.float32) / np.float32(255.0)
