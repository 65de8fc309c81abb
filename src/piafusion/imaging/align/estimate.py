"""Estimating one alignment from pairs of a rig: coarse start, fine steps, and a verdict.

The residual of the fit is no verdict: it is small between any two pictures if a map may choose
among enough blocks. The verdict rests on the share of all blocks that agree with the map, on the
correlation of the pictures there, and on the agreement of two maps, each fitted to half of the
blocks. The limits were chosen on `msrs/train`, between right pairs and pairs of other scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import AlignmentError, SizeMismatchError, UsageError
from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.blocks import Level, Matches, match
from piafusion.imaging.align.distortion import MIN_PAIRS, straightened, with_lenses
from piafusion.imaging.align.geometry import (
    Kind,
    Matrix,
    Points,
    bending,
    check_kind,
    distances,
    fit,
    held,
    is_sane,
    magnification,
    nearest_similarity,
    ninths,
    transform,
)
from piafusion.imaging.align.lens import Calibration, Lens, Size
from piafusion.imaging.align.search import SMALL_VIEW, anywhere, candidates
from piafusion.imaging.align.structure import Picture, prepare
from piafusion.imaging.arrays import Image, as_infrared, as_visible, check_minimum

MIN_SIDE = 64  # pixels
MIN_SCORE = 0.26
MIN_SCORE_TURNED = 0.4  # of a small or large view that is turned: most of all maps that are tried
MAX_DISAGREEMENT = 0.006  # share of the visible picture's longer side
MOST_OF_VIEW = 0.01  # may the halves disagree, as a share of the infrared view's longer side

_CANDIDATES = 6
_ANYWHERE = 12
_SURE = 0.4  # share of the blocks; below that a start with another view or rotation is looked for
_CLEAR = 0.5  # share of the blocks from which no other start is tried
_COARSE_PAIRS = 8
_TRIAL = Level(side=320, block=0.2, radius=0.045, grid=12)
_STEPS = (Level(640, 0.15, 0.02), Level(640, 0.12, 0.01))
PROOF = Level(640, 0.15, 0.035)
_TOLERANCE = 0.006  # share of the longer side: depth and lenses make no map fit better
_LEAST_TOLERANCE = 1.25  # visible pixels: blocks are not found better than that
_MIN_BLOCKS = 12
_FIRM, _LOOSE = 0.4, 0.1  # blocks: weight of a corner
_CLEARLY = 0.95  # corners are held loosely if that predicts with that share of the squared error
_MOST_APART = 8  # widths of the views: wider apart they share too few pixels
_TURNED = 20.0  # degrees
_MAX_BENDING = 0.06  # share of the longer side; the cameras of a rig look the same way

Pairs = Sequence[tuple[Picture, Picture]]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class _Step:
    """A map and what it came from.

    Attributes:
        kind: Kind of the map.
        matrix: The map.
        matches: Blocks of the visible picture, found around the place of the map before it.
        targets: N x 2, where they were found, in infrared pixels.
        magnification: Infrared pixels of a visible pixel.
        share: Share of the blocks that agree, as `Matches.score`.
        hold: How firmly a similarity holds the corners, as `geometry.held`.
    """

    kind: Kind
    matrix: Matrix
    matches: Matches
    targets: Points
    magnification: float
    share: float
    hold: float = _FIRM

    def fit(self, kind: Kind, where: slice = slice(None)) -> Matrix | None:
        """Fit a map to some of the blocks; see `geometry.fit`."""
        most = tolerance(self.matches) * self.magnification
        found = fit(kind, self.matches.points[where], self.targets[where], most)
        return found[0] if found else None

    def held(self, kind: Kind, where: slice = slice(None)) -> Matrix | None:
        """Fit a map that corners without evidence do not bend; see `geometry.held`."""
        start, plain = self.fit(kind, where), self.fit("similarity", where)
        if kind == "similarity" or start is None or plain is None:
            return start
        return self._held(kind, start, plain, where, self.hold)

    def _held(
        self, kind: Kind, start: Matrix, plain: Matrix, where: slice | Chosen, hold: float
    ) -> Matrix:
        points, targets = self.matches.points[where], self.targets[where]
        most = 2 * tolerance(self.matches) * self.magnification
        return held(kind, start, plain, points, targets, self.matches.frame, most, hold)

    def with_hold(self, kind: Kind) -> _Step:
        """Return the step with its corners held loosely if that predicts left-out blocks better.

        The blocks of each ninth of the picture are predicted from those of the others.
        """
        start, plain = self.fit(kind), self.fit("similarity")
        if kind == "similarity" or start is None or plain is None:
            return self
        part, most = ninths(self.matches.points), 2 * tolerance(self.matches)
        errors = []
        for hold in (_FIRM, _LOOSE):
            missed = np.full(len(part), most)
            for left in np.unique(part):
                matrix = self._held(kind, start, plain, part != left, hold)
                missed[part == left] = self.misses(matrix)[part == left]
            errors.append(np.square(np.fmin(missed, most)).mean())
        return replace(self, hold=_LOOSE if errors[1] < _CLEARLY * errors[0] else _FIRM)

    def misses(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return how far from each block a map sends it, in visible pixels."""
        return distances(transform(matrix, self.matches.points), self.targets) / self.magnification


