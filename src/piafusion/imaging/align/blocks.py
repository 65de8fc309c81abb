"""The fine steps: find blocks of the visible picture in the warped infrared one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.geometry import Matrix, Points, corners, resizing, transform
from piafusion.imaging.align.structure import Array, Picture, Size, shrunk, structure

_COVERED = 0.8  # share of a block's area that must have data in both pictures
_MOST = 0.6  # share of the visible picture from which the whole of it is cut into blocks
_LEAST_PART = 48  # pixels
_LEAST_SIDE = 480  # smaller parts are enlarged to that side, so that blocks have enough pixels
_MOST_ENLARGED = 3.0
_SHORT = 208  # visible pixels: blocks of shorter parts are searched for as far as in one like that
_LEAST_RADIUS = 2
_ENOUGH = 9 / 16  # of a square as long as the part: 25 blocks apart fit there
_EPSILON = 1e-6


@dataclass(frozen=True)
class Level:
    """Fineness of a search; lengths are shares of the visible picture's longer side."""

    side: int  # pixels of that side while matching
    block: float
    radius: float  # distance over which a block is searched
    grid: int = 18  # blocks along the longer side


@dataclass(frozen=True)
class Matches:
    """The blocks of the visible picture that were found in the infrared one.

    Attributes:
        points: N x 2, block centres in visible pixels.
        shifts: N x 2, distance between the place that the map gives and the place where the
            block was found, in visible pixels.
        likeness: N, correlation at that place, the mean over all pairs.
        tried: Number of blocks that both pictures show.
        blocks: Number of blocks of the visible picture.
        frame: 4 x 2, corners of the part of the visible picture that was cut into blocks.
    """

    points: Points
    shifts: Points
    likeness: NDArray[np.float64]
    tried: int
    blocks: int
    frame: Points

    def score(self, near: NDArray[np.bool_]) -> float:
        """Return the share of blocks that agree with a map.

        It is the geometric mean of two shares: that of the blocks that both pictures show, which
        favours maps with a small overlap, and that of all blocks, which favours a large overlap.
        """
        return float(near.sum() / np.sqrt(max(self.tried * self.blocks, 1)))

    def proof(self, near: NDArray[np.bool_]) -> float:
        """Return the score, or less where few blocks were tried that do not overlap.

        Blocks that overlap agree more often by chance. The deviation of a share goes with one over
        the root of the number of blocks apart: less in a strip, or if most of the part is not seen.
        """
        sides = np.ptp(self.frame, axis=0) + 1
        filled = sides.min() / sides.max() * self.tried / max(self.blocks, 1)
        return self.score(near) * float(np.sqrt(min(1, filled / _ENOUGH)))


