"""Measure `piafusion.imaging.align` on a data set whose pairs are said to be aligned.

    python benchmarks/alignment.py DATA [--straighten OTHER] [--kind KIND] [--corner PIXELS]
                                   [--limit N] [--seed N]

DATA holds `ir` and `vi`. The infrared picture of each pair is warped by a random homography: 5
degrees, 10 % scale and 20 pixels shift at most, and each corner 10 pixels at most on top of it.
Printed are how many estimates are accepted, the error of the accepted ones at the corners (mean of
four, visible pixels), how many pairs of different scenes are accepted, and seconds.

"from the data set" takes the pairs as aligned. "of the warp" does not: what is recovered is
compared with what the same pair gives before the warp, so that errors of the data set drop out,
and so does what the estimate always gets wrong.

`--straighten OTHER` measures the shifts that all pairs of another folder of the same cameras have
in common, which no homography describes, and takes them out of DATA before the warp.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import AlignmentError
from piafusion.imaging.align import Alignment, estimate_alignment
from piafusion.imaging.align.blocks import Level, match
from piafusion.imaging.align.geometry import Matrix, corner_error, corners, resizing
from piafusion.imaging.align.structure import prepare
from piafusion.imaging.arrays import Image
from piafusion.imaging.io import read_pair
from piafusion.imaging.pairs import Pair
from piafusion.lab.data.folders import dataset_pairs

DEGREES, SCALE, SHIFT, CORNER = 5.0, 0.1, 20.0, 10.0
FIELD = Level(640, 0.15, 0.02)
FIELD_PAIRS, FIELD_DEGREE = 60, 5


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--straighten", type=Path, metavar="OTHER")
    parser.add_argument("--kind", default="homography")
    parser.add_argument("--corner", type=float, default=CORNER, metavar="PIXELS")
    parser.add_argument("--limit", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    found = dataset_pairs(options.data).pairs
    pairs = [read_pair(pair.infrared, pair.visible) for pair in _spread(found, options.limit)]
    if options.straighten:
        others = _spread(dataset_pairs(options.straighten).pairs, FIELD_PAIRS)
        pairs = _straightened(pairs, others)

    generator = np.random.default_rng(options.seed)
    nominal, recovered, seconds, wrong = [], [], [], 0
    for index, (infrared, visible) in enumerate(pairs):
        size = visible.shape[:2]
        truth = random_warp(generator, size, options.corner)
        warped = warp_back(infrared, truth)
        began = time.perf_counter()
        estimate = _estimate(warped, visible, options.kind)
        seconds.append(time.perf_counter() - began)
        if estimate:
            nominal.append(corner_error(estimate.matrix, truth, size))
            before = _estimate(infrared, visible, options.kind)
            if before:
                recovered.append(corner_error(estimate.matrix, truth @ before.matrix, size))
        other = pairs[(index + len(pairs) // 2) % len(pairs)][1]
        if other.shape == visible.shape:
            wrong += _estimate(warped, other, options.kind) is not None

    print(f"{len(pairs)} pairs of {options.data}, {options.kind}, seed {options.seed}")
    print(f"accepted                    {len(nominal)} of {len(pairs)}")
    for name, errors in (("from the data set", nominal), ("of the warp", recovered)):
        if errors:
            middle, high = np.percentile(errors, (50, 90))
            print(f"corner error {name:18} median {middle:.2f}, 90 % below {high:.2f} pixels")
    print(f"other scene accepted        {wrong} of {len(pairs)}")
    print(f"seconds for an estimate     median {np.median(seconds):.2f}")


def random_warp(generator: np.random.Generator, size: tuple[int, int], corner: float) -> Matrix:
    """Return a random map from visible to warped infrared pixels."""
    angle = np.deg2rad(generator.uniform(-DEGREES, DEGREES))
    scale = 1 + generator.uniform(-SCALE, SCALE)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = corners(size)
    middle = points.mean(axis=0)
    targets = (points - middle) @ turn.T + middle + generator.uniform(-SHIFT, SHIFT, 2)
    targets += generator.uniform(-corner, corner, (4, 2))
    return np.asarray(cv2.getPerspectiveTransform(np.float32(points), np.float32(targets)))


def warp_back(infrared: Image, matrix: Matrix) -> Image:
    """Warp an aligned infrared picture so that `matrix` aligns it again; black around it."""
    return np.asarray(cv2.warpPerspective(infrared, matrix, infrared.shape[::-1]))


def _estimate(infrared: Image, visible: Image, kind: str) -> Alignment | None:
    try:
        return estimate_alignment([(infrared, visible)], kind)
    except AlignmentError:
        return None


def _spread(pairs: list[Pair], count: int | None) -> list[Pair]:
    return pairs[:: max(1, -(-len(pairs) // count))] if count else pairs


def _straightened(
    pairs: list[tuple[Image, Image]], others: list[Pair]
) -> list[tuple[Image, Image]]:
    prepared = [tuple(map(prepare, read_pair(other.infrared, other.visible))) for other in others]
    size = prepared[0][0].size
    matches = match(prepared, resizing(size, size), FIELD)  # type: ignore[arg-type]
    terms, *_ = np.linalg.lstsq(_powers(matches.points, size), matches.shifts, rcond=None)
    lengths = np.linalg.norm(matches.shifts, axis=1)
    print(
        f"shifts that {len(others)} other pairs have in common: median {np.median(lengths):.2f}, "
        f"at most {lengths.max():.2f} pixels; taken out"
    )
    grid = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=-1).astype(float)
    places = (grid + _powers(grid, size) @ terms).astype(np.float32)
    return [
        (cv2.remap(ir, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), vi)
        for ir, vi in pairs
    ]


def _powers(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    x, y = np.moveaxis((points - [size[1] / 2, size[0] / 2]) / (size[1] / 2), -1, 0)
    orders = [(i, j) for i in range(FIELD_DEGREE + 1) for j in range(FIELD_DEGREE + 1 - i)]
    return np.stack([x**i * y**j for i, j in orders], axis=-1)


if __name__ == "__main__":
    main()