def estimate_alignment(
    pairs: Sequence[tuple[Image, Image]],
    kind: str = "homography",
    *,
    fov: tuple[float, float] | None = None,
    mirrored: bool = False,
    upright: bool = False,
    lenses: Sequence[Calibration] | bool = True,
) -> Alignment:
    """Estimate the map from a rig's visible pixels to its infrared pixels.

    Args:
        pairs: Infrared (H x W) and visible (H x W or H x W x 3 RGB) pictures of one fixed rig, at
            least 64 x 64 pixels; uint8, uint16 or float in [0, 1]. The two sizes may differ; all
            infrared pictures have one size, and so have all visible ones.
        kind: "similarity" (shift, rotation, scale), "affine", or "homography": the richest one
            allowed. Corners without evidence are held by a similarity.
        fov: Horizontal fields of view of the infrared and the visible camera, in degrees, if known
            within a tenth: that makes the search quicker and surer.
        mirrored: The infrared pictures show left and right exchanged, as behind a mirror. Lenses
            are not estimated then.
        upright: Look only for views of 45 to 140 % that are turned by less than 8 degrees, which
            takes half of the time where there is none.
        lenses: The lenses of both cameras, infrared first, if they are calibrated. True: they are
            estimated from 10 pairs or more, and kept if they predict left-out blocks better.
            False: straight lines stay straight.

    Returns:
        The alignment with its quality.

    Raises:
        AlignmentError: If the pictures do not show the same scene well enough to tell; the message
            gives the score.
        SizeMismatchError: If a pair has other sizes than the first.
        ImageError: If a picture cannot be used.
        UsageError: If there are no pairs, the kind is unknown, or a field of view is none.
    """
    if mirrored:
        if not isinstance(lenses, bool):
            raise UsageError("lenses: expected none of mirrored pictures, found some; mirror first")
        flipped = [(np.fliplr(infrared), visible) for infrared, visible in pairs]
        facing = estimate_alignment(flipped, kind, fov=fov, upright=upright, lenses=False)
        return facing.mirrored()
    checked = check_kind(kind)
    prepared = [_prepared(infrared, visible) for infrared, visible in pairs]
    if not prepared:
        raise UsageError("expected at least one pair to estimate from, found none; pass some")
    sizes = [(ir.size, vi.size) for ir, vi in prepared]
    for index, found in enumerate(sizes):
        if found != sizes[0]:
            raise SizeMismatchError(
                f"expected pairs of one rig, found sizes {_names(found)} in pair {index + 1} and "
                f"{_names(sizes[0])} in the first; estimate each rig apart"
            )
    share = None if fov is None else _share(fov)
    if not isinstance(lenses, bool):
        known = [_fitting(*each, size) for each, size in zip(lenses, sizes[0], strict=True)]
        prepared = straightened(prepared, *known)
        best = _verdict(_search(prepared, checked, share, upright=upright), prepared, checked)
        return replace(best, infrared_lens=known[0], visible_lens=known[1])
    rough = _search(prepared, checked, share, upright=upright)
    if rough and lenses and len(prepared) >= MIN_PAIRS:
        rough = with_lenses(prepared, rough, checked, _TOLERANCE * max(rough.visible_size))
    return _verdict(rough, prepared, checked)


