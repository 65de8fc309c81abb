"""Is a pair aligned? One measurement and one limit, for rigs and for data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import AlignmentError
from piafusion.imaging.align.alignment import Alignment
from piafusion.imaging.align.blocks import Level, match
from piafusion.imaging.align.distortion import straightened
from piafusion.imaging.align.estimate import MIN_SIDE, estimate_alignment
from piafusion.imaging.align.geometry import distances, fit, resizing, transform
from piafusion.imaging.align.structure import prepare
from piafusion.imaging.arrays import Image, as_infrared, as_visible, check_minimum, check_same_size

Verdict = Literal["aligned", "shifted", "unlike"]

LIMIT = 10.0
"""Pixels, in a picture whose longer side has 640, that count as aligned.

Pairs of MSRS, RoadScene and TNO reach 8.3: parallax, and edges that differ between thermal and
visible light.
"""

_LOOK = Level(side=640, block=0.15, radius=0.035)
_TOLERANCE = 0.006  # of the longer side, around the common shift, rotation and scale
_MIN_SCORE = 0.22  # pairs of different scenes reached 0.14


@dataclass(frozen=True)
class Residual:
    """The shift between the two pictures of one pair.

    Attributes:
        shift: Median length of the shifts between them, visible pixels.
        x: Median shift of the infrared picture to the right, in visible pixels.
        y: Median shift down; both may be 0 where the picture is turned or scaled.
        score: How many blocks are shifted together, as `Quality.score`.
        likeness: Mean correlation of the structure in them.
        verdict: "aligned"; "shifted", by more than the limit; or "unlike": no common shift could
            be seen, because they show different scenes, are too far apart, or one shows nothing.
    """

    shift: float
    x: float
    y: float
    score: float
    likeness: float
    verdict: Verdict


UNLIKE = Residual(0.0, 0.0, 0.0, 0.0, 0.0, "unlike")
"""The result for a pair that cannot be judged."""


def is_mostly_unlike(found: Sequence[Residual]) -> bool:
    """Tell whether more than half of the pairs are unlike.

    Every data set has single pairs that are too dark or plain to judge. If most cannot be judged,
    the wrong files have been paired.
    """
    return 2 * sum(each.verdict == "unlike" for each in found) > len(found)


def check_pair(
    infrared: Image, visible: Image, alignment: Alignment | None = None, *, limit: float = LIMIT
) -> Residual:
    """Measure how far a pair is from being aligned.

    Shifts of up to 3.5 % of the longer side are measured first. If there is none, an alignment is
    estimated, which finds larger ones.

    Args:
        infrared: H x W; uint8, uint16 or float in [0, 1]; at least 64 x 64 pixels.
        visible: H x W or H x W x 3 RGB, likewise; of the same size if there is no alignment.
        alignment: Transform of the infrared picture onto the visible one; by default none.
        limit: Longest shift of an aligned pair, in pixels of a picture whose longer side has 640;
            in proportion for other sizes.

    Raises:
        SizeMismatchError: If the sizes differ without an alignment or do not fit it.
        ImageError: If a picture cannot be used.
    """
    ir, vi = as_infrared(infrared), as_visible(visible)
    check_minimum(ir, MIN_SIDE, name="infrared")
    check_minimum(vi, MIN_SIDE, name="visible")
    pair = prepare(ir), prepare(vi)
    ir_size, vi_size = pair[0].size, pair[1].size
    if alignment is None:
        check_same_size(ir, vi)
        matrix = resizing(vi_size, ir_size)
    else:
        alignment = alignment.scaled(ir_size, vi_size)
        matrix = alignment.matrix
        pair = straightened([pair], alignment.infrared_lens, alignment.visible_lens)[0]
    matches = match([pair], matrix, _LOOK, whole=True)
    targets = matches.points + matches.shifts
    found = fit("similarity", matches.points, targets, _TOLERANCE * max(vi_size))
    score, limit = 0.0, limit * max(vi_size) / 640
    if found is not None and found[1].any():
        moves, near = found
        score = matches.score(near)
    if score < _MIN_SCORE:
        return _far(ir, vi, limit) if alignment is None else UNLIKE
    return _residual(
        transform(moves, matches.points[near]) - matches.points[near],
        score,
        float(matches.likeness[near].mean()),
        limit,
    )


def _far(infrared: Image, visible: Image, limit: float) -> Residual:
    """Look for a large shift by estimating the alignment of the pair."""
    try:
        found = estimate_alignment([(infrared, visible)], kind="similarity", upright=True)
    except AlignmentError:
        return UNLIKE
    height, width = visible.shape[:2]
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    shifts = transform(found.matrix, points) - points
    return _residual(shifts, found.quality.score, found.quality.likeness, limit)


def _residual(shifts: NDArray[np.float64], score: float, likeness: float, limit: float) -> Residual:
    shift = float(np.median(distances(shifts, np.zeros_like(shifts))))
    x, y = np.median(shifts, axis=0)
    return Residual(
        shift=round(shift, 3),
        x=round(float(x), 3),
        y=round(float(y), 3),
        score=round(score, 4),
        likeness=round(likeness, 4),
        verdict="shifted" if shift > limit else "aligned",
    )
