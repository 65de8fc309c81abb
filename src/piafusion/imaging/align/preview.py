"""Pictures of an alignment: before, after, and where the two pictures agree."""

from __future__ import annotations

import cv2
import numpy as np

from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.blocks import match
from piafusion.imaging.align.estimate import PROOF, tolerance
from piafusion.imaging.align.geometry import distances, resizing
from piafusion.imaging.align.structure import prepare
from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance

_FOUND, _ELSEWHERE = (60, 220, 90), (255, 120, 40)


def unaligned(found: Alignment) -> Alignment:
    """Return the map of the same cameras before the alignment: one picture laid on the other."""
    matrix = resizing(found.visible_size, found.infrared_size)
    sizes = found.infrared_size, found.visible_size
    return Alignment.of("affine", matrix, *sizes, Quality(0, 0, 0, 0, 0))


def agreement(found: Alignment, infrared: Image, visible: Image) -> Image:
    """Draw where blocks of the visible picture were found in the aligned infrared one.

    Args:
        found: Their alignment.
        infrared: H x W; uint8, uint16 or float in [0, 1].
        visible: H x W or H x W x 3 RGB, likewise.

    Returns:
        The visible picture in dark grey, H x W x 3 uint8: a green dot where a block lies as the map
        says, an orange one, with a line to the place where it was found, where not.
    """
    size = (visible.shape[0], visible.shape[1])
    outside = found.coverage(infrared.shape[:2], size) == 0
    warped = np.ma.masked_array(found.warp(np.ma.getdata(infrared), size), outside)
    matches = match([(prepare(warped), prepare(visible))], np.eye(3), PROOF)
    grey = np.asarray(luminance(to_unit(np.ma.getdata(visible)))) * 128
    drawn = np.dstack([grey.astype(np.uint8)] * 3)
    near = distances(matches.shifts, np.zeros_like(matches.shifts)) <= tolerance(matches)
    dot = max(2, max(size) // 160)
    for point, shift, right in zip(matches.points, matches.shifts, near, strict=True):
        here, there = (tuple(map(int, np.round(each))) for each in (point, point + shift))
        colour = _FOUND if right else _ELSEWHERE
        cv2.line(drawn, here, there, colour, max(1, dot // 3), cv2.LINE_AA)
        cv2.circle(drawn, here, dot, colour, -1, cv2.LINE_AA)
    return drawn
