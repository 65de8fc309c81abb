"""Calm video: what a fusion decides is carried from frame to frame, along with the motion.

Frame by frame, a network takes the infrared of a place in one frame and ignores it in the next,
because noise moves a value over its threshold. So two things are carried, at half the resolution:
how much of the fused picture comes in, and what the fusion adds to the visible picture. The pixels
of the visible picture are never mixed with those of another frame, and what is added differs by at
most `LIMIT` from what the frame alone would have: nothing is smeared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.natural import Floats, Judgement, enlarge, reduce

Bytes = NDArray[np.uint8]

HALF_LIFE = 0.12
"""Seconds after which half of a change of the decisions shows, where the sources are calm."""
MOVING = (30 / 255, 90 / 255)
"""Changes of a source since the decisions, behind the motion: up to the first one they change
slowly, from the second one on at once."""
LIMIT = 16 / 255
"""The most that the carried difference changes a pixel by."""
EDGE = (10 / 255, 40 / 255)
"""The same as `MOVING` for the infrared at half the resolution and the frame before."""
CUT = 40 / 255
"""Mean of the changes from which on the frame begins a new scene."""

_SEEN = (255, 255)
_HALF = (100, 255, 255, 255)
"""Factors of the planes that are carried, which become bytes: these are moved quickly."""

_opencv: Any = cv2  # its type stubs leave functions and arguments out


@dataclass(frozen=True)
class Carried:
    """The planes that a frame leaves to the next one, in bytes; they lie behind each other.

    Attributes:
        grey: A small mean of both sources, to find the motion in.
        seen: The infrared picture and the luminance that this was decided on, small.
        half: At half the resolution: how much of the fused picture came in, the infrared picture,
            the luminance, and the result.
    """

    grey: Bytes
    seen: Bytes
    half: Bytes


class Calm:
    """Fuses the frames of one video, one after the other."""

    def __init__(self, rate: float) -> None:
        """Get ready for so many frames a second."""
        self._slow = np.float32(1 - 0.5 ** (1 / (HALF_LIFE * rate)))
        self._flow = _opencv.DISOpticalFlow_create(_opencv.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(
        self,
        before: Carried | None,
        judgement: Judgement,
        weights: Floats,
        heat: Floats,
        luminance: Floats,
        fused: Floats,
    ) -> tuple[Floats, Carried]:
        """Return the luminance with so much of the fused picture in it, and what to carry on.

        Args:
            before: The planes that the frame before left, if there is one.
            judgement: The judgement of this frame.
            weights: Its weights at half the resolution: how much of the fused picture comes in.
                Their memory is used.
            heat: The infrared picture at half the resolution.
            luminance: The luminance of the visible picture, H x W in [0, 1].
            fused: The complete fusion, the same size; its memory is used.
        """
        infrared, visible = seen = judgement.seen
        grey = np.asarray(cv2.addWeighted(infrared, 127.5, visible, 127.5, 0), np.uint8)
        bright, old = reduce(luminance, 2), None
        if before and (before.grey.shape, before.half.shape[:2]) == (grey.shape, heat.shape):
            old = self._follow(before, grey, seen, weights, heat, judgement.step / 4)
        fused -= luminance
        fused *= enlarge(weights, luminance.shape)
        added = reduce(fused, 2)
        result = added + bright
        if old:
            # Toward what the frame before showed, never away from it: where the infrared replaces
            # a noisy luminance, an old difference would bring the noise back.
            seen, change, old_result = old
            change -= added
            change *= 1 - self._slow
            old_result -= result
            np.maximum(change, np.clip(old_result, -LIMIT, 0), out=change)
            np.minimum(change, np.clip(old_result, 0, LIMIT, out=old_result), out=change)
            result += change
            fused += enlarge(change, luminance.shape)
        fused += luminance
        np.clip(fused, 0, 1, out=fused)
        half = _bytes((weights, heat, bright, result), _HALF)
        return fused, Carried(grey, _bytes(seen, _SEEN), half)

    def _follow(
        self,
        before: Carried,
        grey: Bytes,
        seen: Sequence[Floats],
        weights: Floats,
        heat: Floats,
        times: float,
    ) -> tuple[Sequence[Floats], Floats, Floats] | None:
        """Bring the weights nearer to the carried ones, where these have moved to.

        Returns:
            The small infrared and luminance that they are decided on now; what was added at half
            the resolution, and the result, where they have moved to. None after a cut.
        """
        flow = self._flow.calc(grey, before.grey, None)
        old = _moved(before.seen, flow, _SEEN)
        changes = [new - plane for new, plane in zip(seen, old, strict=True)]
        share = np.maximum(*map(np.abs, changes))
        if share.mean() > CUT:
            return None
        low, high = MOVING
        share -= np.float32(low)
        share *= (1 - self._slow) / np.float32(high - low)
        share += self._slow
        np.clip(share, self._slow, 1, out=share)
        for plane, change in zip(old, changes, strict=True):
            change *= share
            plane += change
        height, width = heat.shape
        size = [math.ceil(side * times) for side in reversed(grey.shape)]
        flow = cv2.resize(flow * np.float32(times), size)[:height, :width]
        old_weights, edge, bright, result = _moved(before.half, flow, _HALF)
        # The edges of warm things stay sharp: there the weights are those of the frame.
        low, high = EDGE
        edge -= heat
        np.abs(edge, out=edge)
        edge -= np.float32(low)
        edge *= np.float32(1 / (high - low))
        np.maximum(edge, cv2.resize(share, size)[:height, :width], out=edge)
        np.minimum(edge, 1, out=edge)
        weights -= old_weights
        weights *= edge
        weights += old_weights
        return old, np.subtract(result, bright, out=bright), result


def _bytes(planes: Sequence[Floats], scales: Sequence[float]) -> Bytes:
    """Put planes behind each other, H x W x planes, as bytes."""
    scaled = [
        cv2.convertScaleAbs(plane, alpha=scale) for plane, scale in zip(planes, scales, strict=True)
    ]
    return np.asarray(cv2.merge(scaled), np.uint8)


def _moved(planes: Bytes, flow: Floats, scales: Sequence[float]) -> list[Floats]:
    """Return planes where the flow, from the new frame to the old one, finds them."""
    places = flow + _places(*flow.shape[:2])
    how = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    moved = _opencv.split(_opencv.remap(planes, places, None, **how))
    return [
        np.multiply(plane, np.float32(1 / scale), dtype=np.float32)
        for plane, scale in zip(moved, scales, strict=True)
    ]


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> Floats:
    """Return column and row of each pixel, H x W x 2."""
    down, across = np.mgrid[:height, :width].astype(np.float32)
    return np.dstack([across, down])
