"""How far a pair of a data set is from being aligned, and when that is too far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piafusion.errors import AlignmentError, ImageError
from piafusion.imaging.align.check import check_pair
from piafusion.imaging.align.estimate import estimate_alignment
from piafusion.imaging.align.geometry import transform
from piafusion.imaging.arrays import Image

LIMIT = 10.0
"""Pixels, in a picture 640 wide, from which a pair is misaligned.

Pairs of MSRS, RoadScene and TNO read up to 8.3: parallax, and edges that heat and light put apart.
"""


@dataclass(frozen=True)
class Misalignment:
    """What separates a pair.

    Attributes:
        shift: Pixels that the infrared picture is off, the median over the picture.
        x: Median to the right.
        y: Median down; both may be 0 for what is turned or scaled.
        excessive: Whether the shift is more than the limit.
    """

    shift: float
    x: float
    y: float
    excessive: bool


def misalignment(infrared: Image, visible: Image, limit: float = LIMIT) -> Misalignment | None:
    """Measure a pair of one size, near first and, where nothing is found there, far off.

    Args:
        infrared: H x W.
        visible: H x W or H x W x 3 RGB.
        limit: Pixels in a picture whose longer side is 640.

    Returns:
        What was found; None if it cannot be judged: too dark, too plain, too small, or two scenes.
    """
    longer = max(visible.shape[:2])
    scaled = limit * longer / 640
    try:
        near = check_pair(infrared, visible, limit=scaled)
        if near.verdict != "unlike":
            return Misalignment(near.shift, near.x, near.y, near.verdict == "shifted")
        found = estimate_alignment([(infrared, visible)], kind="similarity")
    except (AlignmentError, ImageError):
        return None
    height, width = visible.shape[:2]
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    moves = transform(found.matrix, points) - points
    shift = float(np.median(np.hypot(*moves.T)))
    right, down = (round(float(move), 1) for move in np.median(moves, axis=0))
    return Misalignment(round(shift, 1), right, down, shift > scaled)
