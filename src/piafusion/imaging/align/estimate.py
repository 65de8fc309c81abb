"""Estimating one alignment from pairs of a rig: coarse start, fine steps, and a verdict.

The residual of the fit is no verdict: it is small between any two pictures if a map may choose
among enough blocks. The verdict rests on the share of all blocks that agree with the map, on the
correlation of the pictures there, and on the agreement of two maps, each fitted to half of the
blocks. The limits were chosen on `msrs/train`, between right pairs and pairs of other scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from piafusion.errors import AlignmentError, SizeMismatchError, UsageError
from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.blocks import Level, Matches, match
from piafusion.imaging.align.geometry import (
    Kind,
    Matrix,
    bending,
    check_kind,
    corner_error,
    distances,
    fit,
    is_sane,
    nearest_similarity,
    normalised,
    transform,
)
from piafusion.imaging.align.search import candidates
from piafusion.imaging.align.structure import Picture, prepare
from piafusion.imaging.arrays import Image, as_infrared, as_visible, check_minimum

MIN_SIDE = 64  # pixels
MIN_SCORE = 0.26
MAX_DISAGREEMENT = 0.018  # share of the visible picture's longer side

_CANDIDATES = 6
_COARSE_PAIRS = 8
_TRIAL = Level(side=320, block=0.2, radius=0.045, grid=12)
_STEPS = (Level(640, 0.15, 0.02), Level(640, 0.12, 0.01))
_PROOF = Level(640, 0.15, 0.035)
_TOLERANCE = 0.006  # share of the longer side: depth and lenses make no map fit better
_MIN_BLOCKS = 12
_MAX_BENDING = 0.06  # share of the longer side; the cameras of a rig look the same way

Pairs = Sequence[tuple[Picture, Picture]]
_Step = tuple[Matrix, Matches, float]  # the map, what it came from, and the share that agrees


def estimate_alignment(pairs: Sequence[tuple[Image, Image]], kind: str = "homography") -> Alignment:
    """Estimate the map from a rig's visible pixels to its infrared pixels.

    Args:
        pairs: Infrared (H x W) and visible (H x W or H x W x 3 RGB) pictures of one fixed rig, at
            least 64 x 64 pixels; uint8, uint16 or float in [0, 1]. The two sizes may differ; all
            infrared pictures have one size, and so have all visible ones.
        kind: "similarity" (shift, rotation, scale), "affine", or "homography".

    Returns:
        The alignment with its quality.

    Raises:
        AlignmentError: If the pictures do not show the same scene well enough to tell; the message
            gives the score.
        SizeMismatchError: If a pair has other sizes than the first.
        ImageError: If a picture cannot be used.
        UsageError: If there are no pairs or the kind is unknown.
    """
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
    return _verdict(_search(prepared, checked), prepared, checked)


def _search(pairs: Pairs, kind: Kind) -> Alignment | None:
    """Return the best alignment found, good or bad."""
    some = pairs[:: -(-len(pairs) // _COARSE_PAIRS)]
    starts = candidates(some, _CANDIDATES, stretch=kind != "similarity")
    if kind == "similarity":
        starts = [nearest_similarity(start, pairs[0][1].size) for start in starts]
    trials = (_step(pairs, start, kind, _TRIAL) for start in starts)
    best = max((trial for trial in trials if trial), key=lambda trial: trial[2], default=None)
    before: Matrix | None = None
    for level in _STEPS:
        if best is None:
            return None
        before = best[0]
        best = _step(pairs, before, kind, level)
    if best is None or before is None:
        return None
    matrix, matches, _ = best
    size = pairs[0][1].size
    misses = _misses(before, matrix, matches)
    anew = match(pairs, matrix, _PROOF)
    near = distances(anew.shifts, np.zeros_like(anew.shifts)) <= _tolerance(pairs)
    quality = Quality(
        score=round(anew.score(near), 4),
        likeness=round(float(anew.likeness[near].mean()) if near.any() else 0.0, 4),
        disagreement=round(_disagreement(matches, kind, pairs), 3),
        residual=round(float(np.median(misses[misses <= _tolerance(pairs)])), 3),
        pairs=len(pairs),
    )
    return Alignment.of(kind, matrix, pairs[0][0].size, size, quality)


def _verdict(found: Alignment | None, pairs: Pairs, kind: Kind) -> Alignment:
    what = "this pair" if len(pairs) == 1 else f"these {len(pairs)} pairs"
    advice = "use sharper pictures of one scene by day, more pairs of the rig, or a simpler kind"
    if found is None:
        raise AlignmentError(f"no {kind} fits {what}: nothing in common was found; {advice}")
    quality = found.quality
    furthest = MAX_DISAGREEMENT * max(pairs[0][1].size)
    for name, value, good, limit in (
        ("score", quality.score, quality.score >= MIN_SCORE, f"at least {MIN_SCORE:.2f}"),
        (
            "disagreement in pixels",
            quality.disagreement,
            quality.disagreement <= furthest,
            f"at most {furthest:.1f}",
        ),
    ):
        if not good:
            raise AlignmentError(
                f"the {kind} found for {what} is not to be trusted: expected a {name} of {limit}, "
                f"found {value:.2f} (score {quality.score:.2f}); {advice}"
            )
    return found


def _step(pairs: Pairs, matrix: Matrix, kind: Kind, level: Level) -> _Step | None:
    matches = match(pairs, matrix, level)
    found = _moves(matches, kind, pairs)
    if found is None or matches.tried < _MIN_BLOCKS:
        return None
    moves, near = found
    moved = normalised(matrix @ moves)
    ir_size, vi_size = pairs[0][0].size, pairs[0][1].size
    if not is_sane(moved, vi_size) or bending(moved, vi_size, ir_size) > _MAX_BENDING:
        return None
    return moved, matches, matches.score(near)


def _moves(
    matches: Matches, kind: Kind, pairs: Pairs, every: slice = slice(None)
) -> tuple[Matrix, np.ndarray] | None:
    points = matches.points[every]
    return fit(kind, points, points + matches.shifts[every], _tolerance(pairs))


def _misses(before: Matrix, after: Matrix, matches: Matches) -> np.ndarray:
    moves = normalised(np.linalg.inv(before) @ after)
    return distances(transform(moves, matches.points), matches.points + matches.shifts)


def _disagreement(matches: Matches, kind: Kind, pairs: Pairs) -> float:
    """Return how far apart two maps from every other block send the visible corners."""
    halves = [_moves(matches, kind, pairs, slice(start, None, 2)) for start in (0, 1)]
    if any(half is None for half in halves):
        return float(max(pairs[0][1].size))
    one, other = (half[0] for half in halves if half is not None)
    return min(corner_error(one, other, pairs[0][1].size), float(max(pairs[0][1].size)))


def _tolerance(pairs: Pairs) -> float:
    return _TOLERANCE * max(pairs[0][1].size)


def _prepared(infrared: Image, visible: Image) -> tuple[Picture, Picture]:
    ir, vi = as_infrared(infrared), as_visible(visible)
    check_minimum(ir, MIN_SIDE, name="infrared")
    check_minimum(vi, MIN_SIDE, name="visible")
    return prepare(ir), prepare(vi)


def _names(sizes: tuple[tuple[int, int], tuple[int, int]]) -> str:
    return " and ".join(f"{width}x{height}" for height, width in sizes)
