"""What is done for one pair, in a worker's thread: decode, align, fuse, score, encode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from piafusion.errors import MissingExtraError, TooSmallError
from piafusion.fuser import MIN_SIDE, Fuser, Image
from piafusion.illumination import MIN_SIDE as LIGHT_SIDE
from piafusion.illumination import Illumination, Light
from piafusion.imaging.align import Alignment, estimate_alignment
from piafusion.imaging.arrays import check_minimum, check_same_size, to_uint8, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import encode_image
from piafusion.imaging.tiling import Floats
from piafusion.imaging.tone import AnyTone
from piafusion.imaging.tone_curve import InfraredRange
from piafusion.metrics import evaluate
from piafusion.server.decoding import Decoders
from piafusion.server.problems import Problem
from piafusion.server.settings import MEGAPIXEL, Settings
from piafusion.server.shelf import Shelf

Format = Literal["png", "jpeg", "tiff", "webp"]
Shown = Literal["fused", "infrared", "visible"]

_LIGHT_PIXELS = 320 * 240  # day or night shows in a reduced picture too, in a fifth of the time
_MOST_SCORED = 8  # megapixels; the metrics need several times the memory of fusing


@dataclass(frozen=True)
class Order:
    """What a request asks for, checked.

    Attributes:
        name: Of the model or method.
        tone: How raw infrared values become grey.
        alignment: Of the rig; "auto" estimates it from the pair itself.
        format: Of the answer.
        shown: The fused picture, or one of the two as it was fused.
        metrics: Names of what the fused picture is scored by.
    """

    name: str
    tone: AnyTone
    alignment: Alignment | Literal["auto"] | None = None
    format: Format = "png"
    shown: Shown = "fused"
    metrics: tuple[str, ...] = ()


@dataclass
class Answer:
    """What became of a pair.

    Attributes:
        content: The picture's file.
        width: In pixels.
        height: In pixels.
        tone: The range of infrared values that was used.
        light: Day or night; None for pictures below 16 x 16 pixels.
        alignment: What was applied.
        metrics: Scores by name.
        seconds: For each step.
    """

    content: memoryview
    width: int
    height: int
    tone: InfraredRange
    light: Light | None
    alignment: Alignment | None
    metrics: dict[str, float]
    seconds: dict[str, float]


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start


class Workshop:
    """Does orders; safe for threads."""

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        """Load what judges the light, and the fuser that is asked for most."""
        self._settings = settings
        self._shelf = shelf
        self._decoders = Decoders(settings)
        self._light = Illumination(device=settings.device, threads=1)
        shelf.get(shelf.default)

    def start(self) -> None:
        """Start the processes that decode."""
        self._decoders.start()

    def close(self) -> None:
        """End them; to be called when nothing is fused any more."""
        self._decoders.close()

    def fuse(self, infrared: bytes, visible: bytes, order: Order, names: tuple[str, str]) -> Answer:
        """Do one order.

        Args:
            infrared: The file's bytes.
            visible: Likewise.
            order: What to do.
            names: What errors call the two.

        Raises:
            PiafusionError: If a picture cannot be used.
            Problem: If one is too large or of another type.
        """
        clock = _Clock()
        with clock("decode"):
            ir, vi = self._decode(infrared, visible, order, names)
        fuser, pace = self._shelf.get(order.name)
        pixels = vi.shape[0] * vi.shape[1]
        self._shelf.check_time(order.name, pixels, self._settings.timeout)
        rig = order.alignment
        if rig == "auto":
            with clock("align"):
                rig = estimate_alignment([(order.tone(ir)[0], vi)])
        fuser = fuser.adjusted(order.tone, rig)
        if order.shown != "fused":
            return self._show(ir, vi, fuser, order, clock)
        with clock("light"):
            light = self._judge(vi)
        with clock("fuse"):
            fused = fuser.fuse(ir, vi)
        pace.learn(pixels, clock.seconds["fuse"])
        scores = {}
        if order.metrics:
            with clock("score"):
                scores = _score(_seen(ir, vi, fuser)[0], vi, fused.image, order.metrics)
        with clock("encode"):
            content = encode_image(fused.image, f".{order.format}", name="fused")
        height, width = vi.shape[:2]
        return Answer(content, width, height, fused.tone, light, rig, scores, clock.seconds)

    def _decode(
        self, infrared: bytes, visible: bytes, order: Order, names: tuple[str, str]
    ) -> tuple[Image, Image]:
        try:
            ir = self._decoders.infrared(infrared, names[0], order.tone.check)
        except MissingExtraError as error:
            raise Problem(415, "missing-extra", str(error)) from error
        vi = self._decoders.visible(visible, names[1])
        if order.alignment is None:
            check_same_size(ir, vi, names)
        check_minimum(ir, MIN_SIDE, names[0])
        check_minimum(vi, MIN_SIDE, names[1])
        return ir, vi

    def _judge(self, vi: Image) -> Light | None:
        """Tell day from night; a large picture is reduced first."""
        height, width = vi.shape[:2]
        if min(height, width) < LIGHT_SIDE:
            return None
        shrink = (height * width / _LIGHT_PIXELS) ** 0.5
        small = max(LIGHT_SIDE, int(width / shrink)), max(LIGHT_SIDE, int(height / shrink))
        if shrink > 1:
            vi = np.asarray(cv2.resize(vi, small, interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]
            vi = np.clip(vi, 0, 1) if vi.dtype.kind == "f" else vi
        return self._light(vi)

    def _show(self, ir: Image, vi: Image, fuser: Fuser, order: Order, clock: _Clock) -> Answer:
        """Return one of the two pictures as it is fused, in 8 bits."""
        with clock("decode"):
            if order.shown == "infrared":
                unit, tone = _seen(ir, vi, fuser)
            else:
                unit, tone = to_unit(vi), fuser.tone(ir)[1]
        with clock("encode"):
            content = encode_image(to_uint8(unit), f".{order.format}")
        height, width = unit.shape[:2]
        return Answer(content, width, height, tone, None, fuser.alignment, {}, clock.seconds)


def _seen(ir: Image, vi: Image, fuser: Fuser) -> tuple[Floats, InfraredRange]:
    """Return the infrared picture as the network sees it, float32 in [0, 1], and its range."""
    heat, tone = fuser.tone(ir)
    if fuser.alignment:
        heat = fuser.alignment.warp_onto(heat, luminance(to_unit(vi)))
    return heat, tone


def _score(
    infrared: Image, visible: Image, fused: Image, names: tuple[str, ...]
) -> dict[str, float]:
    """Score a picture; metrics for which it is too small are left out."""
    if fused.shape[0] * fused.shape[1] > _MOST_SCORED * MEGAPIXEL:
        raise Problem(
            413,
            "too-many-pixels",
            f"expected at most {_MOST_SCORED} megapixels to score, found "
            f"{fused.shape[1]}x{fused.shape[0]}; ask for no metrics",
        )
    try:
        return evaluate(infrared, visible, fused, names)
    except TooSmallError as error:
        rest = [name for name in names if name not in error.metrics]
        return evaluate(infrared, visible, fused, rest) if rest else {}
