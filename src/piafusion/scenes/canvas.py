"""The picture of a street while it is painted, far things first: light, temperature, labels."""

from __future__ import annotations

import cv2
import numpy as np

from piafusion.scenes.plan import StreetPlan
from piafusion.scenes.texture import Array

FAR = 400.0
"""Depth of the sky in metres."""
_SHIFT = 4  # bits of a pixel

Block = tuple[slice, slice]


class Canvas:
    """The light and the thermal radiation that reach each pixel.

    Attributes:
        pixels: float32 `H x W x 4`: linear RGB and apparent temperature in degrees Celsius.
        depth: float32 `H x W`, metres along the street.
        labels: uint8 `H x W`.
    """

    def __init__(self, plan: StreetPlan, height: int, width: int) -> None:
        """Start with an undefined picture of the sky."""
        self.height, self.width = height, width
        self.focal = plan.zoom * min(height, 0.8 * width)
        self.centre = (plan.centre[0] * width, plan.centre[1] * height)
        self.eye = plan.eye
        self.pixels = np.empty((height, width, 4), np.float32)
        self.depth = np.full((height, width), FAR, np.float32)
        self.labels = np.zeros((height, width), np.uint8)

    def place(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row at which a point (metres, z positive) is seen."""
        scale = self.focal / z
        return (
            self.centre[0] + scale * (x - self.eye[0]),
            self.centre[1] - scale * (y - self.eye[1]),
        )

    def block(self, points: Array) -> Block | None:
        """Rows and columns of the picture around points `N x 2`, or None if all are outside."""
        left, top = np.floor(points.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(points.max(axis=0)).astype(int) + 2
        rows = slice(max(0, int(top)), min(self.height, int(bottom)))
        columns = slice(max(0, int(left)), min(self.width, int(right)))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def blend(self, block: Block, layer: Array, opacity: Array, depth: float | Array) -> None:
        """Lay a part of the background over a block.

        The layer is `h x w x 4` or `4`, like `pixels`; its opacity float32 `h x w` in [0, 1].
        """
        under = self.pixels[block]
        if layer.ndim == 1:
            under += opacity[..., None] * (layer - under)
        else:
            under[:] = cv2.blendLinear(layer, np.ascontiguousarray(under), opacity, 1 - opacity)
        solid = opacity > 0.5
        np.copyto(self.depth[block], depth, where=solid)
        np.copyto(self.labels[block], 0, where=solid)

    def polygon(self, points: list[tuple[float, float, float]], layer: Array) -> None:
        """Lay a flat polygon of one colour over the picture; corners in metres."""
        outline = np.array([self.place(*point) for point in points])
        block = self.block(outline)
        if block is not None:
            depth = float(np.mean([z for _, _, z in points]))
            self.blend(block, layer, self.mask(outline, block), depth)

    def mask(self, outline: Array, block: Block) -> Array:
        """How far each pixel of a block lies in a convex outline `N x 2`, float32."""
        mask = np.zeros((block[0].stop - block[0].start, block[1].stop - block[1].start), np.uint8)
        cv2.fillConvexPoly(mask, self._fixed(outline, block), 255, cv2.LINE_AA, _SHIFT)
        return np.asarray(mask * np.float32(1 / 255))

    def rod(self, points: Array, radius: float, layer: Array, depth: float) -> None:
        """Lay a bent rod through points `N x 2` (pixels) over the picture, `radius` in metres."""
        wide = 2 * radius * self.focal / depth
        block = self.block(np.concatenate([points - wide, points + wide]))
        if block is None:
            return
        mask = np.zeros((block[0].stop - block[0].start, block[1].stop - block[1].start), np.uint8)
        line = self._fixed(points, block)
        strength = int(255 * min(1.0, wide))
        cv2.polylines(mask, [line], False, strength, max(1, round(wide)), cv2.LINE_AA, _SHIFT)
        self.blend(block, layer, mask * np.float32(1 / 255), depth)

    def _fixed(self, points: Array, block: Block) -> Array:
        local = np.clip(points - [block[1].start + 0.5, block[0].start + 0.5], -9000, 9000)
        return np.asarray(np.rint(local * (1 << _SHIFT)).astype(np.int32))
