"""The natural picture: how much of the complete fusion comes in, place by place.

A fusion network answers as if every place were dark: all of the infrared that is brighter comes in.
Its context network sees a small copy of the whole pair and judges where that is wanted: where the
visible picture shows too little, and where something is alive and warm. From both follows, for each
pixel, the share of the fused picture that comes in; targets by day get more than all of it, so that
they stand out. One number sets how much: the strength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.imaging.strips import Strips

Floats = NDArray[np.float32]

NATURAL = 0.5
"""The strength of the natural picture."""
HOT, GAIN = 0.6, 1.9
"""The weight of a target that the infrared shows white, which so keeps its clothes, and how much
more a black one takes."""
TARGET_FACTOR, TARGET_SHIFT = 2.0, -0.3
LIGHT_FACTOR, LIGHT_SHIFT = 2.0, -0.3
"""Shifts and factors of the network's logits: more decided, and rather too little infrared by day
than too much. Chosen on the training pairs of MSRS and RoadScene."""
SMOOTH = 0.05
"""Deviation of the blur of the light, as a share of the longest side: it cuts nothing in two."""
FRAME = 8
"""Pixels of the small copy that its border is replicated by: zeros would be seen as a frame."""
UNIT = 16
"""Pixels of the small copy in a step of the context network's coarsest layer."""


def check_strength(strength: float | None) -> float | None:
    """Return a strength that can be used, or None for the model's own.

    Raises:
        UsageError: If it is no number from 0 to 1.
    """
    if strength is not None and not 0 <= strength <= 1:
        raise UsageError(
            f"strength: expected a number from 0 (the visible picture) to 1 (all of the infrared "
            f"that is brighter), found {strength:g}; {NATURAL:g} is the natural picture"
        )
    return strength


def parse_strength(text: str) -> float:
    """Return the strength that a text gives.

    Raises:
        UsageError: If it is no number from 0 to 1.
    """
    try:
        strength = float(text)
    except ValueError:
        strength = math.nan
    check_strength(strength)
    return strength