def match(
    pairs: Sequence[tuple[Picture, Picture]], matrix: Matrix, level: Level, *, whole: bool = False
) -> Matches:
    """Search blocks of the visible pictures around the place that a map gives.

    With several pairs of one rig the correlations at each place are added up before the best
    shift is chosen, so places that show nothing in one pair are served by another. Blocks are cut
    from the part that the infrared pictures show, or from the whole. Lengths are shares of that.
    """
    vi_size = pairs[0][1].size
    part = slice(0, vi_size[0]), slice(0, vi_size[1])
    if not whole:
        part = _part(pairs[0][0].size, vi_size, matrix)
    frame = corners(_size(part)) + [part[1].start, part[0].start]
    to_ir = matrix @ [[1, 0, part[1].start], [0, 1, part[0].start], [0, 0, 1]]
    longer = max(_size(part))
    factor = min(level.side / longer, max(1.0, min(_LEAST_SIDE / longer, _MOST_ENLARGED)))
    size = (round(_size(part)[0] * factor), round(_size(part)[1] * factor))
    half = max(4, min(round(level.block * max(size) / 2), min(size) // 3))
    radius = max(_LEAST_RADIUS, round(level.radius * max(longer, _SHORT) * factor))
    places = _places(size, half, level.grid)
    total = np.zeros((len(places), 2 * radius + 1, 2 * radius + 1), np.float32)
    weight = np.zeros(len(places))
    to_ir = to_ir @ resizing(size, _size(part))
    for ir, vi in pairs:
        shown = vi if _size(part) == vi_size else Picture(vi.levels[part], vi.seen[part])
        visible = shrunk(shown, size)
        infrared = structure(_warped(ir, to_ir, size))
        colour = structure(visible)
        covered = cv2.integral(np.minimum(np.any(infrared, axis=2), np.any(colour, axis=2)) * 1.0)
        around = np.pad(infrared, ((radius, radius), (radius, radius), (0, 0)))
        for index, (y, x) in enumerate(places):
            top, left, bottom, right = y - half, x - half, y + half, x + half
            area = covered[bottom, right] - covered[top, right] - covered[bottom, left]
            if (area + covered[top, left]) < _COVERED * 4 * half * half:
                continue
            window = around[top : bottom + 2 * radius, left : right + 2 * radius]
            template = colour[top:bottom, left:right]
            total[index] += cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
            weight[index] += 1
    tried = weight > 0
    surfaces = total[tried] / weight[tried, None, None]
    shifts, likeness, inside = _peaks(surfaces, radius)
    centres = np.array(places, float).reshape(-1, 2)[:, ::-1] - 0.5
    pixel = 1 / factor
    points = (centres[tried][inside] + 0.5) * pixel - 0.5 + frame[0]
    found, likely = shifts[inside] * pixel, likeness[inside]
    return Matches(points, found, likely, int(tried.sum()), len(places), frame)


def _part(ir_size: Size, vi_size: Size, matrix: Matrix) -> tuple[slice, slice]:
    """Return rows and columns of the visible picture that the infrared one shows.

    The whole picture where that is most of it.
    """
    whole = slice(0, vi_size[0]), slice(0, vi_size[1])
    seen = transform(np.asarray(np.linalg.inv(matrix)), corners(ir_size))
    low = np.floor(np.maximum(seen.min(axis=0), 0)).astype(int)
    high = np.ceil(np.minimum(seen.max(axis=0) + 1, vi_size[::-1])).astype(int)
    width, height = high - low
    if min(width, height) < _LEAST_PART or width * height > _MOST * vi_size[0] * vi_size[1]:
        return whole
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _size(part: tuple[slice, slice]) -> Size:
    return part[0].stop - part[0].start, part[1].stop - part[1].start


def _places(size: Size, half: int, grid: int) -> list[tuple[int, int]]:
    """Return the centres, as row and column, of a grid of blocks that reach the borders."""
    step = max(size) / grid
    rows, columns = (
        np.linspace(half, side - half, max(2, round(side / step)), dtype=int) for side in size
    )
    return [(int(y), int(x)) for y in rows for x in columns]


def _warped(ir: Picture, matrix: Matrix, size: Size) -> Picture:
    def warp(plane: Array, border: int) -> Array:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpPerspective(plane, matrix, size[::-1], flags=flags, borderMode=border)

    return Picture(warp(ir.levels, cv2.BORDER_REPLICATE), warp(ir.seen, cv2.BORDER_CONSTANT))


def _peaks(surfaces: Array, radius: int) -> tuple[Points, NDArray[np.float64], NDArray[np.bool_]]:
    """Return each surface's peak, refined by parabolas, its height, and if it is inside."""
    count, side = len(surfaces), 2 * radius + 1
    rows, columns = np.divmod(surfaces.reshape(count, side * side).argmax(axis=1), side)
    inside = (rows > 0) & (rows < side - 1) & (columns > 0) & (columns < side - 1)
    y, x = np.clip(rows, 1, side - 2), np.clip(columns, 1, side - 2)
    each = np.arange(count)
    middle = surfaces[each, y, x]
    shifts = np.empty((count, 2))
    for axis, (dy, dx) in enumerate(((0, 1), (1, 0))):
        before, after = surfaces[each, y - dy, x - dx], surfaces[each, y + dy, x + dx]
        bend = np.maximum(2 * middle - before - after, _EPSILON)
        shifts[:, axis] = (x, y)[axis] - radius + (after - before) / (2 * bend)
    return shifts, middle.astype(np.float64), inside
