"""MDLatLRR (Li, Wu, Kittler 2020): multi-level decomposition by a learned projection.

A projection L, learned by `lab/training/latlrr.py`, takes the salient detail out of each 16x16
window of a picture; the windows lie one pixel apart and are averaged into the detail picture. The
rest is the base, which is split again at the next level. Windows of detail are weighted by their
nuclear norms; the last bases are averaged.
"""

from __future__ import annotations

import io
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import WeightsError
from piafusion.files import reading
from piafusion.methods._spec import WEIGHTS, MethodSpec, Plane, Rule
from piafusion.run.pool import map_in_order
from piafusion.weights import read_weights

SIDE = 16  # pixels of a window
LEVELS = 2
NORM_STEP = 2  # pixels between the windows whose nuclear norms are computed
_STRIP = 32  # rows of windows that are in memory at a time; a multiple of the step

Projection: TypeAlias = NDArray[np.float32]  # 256 x 256
Windows: TypeAlias = NDArray[np.float32]  # 256 x rows x columns: pixels of the windows


class Level(NamedTuple):
    """The detail that one level takes out of both sources, and the fused detail, H x W each."""

    infrared: Plane
    luminance: Plane
    fused: Plane


def create(threads: int) -> Rule:
    """Return the rule, with the shipped projection; `threads` threads work on strips of windows."""
    projection = read_projection()

    def mdlatlrr(infrared: Plane, luminance: Plane) -> Plane:
        """Fuse two planes, H x W; those smaller than a window are mirrored up to its size."""
        height, width = infrared.shape
        more = (0, max(0, SIDE - height), 0, max(0, SIDE - width))
        ir, y = (
            np.asarray(cv2.copyMakeBorder(plane, *more, cv2.BORDER_REFLECT_101), np.float32)
            for plane in (infrared, luminance)
        )
        return fuse(ir, y, projection, threads=threads)[:height, :width]

    return mdlatlrr


def read_projection() -> Projection:
    """Return the shipped projection.

    Raises:
        WeightsError: If it is missing or damaged.
    """
    data = read_weights(SPEC.name, "npz", "fusion", WEIGHTS)
    expected = "an archive with the projection of MDLatLRR"
    with reading(f"{SPEC.name}.npz", expected, "install piafusion again", WeightsError):
        projection = np.asarray(np.load(io.BytesIO(data))["projection"], np.float32)
        if projection.shape != (SIDE**2, SIDE**2):
            raise ValueError(f"an array of shape {projection.shape}")
    return projection


def fuse(
    infrared: Plane,
    luminance: Plane,
    projection: Projection,
    *,
    levels: int = LEVELS,
    threads: int = 1,
) -> Plane:
    """Fuse two planes of at least 16 x 16 pixels.

    They are H x W in [0, 1]; the projection L is 256 x 256.
    """
    details = np.zeros_like(infrared)
    for _ in range(levels):
        level = split(infrared, luminance, projection, threads)
        infrared, luminance = infrared - level.infrared, luminance - level.luminance
        details += level.fused
    return np.asarray((infrared + luminance) / 2 + details, np.float32)


def split(infrared: Plane, luminance: Plane, projection: Projection, threads: int = 1) -> Level:
    """Take the detail out of both planes and fuse it window by window."""
    height, width = infrared.shape
    rows = height - SIDE + 1
    level = Level(*(np.zeros_like(infrared) for _ in range(3)))

    def strip(top: int) -> tuple[int, list[Plane]]:
        count = min(_STRIP, rows - top)
        part = slice(top, top + count + SIDE - 1)
        ir, y = (_project(plane[part], projection) for plane in (infrared, luminance))
        norm_ir, norm_y = nuclear_norms(ir), nuclear_norms(y)
        total = norm_ir + norm_y
        share = np.divide(norm_ir, total, out=np.full_like(total, 0.5), where=total > 0)
        return top, [_overlap(windows) for windows in (ir, y, y + share * (ir - y))]

    tops = range(0, rows, _STRIP)
    for top, sums in map_in_order(strip, tops, workers=threads, ahead=threads):
        for plane, part in zip(level, sums, strict=True):
            plane[top : top + len(part)] += part
    counts = _windows_over(height)[:, None] * _windows_over(width)
    return Level(*(plane / counts for plane in level))


def nuclear_norms(windows: Windows) -> Plane:
    """Return the sum of singular values of each window, taken as a 16 x 16 matrix.

    They are computed for every second window along both sides; the one after it, which shares
    nearly all pixels with it, gets the same.

    Args:
        windows: 256 x rows x columns.

    Returns:
        rows x columns.
    """
    _, rows, columns = windows.shape
    chosen = windows[:, ::NORM_STEP, ::NORM_STEP]
    matrices = np.moveaxis(chosen, 0, -1).reshape(*chosen.shape[1:], SIDE, SIDE)
    squares = np.linalg.eigvalsh(matrices @ matrices.swapaxes(-1, -2))
    norms: Plane = np.sqrt(np.maximum(squares, 0)).sum(axis=-1)
    return norms.repeat(NORM_STEP, axis=0).repeat(NORM_STEP, axis=1)[:rows, :columns]


def _project(plane: Plane, projection: Projection) -> Windows:
    """Return L times each window of a plane."""
    rows, columns = (side - SIDE + 1 for side in plane.shape)
    windows = np.empty((SIDE * SIDE, rows, columns), np.float32)
    for pixel, window in enumerate(windows):
        row, column = divmod(pixel, SIDE)
        window[...] = plane[row : row + rows, column : column + columns]
    return (projection @ windows.reshape(len(windows), -1)).reshape(windows.shape)


def _overlap(windows: Windows) -> Plane:
    """Add windows up at their places: the transpose of cutting them out."""
    _, rows, columns = windows.shape
    plane = np.zeros((rows + SIDE - 1, columns + SIDE - 1), np.float32)
    for pixel, window in enumerate(windows):
        row, column = divmod(pixel, SIDE)
        plane[row : row + rows, column : column + columns] += window
    return plane


def _windows_over(side: int) -> Plane:
    """Return how many windows lie over each pixel along one side."""
    along = np.arange(1, side + 1, dtype=np.float32)
    return np.minimum(np.minimum(along, along[::-1]), min(SIDE, side - SIDE + 1))


SPEC = MethodSpec(
    name="mdlatlrr",
    create=create,
    title="MDLatLRR",
    paper=(
        "Li, Wu, Kittler: MDLatLRR: A novel decomposition method for infrared and visible image "
        "fusion, IEEE Transactions on Image Processing 29, 2020"
    ),
    kind="optimisation",
    departures=(
        "The projection is learned from 2,000 patches of MSRS (1,000 of the smoother and 1,000 of "
        "the more detailed half of all drawn), not from the authors' pictures.",
        "Two levels; the authors show one to four.",
        "Nuclear norms are computed for every second window in both directions, and shared with "
        "its neighbours.",
    ),
    weights="npz",
    trained_as="mdlatlrr",
)
