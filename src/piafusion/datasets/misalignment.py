"""How far a pair of a data set is from being aligned, and when that is too far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piafusion.errors import AlignmentError, ImageError
from piafusion.imaging.align.check import check_pair
from piafusion.imaging.align.estimate import estimate_alignment
from piafusion.imaging.arrays import Image

LIMIT = 10.0
"""Pixels, in a picture 640 wide, from which a pair is misaligned.

Pairs of MSRS, RoadScene and TNO read up to 8: parallax, and edges that heat and light put apart.
"""


@dataclass(frozen=True)
class Misalignment:
    """What separates a pair.

    Attributes:
        x: Pixels to the right that the infrared picture is off.
        y: Pixels down.
        excessive: Whether that is more than the limit.
    """

    x: float
    y: float
    excessive: bool

    @property
    def shift(self) -> float:
        """Length in pixels."""
        return float(np.hypot(self.x, self.y))


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
            return Misalignment(near.x, near.y, near.verdict == "shifted")
        found = estimate_alignment([(infrared, visible)], kind="similarity")
    except (AlignmentError, ImageError):
        return None
    height, width = visible.shape[:2]
    middle = np.array([width / 2, height / 2, 1.0])
    moved = found.matrix @ middle
    x, y = moved[:2] / moved[2] - middle[:2]
    return Misalignment(round(float(x), 1), round(float(y), 1), float(np.hypot(x, y)) > scaled)
