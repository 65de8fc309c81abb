"""Tiles of a picture that together are fused as the whole would be.

Two things make a tile differ from the same place of the whole picture. The layers look beyond its
border: each tile is cut out with a margin, which is cut off again after fusing. The gate of Eq. 5
takes means over the whole picture: a first pass gathers them over all tiles with the layers before
the gate, and a second pass fuses with these means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.reach import Reach

Window = tuple[slice, slice]
Floats = NDArray[np.float32]

# The largest pictures that are fused as a whole by default, and the largest tiles.
_WHOLE_PIXELS, _WHOLE_BYTES = 4_000_000, 2**30
_TILE_SIDE, _TILE_BYTES = 1024, 2**29
_SIDE_UNIT = 256  # a tile that the library chooses is made of whole blocks of a tiled TIFF file
_BYTES_PER_VALUE = 20  # about five layers as wide as the widest are in use at a time


class WindowReader(Protocol):
    """A picture that is read in windows: an array, or an open file."""

    def __getitem__(self, window: Window, /) -> NDArray[Any]: ...


class WindowWriter(Protocol):
    """A picture that is written in windows: an array, or an open file."""

    def __setitem__(self, window: Window, pixels: NDArray[Any], /) -> None: ...


@dataclass(frozen=True)
class Tile:
    """A part of a picture.

    Attributes:
        area: Its rows and columns; the areas of all tiles are the picture, each pixel once.
        crop: The same with the margin around it, as far as the picture goes.
        stride: Side of the network's blocks in pixels; area and crop begin with whole blocks.
    """

    area: Window
    crop: Window
    stride: int = 1

    @property
    def pixels(self) -> Window:
        """The area as rows and columns of the crop."""
        return self._inside(1)

    @property
    def blocks(self) -> Window:
        """The area's blocks as rows and columns of the crop's blocks."""
        return self._inside(self.stride)

    def _inside(self, unit: int) -> Window:
        rows, columns = (
            slice((area.start - crop.start) // unit, -((crop.start - area.stop) // unit))
            for area, crop in zip(self.area, self.crop, strict=True)
        )
        return rows, columns


def check_side(side: int | None, reach: Reach | None, model: str) -> int | None:
    """Return the side of tiles that was asked for; raise `UsageError` if it cannot be had."""
    if side is not None and side < 1:
        raise UsageError(f"expected tiles of at least 1 pixel, found {side}; 1024 is a good side")
    if side is not None and reach is None:
        raise UsageError(
            f"{model}: expected a network that says how far it looks, as tiles need it, found "
            "none; leave the tiles out, or export the network again with this version"
        )
    return side


def plan_tiles(height: int, width: int, reach: Reach | None, side: int | None = None) -> list[Tile]:
    """Cut a picture into tiles, row by row.

    Args:
        height: Height of the picture, in pixels.
        width: Width of the picture, in pixels.
        reach: Distance that the network looks; without it there is one tile, the whole.
        side: Largest side of a tile's area; rounded down to whole blocks, at least one. By
            default the picture stays whole up to 4 megapixels if the network then needs no
            more than 1 GiB, and is cut into tiles of 1024, or less for half a GiB, otherwise.

    >>> [tile.crop for tile in plan_tiles(8, 70, Reach(stride=4, margin=8, width=3), side=64)]
    [(slice(0, 8, None), slice(0, 70, None)), (slice(0, 8, None), slice(56, 70, None))]
    """
    most = min(_WHOLE_PIXELS, _WHOLE_BYTES / (_BYTES_PER_VALUE * reach.width)) if reach else 0
    if reach is None or (side is None and height * width <= most):
        whole = slice(0, height), slice(0, width)
        return [Tile(whole, whole)]
    step = max((side or _default_side(reach)) // reach.stride, 1) * reach.stride
    rows, columns = (_cut(length, step, reach.margin) for length in (height, width))
    return [
        Tile((y, x), (crop_y, crop_x), reach.stride) for y, crop_y in rows for x, crop_x in columns
    ]


def _default_side(reach: Reach) -> int:
    side = math.isqrt(int(_TILE_BYTES / (_BYTES_PER_VALUE * reach.width)))
    return min(_TILE_SIDE, max(side // _SIDE_UNIT, 1) * _SIDE_UNIT)


def _cut(length: int, step: int, margin: int) -> list[tuple[slice, slice]]:
    """Return the areas and crops along one axis."""
    return [
        (
            slice(start, min(start + step, length)),
            slice(max(start - margin, 0), min(start + step + margin, length)),
        )
        for start in range(0, length, step)
    ]


def gather_share(tiles: Iterable[Tile], difference: Callable[[Tile], Floats]) -> Floats:
    """Return the infrared's share at the gate over the whole picture, 1 x C x 1 x 1.

    Args:
        tiles: All tiles of the picture.
        difference: Returns the features that the gate averages for a tile's crop, 1 x C x h x w
            with one value for each block.
    """
    total, count = np.float64(0), 0
    for tile in tiles:
        inside = difference(tile)[(..., *tile.blocks)]
        total = total + inside.sum(axis=(2, 3), keepdims=True, dtype=np.float64)
        count += inside.shape[2] * inside.shape[3]
    share: Floats = (1 / (1 + np.exp(-total / count))).astype(np.float32)
    return share
