"""Calm video: what a fusion decides is carried from frame to frame, along with the motion.

Frame by frame, a network takes the infrared of a place in one frame and ignores it in the next,
because noise moves a value over its threshold. So two things are carried, at half the resolution:
how much of the fused picture comes in, and what the fusion adds to the visible picture. The pixels
of the visible picture are never mixed with those of another frame, and what is added differs by at
most `LIMIT` from what the frame alone would have: nothing is smeared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.buffers import Buffers
from piafusion.imaging.natural import Floats, Judgement, enlarge, reduce

HALF_LIFE = 0.12
"""Seconds after which half of a change of the decisions shows, where the sources are calm."""
MOVING = (30 / 255, 90 / 255)
"""Changes of a source since the decisions, behind the motion: up to the first one they change
slowly, from the second one on at once."""
LIMIT = 12 / 255
"""What the carried difference changes a pixel by, at most."""
EDGE = (10 / 255, 40 / 255)
"""The same for the infrared at half the resolution and the frame before."""
CUT = 40 / 255
"""Mean of these changes from which on the frame begins a new scene."""


@dataclass(frozen=True)
class Carried:
    """What a frame leaves to the next one.

    Attributes:
        grey: What moves in either source, small.
        half: How much of the fused picture came in, and the infrared picture, at half the
            resolution.
        small: Small planes: the infrared picture and the luminance that this was decided on, what
            was added to the luminance, and the result.
    """

    grey: NDArray[np.uint8]
    half: Sequence[Floats]
    small: Sequence[Floats]


class Calm:
    """Fuses the frames of one video, one after the other."""

    def __init__(self, rate: float) -> None:
        """Get ready for so many frames a second."""
        self._slow = np.float32(1 - 0.5 ** (1 / (HALF_LIFE * rate)))
        flow: Any = cv2  # its type stubs leave this function out
        self._flow = flow.DISOpticalFlow_create(flow.DISOPTICAL_FLOW_PRESET_FAST)
        self._buffers = Buffers()

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
            before: What the frame before left, if there is one.
            judgement: Of this frame.
            weights: Its weights at half the resolution: how much of the fused picture comes in.
                Their memory is used.
            heat: The infrared picture at half the resolution.
            luminance: Of the visible picture, H x W in [0, 1].
            fused: The complete fusion, the same size; its memory is used.
        """
        height, width = luminance.shape
        times = judgement.step // 2  # pixels between two of the small copies
        infrared, visible = judgement.seen
        grey = np.asarray(cv2.addWeighted(infrared, 127.5, visible, 127.5, 0), np.uint8)
        moved = None
        if before and (before.grey.shape, before.half[0].shape) == (grey.shape, heat.shape):
            moved = self._follow(before, grey, judgement.seen, weights, heat, times)
        fused -= luminance
        fused *= enlarge(weights, luminance.shape)
        added = reduce(fused, times).copy()  # of a small picture it is the same memory
        result = visible + added
        fused += luminance
        if moved:
            infrared, visible, old_added, old_result = moved
            # Toward what the frame before showed, never away from it: where the infrared replaces
            # a noisy luminance, an old difference would bring the noise back.
            most = np.clip(old_result - result, -LIMIT, LIMIT)
            change = (old_added - added) * (1 - self._slow)
            change = np.clip(change, np.minimum(most, 0), np.maximum(most, 0))
            result += change
            added += change
            size = (change.shape[0] * times, change.shape[1] * times)
            whole = self._buffers("change", size, np.float32)
            fused += cv2.resize(change, size[::-1], whole)[:height, :width]
        np.clip(fused, 0, 1, out=fused)
        return fused, Carried(grey, (weights, heat), (infrared, visible, added, result))

    def _follow(
        self,
        before: Carried,
        grey: NDArray[np.uint8],
        seen: Sequence[Floats],
        weights: Floats,
        heat: Floats,
        times: int,
    ) -> list[Floats] | None:
        """Bring the weights nearer to the carried ones, where these have moved to.

        Returns:
            The small planes to carry on, where they have moved to; None after a cut.
        """
        flow = self._flow.calc(grey, before.grey, None)
        small = _warp(before.small, flow)
        changes = [new - old for new, old in zip(seen, small, strict=False)]
        change = np.maximum(*map(np.abs, changes))
        if change.mean() > CUT:
            return None
        low, high = MOVING
        share = np.clip((change - low) / (high - low), 0, 1)
        share *= 1 - self._slow
        share += self._slow
        for old, change in zip(small, changes, strict=False):
            old += share * change
        height, width = weights.shape
        size = [-(-side * times // 2) for side in reversed(grey.shape)]
        flow = cv2.resize(flow * np.float32(times / 2), size)[:height, :width]
        old, old_heat = _warp(before.half, flow)
        # The edges of warm things stay sharp: there the weights are those of the frame.
        low, high = EDGE
        old_heat -= heat
        edge = np.abs(old_heat, out=old_heat)
        edge -= low
        edge *= np.float32(1 / (high - low))
        share = np.minimum(np.maximum(edge, cv2.resize(share, size)[:height, :width], out=edge), 1)
        weights -= old
        weights *= share
        weights += old
        return small


def _warp(planes: Sequence[Floats], flow: Floats) -> list[Floats]:
    """Return planes where the flow, from the new frame to the old one, finds them."""
    height, width = flow.shape[:2]
    across = flow[..., 0] + np.arange(width, dtype=np.float32)
    down = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    moved = (
        cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in planes
    )
    return [np.asarray(plane, np.float32) for plane in moved]