def _fitting(lens: Lens, own: Size | None, size: Size) -> Lens:
    """Return the lens of pictures of a size."""
    if own is None or own == size:
        return lens
    if abs(own[0] * size[1] / (own[1] * size[0]) - 1) > 0.01:
        raise SizeMismatchError(
            f"expected pictures of the shape of the calibration, {own[1]}x{own[0]}, found "
            f"{size[1]}x{size[0]}; calibrate with pictures of that shape"
        )
    return lens.resized(own, size)


def _share(fov: tuple[float, float]) -> float:
    """Return the width of the infrared view as a share of the visible one."""
    if not all(0 < each < 180 for each in fov):
        raise UsageError(
            f"fov: expected two angles between 0 and 180 degrees, found {fov[0]:g},{fov[1]:g}; "
            "give the horizontal fields of view of the infrared and the visible camera"
        )
    infrared, visible = np.tan(np.deg2rad(fov) / 2)
    share = float(infrared / visible)
    if not 1 / _MOST_APART <= share <= _MOST_APART:
        raise UsageError(
            f"fov: expected views of which one is at most {_MOST_APART} times as wide as the "
            f"other, found {fov[0]:g},{fov[1]:g} degrees; check both angles"
        )
    return share


def _search(pairs: Pairs, kind: Kind, share: float | None, *, upright: bool) -> Alignment | None:
    """Return the best alignment found, good or bad."""
    some = pairs[:: -(-len(pairs) // _COARSE_PAIRS)]
    size = pairs[0][1].size
    plain: Kind = "similarity" if kind == "similarity" else "affine"

    def better(best: _Step | None, starts: Sequence[Matrix]) -> _Step | None:
        for start in starts:
            step = _step(some, start, plain, _TRIAL)
            if step and (best is None or step.share > best.share):
                best = step
            if best and best.share >= _CLEAR:
                break
        return best

    starts = candidates(some, _CANDIDATES, stretch=kind != "similarity", share=share)
    if kind == "similarity":
        starts = [nearest_similarity(start, size) for start in starts]
    best = better(None, starts)
    more = iter(()) if upright else anywhere(some, _ANYWHERE, share)
    while (best is None or best.share < _SURE) and (found := next(more, None)) is not None:
        best = better(best, found)
    for level in _STEPS:
        if best is None:
            return None
        best = _step(pairs, best.matrix, kind, level)
    if best is None:
        return None
    anew = match(pairs, best.matrix, PROOF)
    near = distances(anew.shifts, np.zeros_like(anew.shifts)) <= tolerance(anew)
    misses = best.misses(best.matrix)
    quality = Quality(
        score=round(anew.proof(near), 4),
        likeness=round(float(anew.likeness[near].mean()) if near.any() else 0.0, 4),
        disagreement=round(_disagreement(best, size), 3),
        residual=round(float(np.median(misses[misses <= tolerance(best.matches)])), 3),
        pairs=len(pairs),
    )
    return Alignment.of(best.kind, best.matrix, pairs[0][0].size, size, quality)


def _verdict(found: Alignment | None, pairs: Pairs, kind: Kind) -> Alignment:
    what = "this pair" if len(pairs) == 1 else f"these {len(pairs)} pairs"
    advice = (
        "take pairs with more structure (houses, cars, people, by day), give more pairs of the rig "
        "or the fields of view (fov)" + (", or a simpler kind" if kind != "similarity" else "")
    )
    if found is None:
        raise AlignmentError(f"no {kind} fits {what}: nothing in common was found; {advice}")
    quality = found.quality
    seen = max(found.infrared_size) / magnification(found.matrix, found.visible_size)
    furthest = min(MAX_DISAGREEMENT * max(found.visible_size), MOST_OF_VIEW * seen)
    view = seen / max(found.visible_size)
    is_small, is_turned = min(view, 1 / view) < SMALL_VIEW, abs(_rotation(found)) > _TURNED
    least = MIN_SCORE_TURNED if is_small and is_turned else MIN_SCORE
    score = f"{quality.score:.2f}"
    for name, value, good, limit in (
        ("score", score, quality.score >= least, f"at least {least:.2f}"),
        (
            "disagreement in pixels",
            f"{quality.disagreement:.2f} (score {score})",
            quality.disagreement <= furthest,
            f"at most {furthest:.1f}",
        ),
    ):
        if not good:
            raise AlignmentError(
                f"the {kind} found for {what} is not to be trusted: expected a {name} of {limit}, "
                f"found {value}; {advice}"
            )
    return found


def _rotation(found: Alignment) -> float:
    """Return by how many degrees the infrared picture is turned, -180 to 180."""
    turned = nearest_similarity(found.matrix, found.visible_size)
    return float(np.degrees(np.arctan2(turned[1, 0], turned[0, 0])))


def _step(pairs: Pairs, matrix: Matrix, kind: Kind, level: Level) -> _Step | None:
    ir_size, vi_size = pairs[0][0].size, pairs[0][1].size
    matches = match(pairs, matrix, level)
    targets = transform(matrix, matches.points + matches.shifts)
    step = _Step(kind, matrix, matches, targets, magnification(matrix, vi_size), 0.0)
    if level in _STEPS:
        step = step.with_hold(kind)
    for allowed in dict.fromkeys((kind, "similarity")):
        moved = step.held(allowed) if level in _STEPS else step.fit(allowed)
        if (
            moved is not None
            and matches.tried >= _MIN_BLOCKS
            and _is_likely(moved, vi_size, ir_size)
        ):
            near = step.misses(moved) <= tolerance(matches)
            return replace(step, kind=allowed, matrix=moved, share=matches.score(near))
    return None


def _is_likely(matrix: Matrix, size: tuple[int, int], to: tuple[int, int]) -> bool:
    """Tell whether two cameras of a rig can have a map."""
    return is_sane(matrix, size) and bending(matrix, size, to) <= _MAX_BENDING


def _disagreement(step: _Step, size: tuple[int, int]) -> float:
    """Return how far apart two maps from every other block send the visible corners."""
    one, other = (step.held(step.kind, slice(first, None, 2)) for first in (0, 1))
    if one is None or other is None:
        return float(max(size))
    frame = step.matches.frame
    apart = distances(transform(one, frame), transform(other, frame)).mean()
    return min(float(apart) / step.magnification, float(max(size)))


def tolerance(matches: Matches) -> float:
    """Return the visible pixels by which a right block may be off."""
    return max(_TOLERANCE * float(np.ptp(matches.frame, axis=0).max()), _LEAST_TOLERANCE)


def _prepared(infrared: Image, visible: Image) -> tuple[Picture, Picture]:
    ir, vi = as_infrared(infrared), as_visible(visible)
    check_minimum(ir, MIN_SIDE, name="infrared")
    check_minimum(vi, MIN_SIDE, name="visible")
    return prepare(ir), prepare(vi)


def _names(sizes: tuple[tuple[int, int], tuple[int, int]]) -> str:
    return " and ".join(f"{width}x{height}" for height, width in sizes)