@dataclass(frozen=True)
class Judgement:
    """The answer of the context network for a whole picture, on a coarse grid.

    Attributes:
        maps: 3 x h x w: steepness and height of the threshold on the infrared, above which it
            shows a target, and the probability that the visible picture is of no use.
        step: Pixels of the picture, an even number, between two values of the maps.
        seen: The small copies of infrared and luminance that were judged, of twice that grid.
    """

    maps: Floats
    step: int
    seen: Sequence[Floats] = ()

    def enlarged(self, height: int, width: int, rows: int = 0, columns: int = 0) -> list[Floats]:
        """Return the three maps of a part of the picture at half its resolution."""
        times = self.step // 2
        top, left, height, width = rows // 2, columns // 2, -(-height // 2), -(-width // 2)
        first = [max(start // times - 1, 0) for start in (top, left)]
        last = [(start + size) // times + 2 for start, size in ((top, height), (left, width))]
        part = self.maps[:, first[0] : last[0], first[1] : last[1]]
        size = (part.shape[2] * times, part.shape[1] * times)
        down, across = top - first[0] * times, left - first[1] * times
        return [
            np.asarray(cv2.resize(plane, size)[down : down + height, across : across + width])
            for plane in part
        ]


def weigh(
    judgement: Judgement,
    infrared: Floats,
    strength: float,
    rows: slice,
    start: tuple[int, int] = (0, 0),
) -> Floats:
    """Return how much of the fused picture comes into some rows.

    Args:
        judgement: The judgement of the whole picture.
        infrared: A part of the picture, H x W in [0, 1].
        strength: In [0, 1].
        rows: Rows of this part; from an even row on, to another one or the last.
        start: Rows above the part and columns left of it.

    Returns:
        Values from 0 to 2.5. They rise with the strength: from 0 over the natural share at 0.5
        to 1, or to the natural share where it is more.
    """
    # The last step mixes two rows.
    first, last = max(rows.start - 2, 0), min(rows.stop + 2, len(infrared))
    seen = infrared[first:last]
    maps = judgement.enlarged(len(seen), seen.shape[1], start[0] + first, start[1])
    share = half_weights(maps, reduce(seen, 2), strength)
    return enlarge(share, infrared.shape)[rows.start - first : rows.stop - first]


def half_weights(maps: list[Floats], heat: Floats, strength: float) -> Floats:
    """Return the weights at half the resolution.

    Args:
        maps: As `Judgement.enlarged` returns them.
        heat: The infrared at that resolution; its memory is used.
        strength: In [0, 1].
    """
    steepness, threshold, dark = maps
    share = np.multiply(steepness, heat)  # in place: new memory costs more than the sums
    share += threshold
    np.exp(np.negative(share, out=share), out=share)
    share += 1
    heat *= -GAIN
    heat += HOT + GAIN
    np.divide(heat, share, out=share)  # of a target: a sigmoid times its boost
    np.subtract(1, share, out=heat)
    heat *= dark
    share += heat
    if strength < NATURAL:
        share *= np.float32(strength / NATURAL)
    elif strength > NATURAL:
        rest = np.float32((strength - NATURAL) / (1 - NATURAL))
        share = np.maximum(share, share + rest * (1 - share))
    return np.asarray(share, np.float32)


def enlarge(share: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a plane of half the resolution at that of a picture, at most H x W."""
    size = (2 * share.shape[1], 2 * share.shape[0])
    return np.asarray(cv2.resize(share, size)[: shape[0], : shape[1]], np.float32)


class Judge(Protocol):
    """Runs a context network, as an engine does."""

    @property
    def context_side(self) -> int | None: ...  # noqa: D102

    def judge(self, thumbnails: Floats) -> Floats: ...  # noqa: D102


def judge(
    engine: Judge,
    shape: tuple[int, int],
    read: Callable[[slice], tuple[Floats, Floats]],
    strips: Strips,
) -> Judgement | None:
    """Let the model's context network judge a whole picture; None if it has none.

    Args:
        engine: Runs the network on a small copy.
        shape: Height and width of the picture.
        read: Returns some rows of the infrared picture and of the luminance, in [0, 1].
        strips: Calls `read`, with more than one thread if it may.
    """
    if engine.context_side is None:
        return None
    factor = max(1, math.ceil(max(shape) / engine.context_side))
    small = strips(lambda rows: [reduce(plane, factor) for plane in read(rows)], shape, factor)
    planes = [np.concatenate(parts) for parts in zip(*small, strict=True)]
    height, width = planes[0].shape
    below, beside = (-(length + 2 * FRAME) % UNIT + FRAME for length in (height, width))
    framed = [
        cv2.copyMakeBorder(plane, FRAME, below, FRAME, beside, cv2.BORDER_REPLICATE)
        for plane in planes
    ]
    answer = engine.judge(np.stack(framed)[None].astype(np.float32, copy=False))[0]
    inner = (
        slice(FRAME // 2, FRAME // 2 + -(-height // 2)),
        slice(FRAME // 2, FRAME // 2 + -(-width // 2)),
    )
    steepness, height, light = answer[(slice(None), *inner)]
    dark = _smooth(1 / (1 + np.exp(-LIGHT_FACTOR * (light + LIGHT_SHIFT))))
    maps = [TARGET_FACTOR * steepness, TARGET_FACTOR * (height + TARGET_SHIFT), dark]
    return Judgement(np.stack(maps).astype(np.float32), 2 * factor, planes)


def _smooth(plane: Floats) -> Floats:
    """Blur a map widely, at a quarter of its size, which is quick."""
    height, width = plane.shape
    small = reduce(plane, 4)
    sigma, size = SMOOTH * max(small.shape), (4 * small.shape[1], 4 * small.shape[0])
    blurred = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(blurred, size)[:height, :width], np.float32)


def reduce(plane: Floats, factor: int) -> Floats:
    """Return the means of blocks of `factor` x `factor` pixels; the border is replicated."""
    if factor == 1:
        return plane
    height, width = plane.shape
    if height % factor or width % factor:
        below, beside = -height % factor, -width % factor
        framed = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REPLICATE)
        plane = np.asarray(framed, np.float32)
    size = (plane.shape[1] // factor, plane.shape[0] // factor)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def blend(fused: Floats, luminance: Floats, weights: Floats) -> Floats:
    """Return the luminance with so much of the fused picture in it, H x W in [0, 1].

    Args:
        fused: The complete fusion, H x W in [0, 1]; its memory is used.
        luminance: The luminance of the visible picture, the same size.
        weights: How much of the fused picture comes in, the same size.
    """
    fused -= luminance
    fused *= weights
    fused += luminance
    return np.clip(fused, 0, 1, out=fused)
