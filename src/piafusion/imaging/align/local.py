"""Near things: a small local shift on top of a rig's map, for each pair.

One map is exact for one distance only. Nearer things are shifted, and that shift is looked for
here, small and smooth. If the whole picture gains by it, it is shifted as a whole first, by a cubic
of place; then cell by cell, only where both pictures have structure that fits clearly better when
moved. Nothing is shifted where the pictures are unlike at every shift. For each cell of a coarse
grid the likeness of the structure around it is computed at each shift in reach; each cell takes the
shift at which likeness less a cost for leaving its neighbours is highest, some times over.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.alignment import Alignment, Quality, Shifts
from piafusion.imaging.align.structure import Picture, prepare, relative, shrunk, structure
from piafusion.imaging.arrays import Image

_SIDE = 320  # pixels of the longer side while matching
_CELL = 8  # of these pixels
# Reach in these pixels; windows in which structure is compared, and neighbours: deviations, cells.
# The first is for the whole picture.
_PASSES: tuple[tuple[int, tuple[float, ...], float], ...] = (
    (6, (2.4,), 0.0),
    (4, (3.0,), 3.0),
    (4, (3.0,), 3.0),
    (3, (2.4, 1.2), 2.0),
)
_ROUNDS = 6
_LEAVING = 0.03  # likeness that a pixel, squared, away from the neighbours costs
_GAIN = (0.002, 0.01)  # likeness: a shift that gains less is none, that gains more is taken
_COMMON_GAIN = (0.002, 0.006)  # 0.0022 at most between aligned synthetic pairs
_COMMON_ROUNDS = 8
_ALIKE = (0.22, 0.3)  # likeness where it is highest: noise has 0.1, other scenes 0.05 to 0.26
_WRONG = 3.0  # pixels
_HELD = 0.005  # weight, as a share of all, that holds each number of the cubic at 0
_SURROUNDINGS = 3.0  # pixels
_WEAK = 0.003  # how sure a neighbourhood is without structure that it is not shifted
_NOTHING = 1e-6
# In a video: share of the shifts of the frame before that stays, and of a change that is taken.
_STAYS, _FOLLOWS = 0.97, 0.4

Floats = NDArray[np.float32]


class Local:
    """Finds the local shifts of one pair, or of the frames of a video in their order."""

    def __init__(self, *, video: bool = False) -> None:
        """Start before the first pair; in a video shifts follow the frames slowly."""
        self._video = video
        self._before: Floats | None = None

    def __call__(self, infrared: Image, visible: Image, rig: Alignment | None = None) -> Alignment:
        """Return the alignment of a pair with its local shifts.

        Args:
            infrared: H x W; uint8, uint16 or float in [0, 1].
            visible: H x W or H x W x 3, likewise.
            rig: The map of the rig; None for pictures of one size that are aligned but for it.
        """
        size = visible.shape[0], visible.shape[1]
        own = infrared.shape[0], infrared.shape[1]
        if rig is None:
            rig = Alignment.of("similarity", np.eye(3), own, size, Quality(0, 0, 0, 0, 0))
        rig = rig.scaled(own, size)
        colour = prepare(visible)
        found, cells = rig, np.zeros((*_cells(size), 2), np.float32)
        passes, share = _PASSES, 1.0
        if self._before is not None and self._before.shape == cells.shape:
            passes, share, cells = _PASSES[-1:], _FOLLOWS, _STAYS * self._before
            found = replace(rig, shifts=Shifts(cells))
        for reach, windows, around in passes:
            warped = prepare(found.warp(np.ma.getdata(infrared), size))
            seen = np.minimum(warped.seen, found.inside(infrared, size))
            likeness, energy = _likeness(Picture(warped.levels, seen), colour, reach, windows)
            grid = _Cells(likeness, energy)
            more = _single(grid, around) if around else _common(grid)
            more /= energy.shape[1] * _CELL
            cells = cells + np.float32(share) * more
            found = replace(rig, shifts=Shifts(cells))
        if self._video:
            self._before = cells
        return found


def _likeness(
    infrared: Picture, visible: Picture, reach: int, windows: tuple[float, ...]
) -> tuple[Floats, Floats]:
    """Compare structure at all shifts in reach.

    Returns:
        Likeness, rows x columns x shifts, shifts row by row; and how much structure both have, rows
        x columns.
    """
    rows, columns = _cells(visible.size)
    size = rows * _CELL, columns * _CELL
    ir, vi = (
        relative(structure(shrunk(each, size)), _SURROUNDINGS) for each in (infrared, visible)
    )
    around = cv2.copyMakeBorder(ir, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    strength = np.square(around).sum(axis=2)
    shape, side = (columns, rows), 2 * reach + 1
    products = np.empty((rows, columns, side * side), np.float32)
    strengths = np.empty_like(products)
    for index in range(side * side):
        part = tuple(slice(at, at + n) for at, n in zip(divmod(index, side), size, strict=True))
        product = cv2.resize(around[part] * vi, shape, interpolation=cv2.INTER_AREA)
        products[..., index] = product.sum(axis=2)
        strengths[..., index] = cv2.resize(strength[part], shape, interpolation=cv2.INTER_AREA)
    own = cv2.resize(np.square(vi).sum(axis=2), shape, interpolation=cv2.INTER_AREA)[..., None]
    likeness = np.zeros_like(products)
    for window in windows:
        product, one, other = (_blurred(each, window) for each in (products, strengths, own))
        likeness += product / np.sqrt(one * other + _NOTHING) / len(windows)
    return likeness, np.sqrt(one[..., side * side // 2] * other[..., 0])


class _Cells:
    """The shifts at which the structure around each cell is alike, and how sure they are."""

    def __init__(self, likeness: Floats, energy: Floats) -> None:
        self._likeness = likeness
        self._side = math.isqrt(likeness.shape[2])
        reach = np.arange(self._side, dtype=np.float32) - self._side // 2
        self._offsets = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
        self._best = likeness.max(axis=2)
        peak = self._best - likeness.mean(axis=2)
        self._share = energy / (energy + energy.mean() + _NOTHING)
        self.sure: Floats = self._share * np.square(np.clip(peak, 0, 1))

    def near(self, smooth: Floats) -> Floats:
        """Return the best shift of each cell, rows x columns x 2, that is not far from another."""
        away = np.square(smooth[:, :, None] - self._offsets).sum(axis=3)
        best = (self._likeness - _LEAVING * away).argmax(axis=2)
        return np.asarray(self._offsets[best] + self._between(best))

    def show_the_same(self, around: float) -> Floats:
        """Return from 0 to 1 if both pictures show the same around each cell, rows x columns.

        Between noise, or other scenes, some shift is the best one, too.
        """
        found, share = (_blurred(x, around) for x in (self._best * self._share, self._share))
        return _taken(found / (share + _NOTHING), *_ALIKE)

    def gain(self, shifts: Floats) -> Floats:
        """Return how much more alike the pictures are when shifted, rows x columns."""
        middle = self._side // 2
        nearest = np.clip(np.rint(shifts) + middle, 0, self._side - 1).astype(int)
        moved = self._at(nearest @ [1, self._side])
        return np.asarray(moved - self._likeness[..., middle * (self._side + 1)])

    def _at(self, index: NDArray[np.int_]) -> Floats:
        return np.asarray(np.take_along_axis(self._likeness, index[..., None], axis=2)[..., 0])

    def _between(self, best: NDArray[np.int_]) -> Floats:
        """Return where peaks lie between whole shifts, by parabolas."""
        middle, parts = self._at(best), []
        for step, at in ((1, best % self._side), (self._side, best // self._side)):
            inside = (at > 0) & (at < self._side - 1)
            before, after = (
                self._at(np.where(inside, best + move, best)) for move in (-step, step)
            )
            bend = np.maximum(2 * middle - before - after, _NOTHING)
            parts.append(np.where(inside, np.clip((after - before) / (2 * bend), -0.5, 0.5), 0))
        return np.stack(parts, axis=-1)


def _common(cells: _Cells) -> Floats:
    """Return a shift that is a cubic over the whole picture, if the pair then fits better."""
    rows, columns = cells.sure.shape
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    terms = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], axis=-1).reshape(-1, 10)
    smooth = np.zeros((rows, columns, 2), np.float32)
    for index in range(_COMMON_ROUNDS):
        found = cells.near(smooth)
        off = np.square((found - smooth) / _WRONG).sum(axis=2)
        right = np.square(np.clip(1 - off, 0, 1)) if index > 1 else 1
        weighted = terms * (cells.sure * right).reshape(-1, 1)
        held = np.eye(10) * (_HELD * (weighted[:, 0].sum() + _NOTHING))
        numbers = np.linalg.solve(weighted.T @ terms + held, weighted.T @ found.reshape(-1, 2))
        smooth = (terms @ numbers).reshape(smooth.shape).astype(np.float32)
    gain = float((cells.gain(smooth) * cells.sure).sum() / (cells.sure.sum() + _NOTHING))
    same = cells.show_the_same(max(rows, columns))
    return np.asarray(smooth * _taken(gain, *_COMMON_GAIN) * same.mean())


def _single(cells: _Cells, around: float) -> Floats:
    """Return the shift of each cell that its neighbours share and gain by."""
    smooth = np.zeros((*cells.sure.shape, 2), np.float32)
    weight = _blurred(cells.sure, around) + _WEAK
    for _ in range(_ROUNDS):
        found = cells.near(smooth) * cells.sure[..., None]
        smooth = _blurred(found, around) / weight[..., None]
    gain = _blurred(cells.gain(smooth) * cells.sure, around) / weight
    taken = _taken(gain, *_GAIN) * cells.show_the_same(around)
    return np.asarray(smooth * taken[..., None])


def _taken(gain: Floats | float, low: float, high: float) -> Floats:
    return np.asarray(np.clip((np.asarray(gain) - low) / (high - low), 0, 1), np.float32)


def _cells(size: tuple[int, int]) -> tuple[int, int]:
    scale = _SIDE / max(size) / _CELL
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


def _blurred(values: Floats, deviation: float) -> Floats:
    """Return the sums of values, rows x columns or more, in Gaussian windows."""
    for axis in (0, 1):
        place = np.arange(values.shape[axis])
        near = np.exp(-np.square((place[:, None] - place) / deviation) / 2).astype(np.float32)
        values = np.moveaxis(
            np.tensordot(near / near.sum(axis=1).max(), values, (1, axis)), 0, axis
        )
    return values
