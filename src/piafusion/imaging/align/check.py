"""Checking: how far the pictures of pairs that should be aligned are from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from piafusion.imaging.align.alignment import Alignment
from piafusion.imaging.align.blocks import Level, match
from piafusion.imaging.align.estimate import MIN_SIDE
from piafusion.imaging.align.geometry import distances, fit, resizing, transform
from piafusion.imaging.align.structure import prepare
from piafusion.imaging.arrays import Image, as_infrared, as_visible, check_minimum, check_same_size

Verdict = Literal["aligned", "shifted", "unlike"]

LIMIT = 4.0  # visible pixels
_LOOK = Level(side=640, block=0.15, radius=0.035)
_TOLERANCE = 0.006  # of the longer side, around the common shift, rotation and scale
_MIN_SCORE = 0.22  # pairs of different scenes reached 0.14


@dataclass(frozen=True)
class Residual:
    """What separates the pictures of one pair.

    Attributes:
        shift: Median length of the shifts between them, visible pixels; up to 3.5 % of the longer
            side can be seen.
        x: Median shift to the right of what the infrared picture shows, visible pixels.
        y: Median shift down.
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


def check_pair(
    infrared: Image, visible: Image, alignment: Alignment | None = None, *, limit: float = LIMIT
) -> Residual:
    """Measure how far a pair is from being aligned.

    Args:
        infrared: H x W; uint8, uint16 or float in [0, 1]; at least 64 x 64 pixels.
        visible: H x W or H x W x 3 RGB, likewise; of the same size if there is no alignment.
        alignment: What brings the infrared picture onto the visible one.
        limit: Visible pixels; a longer shift is suspicious.

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
        matrix = alignment.scaled(ir_size, vi_size).matrix
    matches = match([pair], matrix, _LOOK)
    targets = matches.points + matches.shifts
    found = fit("similarity", matches.points, targets, _TOLERANCE * max(vi_size))
    if found is None or not found[1].any():
        return Residual(0.0, 0.0, 0.0, 0.0, 0.0, "unlike")
    moves, near = found
    score = matches.score(near)
    likeness = float(matches.likeness[near].mean())
    shifts = (transform(moves, matches.points) - matches.points)[near]
    shift = float(np.median(distances(shifts, np.zeros_like(shifts))))
    x, y = np.median(shifts, axis=0)
    verdict: Verdict = "shifted" if shift > limit else "aligned"
    if score < _MIN_SCORE:
        verdict = "unlike"
    return Residual(
        shift=round(shift, 3),
        x=round(float(x), 3),
        y=round(float(y), 3),
        score=round(score, 4),
        likeness=round(likeness, 4),
        verdict=verdict,
    )
