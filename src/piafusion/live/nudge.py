"""Moving the infrared picture by hand until it lies on the visible one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from piafusion.errors import PiafusionError, UsageError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.align.check import check_pair
from piafusion.imaging.align.geometry import Matrix, resizing
from piafusion.imaging.arrays import Image

_UNKNOWN = Quality(0.0, 0.0, 0.0, 0.0, 0)
_SAME_ASPECT = 0.02
_LIMITS = {"x": 1e4, "y": 1e4, "angle": 180.0}


@dataclass(frozen=True)
class Nudge:
    """How the infrared picture is moved on the visible one, about the middle of the picture.

    Attributes:
        x: Visible pixels to the right.
        y: Visible pixels down.
        scale: Factor on its size.
        angle: Degrees clockwise.
    """

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    angle: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if not abs(value) <= limit:
                raise UsageError(f"{name}: expected at most {limit:g}, found {value:g}")
        if not 0.1 <= self.scale <= 10:
            raise UsageError(f"scale: expected 0.1 to 10, found {self.scale:g}")

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the 3 x 3 map of visible pixels that does it; `size` is height and width."""
        x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
        along = self.scale * math.cos(math.radians(self.angle))
        across = self.scale * math.sin(math.radians(self.angle))
        to_middle = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
        turn = np.array([[along, -across, x + self.x], [across, along, y + self.y], [0, 0, 1]])
        return np.asarray(turn @ to_middle)


STILL = Nudge()


def nudged(
    base: Alignment | None, nudge: Nudge, infrared_size: tuple[int, int], size: tuple[int, int]
) -> Alignment | None:
    """Return an alignment that is moved by hand; None where nothing is to be done.

    Without a base, an infrared picture of another size is scaled so that it covers the visible one.

    Args:
        base: The rig's alignment, if it is known.
        nudge: The move.
        infrared_size: Height and width of the infrared picture.
        size: Height and width of the visible picture.

    Raises:
        SizeMismatchError: If the base was estimated for pictures of another shape.
        UsageError: If the move turns pictures inside out.
    """
    if nudge == STILL and (base is not None or infrared_size == size):
        return base
    if base is None:
        start = _covering(infrared_size, size)
        base = Alignment.of("similarity", start, infrared_size, size, _UNKNOWN)
    base = base.scaled(infrared_size, size)
    matrix = base.matrix @ np.linalg.inv(nudge.matrix(size))
    moved = Alignment.of(base.kind, matrix, infrared_size, size, _UNKNOWN)
    return replace(moved, infrared_lens=base.infrared_lens, visible_lens=base.visible_lens)


def _covering(infrared_size: tuple[int, int], size: tuple[int, int]) -> Matrix:
    """Return the map from visible pixels to those of an infrared picture around the same middle."""
    down, across = infrared_size[0] / size[0], infrared_size[1] / size[1]
    if abs(across / down - 1) <= _SAME_ASPECT:
        return resizing(size, infrared_size)
    scale = min(down, across)
    x, y = ((infrared_size[i] - 1 - scale * (size[i] - 1)) / 2 for i in (1, 0))
    return np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]])


def judged(alignment: Alignment, infrared: Image, visible: Image) -> tuple[Alignment, str]:
    """Measure on a pair how well an alignment fits.

    Args:
        alignment: The alignment.
        infrared: H x W in [0, 1] or uint8.
        visible: H x W or H x W x 3.

    Returns:
        The alignment with this quality, and what was found in words.
    """
    try:
        found = check_pair(infrared, visible, alignment)
    except PiafusionError as error:
        return alignment, f"not checked: {error}"
    quality = Quality(found.score, found.likeness, 0.0, found.shift, 1)
    words = f"it looks {found.verdict}"
    if found.verdict != "unlike":
        words += f", {found.shift:.1f} pixels off"
    return replace(alignment, quality=quality), words
