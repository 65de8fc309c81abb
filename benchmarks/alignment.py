"""Measure `piafusion.imaging.align` on a data set whose pairs are said to be aligned.

    python benchmarks/alignment.py DATA [--straighten OTHER] [--kind KIND] [--corner PIXELS]
                                   [--limit N] [--seed N]
    python benchmarks/alignment.py DATA --views [--kind KIND] [--fov] [--limit N] [--seed N]
    python benchmarks/alignment.py DATA --local RIG [--limit N]
    python benchmarks/alignment.py DATA --elastic [--kind KIND] [--limit N] [--seed N]
    python benchmarks/alignment.py --rig N

DATA holds `ir` and `vi`. The infrared picture of each pair is warped by a random homography: 5
degrees, 10 % scale and 20 pixels shift at most, and each corner 10 pixels at most on top of it.
Printed are how many estimates are accepted, the error of the accepted ones at the corners (mean of
four, visible pixels), how many pairs of different scenes are accepted, and seconds.

"from the data set" takes the pairs as aligned. "of the warp" does not: what is recovered is
compared with what the same pair gives before the warp, so that errors of the data set drop out,
and so does what the estimate always gets wrong.

`--views` shows the infrared at 25, 33, 50 and 200 % of the view (a random part of one of the two
pictures, enlarged to its size), turned by 15, 45, 90 and 180 degrees, and mirrored. An estimate is
right if it is off by less than 3 visible pixels at the corners of the smaller view (mean of four),
against the data set or against the estimate of the pair as it is; wrong if by more than 8 from
both. Each case is also tried with the visible picture of another scene. `--fov` gives the share.

`--local RIG` applies the alignment of a file and local shifts on top of it. Blocks of the visible
picture are hidden from the search for local shifts, a quarter of the blocks each time, and the
shifts at them are compared with those that are measured when nothing is hidden. Printed is also
how far the shifts move what they have aligned already, and the picture of another scene.

`--elastic` also bends the infrared picture of each pair by a smooth random field, which leaves 1.5
pixels to the best homography. The error is the mean distance over the picture between the place
found for a visible pixel and the place that the pair has before the warp, with local shifts.

`--straighten OTHER` measures the shifts that all pairs of another folder of the same cameras have
in common, which no homography describes, and takes them out of DATA before the warp.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import AlignmentError
from piafusion.imaging.align import Alignment, Local, estimate_alignment, read_alignment
from piafusion.imaging.align.blocks import Level, Matches, match
from piafusion.imaging.align.geometry import (
    Matrix,
    corner_error,
    corners,
    inverted,
    magnification,
    resizing,
    transform,
)
from piafusion.imaging.align.lens import over_grid
from piafusion.imaging.align.structure import prepare
from piafusion.imaging.arrays import Image
from piafusion.imaging.io import read_pair
from piafusion.imaging.pairs import Pair
from piafusion.lab.data.folders import dataset_pairs
from piafusion.scenes.rig import Rig, RigCamera, RigScene, rig_scene

DEGREES, SCALE, SHIFT, CORNER = 5.0, 0.1, 20.0, 10.0
RIGHT, WRONG = 3.0, 8.0  # visible pixels
Changed: TypeAlias = tuple[Image, Image, Matrix, Matrix]
Change: TypeAlias = Callable[[Image, Image, np.random.Generator], Changed]
FIELD = Level(640, 0.15, 0.02)
HIDDEN = Level(640, 0.15, 0.025, grid=6)  # blocks that do not overlap
BEND, BEND_DEVIATION = 2.15, 60  # pixels: length, root mean square; smoothness
ALIKE = 0.3  # likeness of blocks whose place is known
FIELD_PAIRS, FIELD_DEGREE = 60, 5


RIG = Rig(
    RigCamera((480, 640), 0.85, (-0.22, 0.04), (0.5, -1.0, 1.5)),
    RigCamera((480, 640), 0.8, (-0.06, 0.0)),
)
NEAR = 12.0  # metres


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rig", type=int, metavar="N", help="pairs of a painted rig, no DATA")
    parser.add_argument("--straighten", type=Path, metavar="OTHER")
    parser.add_argument("--kind", default="homography")
    parser.add_argument("--corner", type=float, default=CORNER, metavar="PIXELS")
    parser.add_argument("--limit", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--views", action="store_true")
    parser.add_argument("--fov", action="store_true")
    parser.add_argument("--local", type=Path, metavar="RIG")
    parser.add_argument("--elastic", action="store_true")
    options = parser.parse_args()
    if options.rig:
        measure_rig(options.rig, options.kind, options.seed)
        return
    if options.data is None:
        parser.error("expected DATA or --rig N, found none; give one of the two")

    found = dataset_pairs(options.data).pairs
    chosen = _spread(found, options.limit)
    pairs = [read_pair(pair.infrared, pair.visible, same_size=False) for pair in chosen]
    if options.views:
        _views(pairs, options.kind, np.random.default_rng(options.seed), fov=options.fov)
        return
    if options.local:
        measure_local(pairs, read_alignment(options.local))
        return
    if options.elastic:
        measure_elastic(pairs, options.kind, np.random.default_rng(options.seed))
        return
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


def measure_rig(count: int, kind: str, seed: int) -> None:
    """Estimate painted cameras 10 cm apart from some streets, and measure on half as many others.

    Printed is how far the infrared content is from each visible pixel that both cameras see.
    """
    scenes = [
        rig_scene(seed + index, RIG, daylight=(index % 4) / 3)
        for index in range(count + count // 2)
    ]
    known, others = scenes[:count], scenes[count:]
    pairs = [(scene.infrared, scene.visible) for scene in known]
    print(f"{count} pairs of a painted rig, {len(others)} others, {kind}, seed {seed}")
    print("error in pixels       mean   median   nearer than 12 m, mean")
    for name, lenses in (("one map", False), ("map and lenses", True)):
        rig = estimate_alignment(pairs, kind, lenses=lenses)
        _print_errors(name, others, [rig] * len(others))
    _print_errors("and --local", others, [Local()(x.infrared, x.visible, rig) for x in others])


def _print_errors(name: str, scenes: list[RigScene], rigs: list[Alignment]) -> None:
    every, near = [], []
    for scene, rig in zip(scenes, rigs, strict=True):
        places = over_grid(rig.place, rig.visible_size)
        errors = np.linalg.norm(places - scene.places, axis=2)
        every.append(errors[scene.seen])
        near.append(errors[scene.seen & (scene.depth < NEAR)])
    whole = np.concatenate(every)
    print(
        f"{name:18} {whole.mean():7.2f} {np.median(whole):8.2f} {np.concatenate(near).mean():8.2f}"
    )


def measure_local(pairs: list[tuple[Image, Image]], rig: Alignment) -> None:
    """Print whether local shifts fit blocks that were hidden while they were looked for."""
    moved, again, others = [], [], []
    left: list[NDArray[np.float64]] = []
    for index, (infrared, visible) in enumerate(pairs):
        size = visible.shape[:2]
        whole = Local()(infrared, visible, rig)
        moved.append(_moved(whole))
        again.append(_moved(Local()(_warped(whole, infrared, size), visible)))
        others.append(_moved(Local()(infrared, pairs[index - len(pairs) // 2][1], rig)))
        warped = prepare(_warped(rig, infrared, size))
        matches = match([(warped, prepare(visible))], np.eye(3), HIDDEN, whole=True)
        known, part = matches.likeness >= ALIKE, _quarters(matches)
        for each in range(4):
            chosen = known & (part == each)
            if not chosen.any():
                continue
            points, shifts = matches.points[chosen], matches.shifts[chosen]
            hidden = np.ma.masked_array(visible, np.zeros(visible.shape, bool))
            half = HIDDEN.block * max(size) / 2
            for low, high in zip(points - half, points + half, strict=True):
                (x, y), (right, bottom) = (np.maximum(end, 0).astype(int) for end in (low, high))
                hidden[y : bottom + 1, x : right + 1] = np.ma.masked
            found = Local()(infrared, hidden, rig)
            after = shifts - (found.shifts.at(points, size) if found.shifts else 0)
            left.append(np.stack([np.linalg.norm(each, axis=1) for each in (shifts, after)], 1))
    before, after = np.concatenate(left).T
    print(f"{len(pairs)} pairs, mean length of the local shifts {np.mean(moved):.2f} pixels")
    print(f"{len(before)} blocks  before   after")
    for name, value in (("median", np.median), ("mean", np.mean)):
        print(f"{name:10} {value(before):8.2f} {value(after):7.2f}")
    for name, lengths in (("what is aligned so", again), ("other scenes", others)):
        print(f"{name}: mean length {np.mean(lengths):.2f}, at most {max(lengths):.2f}")


def measure_elastic(
    pairs: list[tuple[Image, Image]], kind: str, generator: np.random.Generator
) -> None:
    """Print how exactly bent pictures are brought back by a map, and by local shifts on top."""
    rows = []
    for infrared, visible in pairs:
        own_size, size = infrared.shape[:2], visible.shape[:2]
        field = generator.normal(size=(*own_size, 2)).astype(np.float32)
        field = cv2.GaussianBlur(field, (0, 0), BEND_DEVIATION, borderType=cv2.BORDER_REFLECT)
        field *= BEND / np.sqrt(np.square(field).sum(axis=2).mean())
        warp = inverted(random_warp(generator, own_size, CORNER))
        source = transform(warp, _places(own_size)) + field.reshape(-1, 2)
        source = source.reshape(field.shape).astype(np.float32)
        bent = np.asarray(cv2.remap(infrared, source, None, cv2.INTER_LINEAR))
        own, found = (_estimate(each, visible, kind) for each in (infrared, bent))
        if own is None or found is None:
            continue
        every = slice(None, None, 4)  # rows and columns
        targets = source[every, every].reshape(-1, 2)
        places = _places(own_size, 4)
        best = np.asarray(cv2.findHomography(places, targets)[0])
        errors = [np.linalg.norm(transform(best, places) - targets, axis=1).mean()]
        shown = _places(size, 4)
        truth = Local()(infrared, visible, own).place(shown)
        for each in (found, Local()(bent, visible, found)):
            at = each.place(shown).astype(np.float32)[:, None]
            back = cv2.remap(source, at, None, cv2.INTER_LINEAR)[:, 0]
            inside = ((at[:, 0] >= 0) & (at[:, 0] <= np.array(own_size[::-1]) - 1)).all(axis=1)
            errors.append(np.linalg.norm(back - truth, axis=1)[inside].mean())
        rows.append(errors)
    print(f"{len(rows)} of {len(pairs)} pairs accepted; mean error, pixels:")
    for name, error in zip(
        ("best homography", "map", "and --local"), np.array(rows).T, strict=True
    ):
        print(f"{name:16} {error.mean():.2f}, median pair {np.median(error):.2f}")


def _places(size: tuple[int, int], every: int = 1) -> NDArray[np.float64]:
    """Return x and y of every so many rows and columns, N x 2."""
    x, y = np.meshgrid(np.arange(0.0, size[1], every), np.arange(0.0, size[0], every))
    return np.stack((x.ravel(), y.ravel()), axis=1)


def _moved(found: Alignment) -> float:
    """Return the mean length of local shifts, in pixels."""
    cells = found.shifts.cells if found.shifts else np.zeros((1, 1, 2))
    return float(np.linalg.norm(cells, axis=2).mean()) * found.visible_size[1]


def _warped(found: Alignment, infrared: Image, size: tuple[int, int]) -> Image:
    outside = found.coverage(infrared.shape[:2], size) == 0
    return np.ma.masked_array(found.warp(infrared, size), outside)


def _quarters(matches: Matches) -> NDArray[np.int_]:
    """Return to which of four sets each block belongs; those of one set are no neighbours."""
    x, y = (np.unique(each, return_inverse=True)[1] for each in np.rint(matches.points.T))
    return np.asarray(x % 2 + 2 * (y % 2))


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


def _views(
    pairs: list[tuple[Image, Image]], kind: str, generator: np.random.Generator, *, fov: bool
) -> None:
    print(
        f"{kind}; view: right, accepted and wrong of {len(pairs)}; other scenes accepted; seconds"
    )
    known = [_estimate(*pair, kind) for pair in pairs]
    for name, change in VIEWS.items():
        right = accepted = wrong = others = 0
        seconds = []
        for index, (infrared, visible) in enumerate(pairs):
            shown, seen, to_shown, from_seen = change(infrared, visible, generator)
            given = {}
            if fov and name.endswith("%"):
                given["fov"] = tuple(2 * np.rad2deg(np.arctan([float(name[:-1]) / 200, 0.5])))
            given["mirrored"] = name == "mirrored"
            began = time.process_time()
            estimate = _estimate(shown, seen, kind, **given)
            seconds.append(time.process_time() - began)
            if estimate:
                said = resizing(visible.shape[:2], infrared.shape[:2])
                own = known[index]
                error = min(
                    _view_error(estimate, to_shown @ truth @ from_seen)
                    for truth in (said, own.matrix if own else said)
                )
                accepted += 1
                right += error < RIGHT
                wrong += error > WRONG
            if len(pairs) > 1:
                other = change(infrared, pairs[index - len(pairs) // 2][1], generator)[:2]
                others += _estimate(*other, kind, **given) is not None
        print(
            f"{name:9} {right:3} {accepted:3} {wrong:3}   {others:3}   {np.median(seconds):.1f}",
            flush=True,
        )


def _view_error(found: Alignment, truth: Matrix) -> float:
    """Return how far off the corners of the smaller view are, in visible pixels."""
    scale = magnification(truth, found.visible_size)
    ir_area, vi_area = (np.prod(size) for size in (found.infrared_size, found.visible_size))
    if ir_area < scale**2 * vi_area:
        return corner_error(inverted(found.matrix), inverted(truth), found.infrared_size)
    return corner_error(found.matrix, truth, found.visible_size) / scale


def _part(picture: Image, share: float, generator: np.random.Generator) -> tuple[Image, Matrix]:
    """Return a random part of a picture, enlarged to its size, and the map to it."""
    height, width = picture.shape[:2]
    rows, columns = round(height * share), round(width * share)
    top, left = (
        round((whole - part) * generator.uniform(0.25, 0.75))
        for whole, part in ((height, rows), (width, columns))
    )
    part = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1.0]])
    enlarged = cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC)
    return enlarged, resizing((rows, columns), (height, width)) @ shift


def _seen(share: float) -> Change:
    def change(infrared: Image, visible: Image, generator: np.random.Generator) -> Changed:
        if share < 1:
            part, matrix = _part(infrared, share, generator)
            return part, visible, matrix, np.eye(3)
        part, matrix = _part(visible, 1 / share, generator)
        return infrared, part, np.eye(3), inverted(matrix)

    return change


def _turned(degrees: float) -> Change:
    def change(infrared: Image, visible: Image, generator: np.random.Generator) -> Changed:
        height, width = infrared.shape[:2]
        if degrees % 180 == 90:
            matrix = np.array([[0, -1, height - 1], [1, 0, 0], [0, 0, 1.0]])
            return np.ascontiguousarray(np.rot90(infrared, -1)), visible, matrix, np.eye(3)
        middle = (width - 1) / 2, (height - 1) / 2
        matrix = np.vstack([cv2.getRotationMatrix2D(middle, -degrees, 1), [0, 0, 1]])
        return warp_back(infrared, matrix), visible, matrix, np.eye(3)

    return change


def _mirrored(infrared: Image, visible: Image, generator: np.random.Generator) -> Changed:
    flip = np.array([[-1, 0, infrared.shape[1] - 1], [0, 1, 0], [0, 0, 1.0]])
    return np.ascontiguousarray(infrared[:, ::-1]), visible, flip, np.eye(3)


VIEWS: dict[str, Change] = {
    **{f"{100 * share:.0f} %".replace(" ", ""): _seen(share) for share in (0.25, 0.33, 0.5, 2.0)},
    **{f"{degrees} deg": _turned(degrees) for degrees in (15, 45, 90, 180)},
    "mirrored": _mirrored,
}


def _estimate(
    infrared: Image,
    visible: Image,
    kind: str,
    **given: Any,  # noqa: ANN401 - of estimate_alignment
) -> Alignment | None:
    try:
        return estimate_alignment([(infrared, visible)], kind, **given)
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
    grid = _places(size).reshape(*size, 2)
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
