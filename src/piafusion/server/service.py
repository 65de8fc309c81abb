"""One pair from files to file, in a worker's thread: decode, align, fuse, score, encode."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np

from piafusion.errors import MissingExtraError, TooSmallError, UsageError
from piafusion.fuser import Fused, Fuser
from piafusion.illumination import MIN_SIDE as LIGHT_SIDE
from piafusion.illumination import Illumination, Light
from piafusion.imaging.align import Alignment, Local
from piafusion.imaging.arrays import Image, check_minimum, check_same_size, to_uint8, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import decode_infrared, decode_visible, encode_image
from piafusion.imaging.metadata import decode_metadata
from piafusion.imaging.photos import estimate_told, place, tone_for
from piafusion.imaging.tiling import Floats
from piafusion.imaging.tone import Full, Tone, show_visible
from piafusion.imaging.tone_curve import InfraredRange, filled_like
from piafusion.imaging.views import Seen, View, on_grid
from piafusion.metrics import evaluate
from piafusion.server.decoding import Decoders, refuse_large
from piafusion.server.fusers import FuserCache
from piafusion.server.kept import KeptPair, RememberingEngine
from piafusion.server.problems import HttpProblem
from piafusion.server.settings import MEGAPIXEL, ServerSettings
from piafusion.steps import MIN_SIDE, onto

Format = Literal["png", "jpeg", "tiff", "webp"]
ShownPicture = Literal["fused", "preview", "infrared", "visible", "values", "bar"]

_LIGHT_PIXELS = 320 * 240  # a reduced picture also shows day or night, in a fifth of the time
_MOST_SCORED = 8  # megapixels; the metrics need several times the memory of fusing


@dataclass(frozen=True)
class FusionRequest:
    """A request for a fused picture, checked.

    Attributes:
        name: Name of the model or method.
        tone: How raw infrared values become grey.
        alignment: Alignment of the two cameras; "auto" estimates it from the pair itself.
        format: Format of the picture that is sent back.
        shown: The view, as it is or in 8 bits (`preview`); one of the two pictures as it was
            fused; values of the infrared; or the view's colour bar.
        metrics: Metrics to score the fused picture with.
        visible_tone: The range of visible values that becomes black to white.
        keep_metadata: Whether place, time, camera and colour profile of the visible file are kept.
        view: The picture to draw.
        unit: The unit of the infrared values: "°C", or "" if it is not known.
        strength: How much infrared comes in; None is the model's own.
        local: Whether near things are shifted on top of the alignment.
        fov: Horizontal fields of view of the infrared and the visible camera, in degrees, if known.
    """

    name: str
    tone: Tone
    alignment: Alignment | Literal["auto"] | None = None
    format: Format = "png"
    shown: ShownPicture = "fused"
    metrics: tuple[str, ...] = ()
    visible_tone: Tone = Full()  # noqa: RUF009 - it is frozen
    keep_metadata: bool = True
    view: View = View()  # noqa: RUF009
    unit: str = ""
    strength: float | None = None
    local: bool = False
    fov: tuple[float, float] | None = None


@dataclass
class FusionResult:
    """The result for a pair.

    Attributes:
        content: The file of the picture.
        width: Width in pixels.
        height: Height in pixels.
        tone: The range of infrared values that was used.
        light: Day or night; None for pictures below 16 x 16 pixels.
        alignment: The alignment that was applied.
        metrics: Scores by name.
        seconds: Time of each step.
        unit: As in the request.
        strength: The strength of the picture; None if the model has none.
    """

    content: memoryview
    width: int
    height: int
    tone: InfraredRange
    light: Light | None
    alignment: Alignment | None
    metrics: dict[str, float]
    seconds: dict[str, float]
    unit: str = ""
    strength: float | None = None


@dataclass
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start


class FusionService:
    """Fuses the pairs of requests; safe for threads."""

    def __init__(self, settings: ServerSettings, fusers: FuserCache) -> None:
        """Load the day or night network, and the fuser of the default model."""
        self._settings = settings
        self._fusers = fusers
        self._decoders = Decoders(settings)
        self._light = Illumination(device=settings.device, threads=1)
        fusers.get(fusers.default)

    def start(self) -> None:
        """Start the processes that decode."""
        self._decoders.start()

    def close(self) -> None:
        """End these processes; to be called when nothing is fused any more."""
        self._decoders.close()

    def fuse(self, pair: KeptPair, wanted: FusionRequest, names: tuple[str, str]) -> FusionResult:
        """Fuse one pair for a request, or a photo that holds both.

        Steps whose settings are those of the last request for this pair are not taken again.
        `names` are those of the two files in errors.

        Raises:
            PiafusionError: If a picture cannot be used, or both are one.
            HttpProblem: If one is too large or of another type.
        """
        clock, (infrared, visible) = _Stopwatch(), (pair.infrared, pair.visible)
        looks: tuple[Hashable, ...] = wanted.tone, wanted.visible_tone
        with clock("decode"):
            if visible is None:
                ir, vi, found = pair.once(
                    "decode",
                    (*looks, wanted.alignment),
                    lambda: self._decode_photo(infrared, wanted, names[0]),
                )
                wanted = replace(
                    wanted, tone=found.tone, alignment=found.alignment, unit=found.unit
                )
            else:
                ir, vi = pair.once(
                    "decode", looks, lambda: self._decode(infrared, visible, wanted, names)
                )
                if wanted.alignment is None:
                    check_same_size(ir, vi, names)
                check_minimum(ir, MIN_SIDE, names[0])
                check_minimum(vi, MIN_SIDE, names[1])
        if infrared == visible:
            raise UsageError(
                f"{names[1]}: expected an infrared and a visible picture, found one file for both; "
                "send two"
            )
        fuser, speed = self._fusers.get(wanted.name)
        pixels = pair.pixels = vi.shape[0] * vi.shape[1]
        self._fusers.check_time(wanted.name, pixels, self._settings.timeout)
        rig: Alignment | None = None
        if wanted.alignment == "auto":
            with clock("align"):
                rig = pair.once(
                    "align",
                    (*looks, wanted.fov),
                    lambda: estimate_told(
                        [(wanted.tone(ir)[0], vi)], (infrared, visible or infrared), fov=wanted.fov
                    ),
                )
        else:
            rig = wanted.alignment
        if wanted.local:
            with clock("local"):
                whole, levels = rig, wanted.tone(ir)[0]
                rig = pair.once("local", (*looks, whole), lambda: Local()(levels, vi, whole))
        fuser = fuser.adjusted(wanted.tone, rig, strength=wanted.strength)
        if pair.stays:
            engine = fuser.engine
            fuser.engine = pair.once("engine", wanted.name, lambda: RememberingEngine(engine))
        if wanted.shown not in ("fused", "preview"):
            return self._show(ir, vi, fuser, wanted, clock)
        with clock("light"):
            light = pair.once("light", looks, lambda: self._judge(np.ma.getdata(vi)))
        settings: tuple[Hashable, ...] = *looks, wanted.name, rig, wanted.strength

        def fuse() -> Fused:
            started = time.perf_counter()
            result = fuser.fuse_checked(ir, vi)
            speed.learn(pixels, time.perf_counter() - started)
            return result

        with clock("fuse"):
            fused = pair.once("fuse", settings, fuse)
        scores = {}
        if wanted.metrics:
            with clock("score"):
                seen = _seen(ir, vi, fuser)[0]
                scores = pair.once(
                    "score",
                    (*settings, wanted.metrics),
                    lambda: _score(seen, np.ma.getdata(vi), fused.image, wanted.metrics),
                )
        picture = filled_like(fused.image, vi)
        if not wanted.view.plain:
            with clock("view"):
                both = np.ma.getdata(vi), fuser.tone(ir)[0]
                picture = wanted.view(Seen(*both, picture, ir, fuser.alignment, wanted.unit))
        if wanted.shown == "preview":
            picture = to_uint8(to_unit(picture))
        with clock("encode"):
            said = decode_metadata(visible or infrared)
            said = said if wanted.keep_metadata else said.stripped()
            content = encode_image(picture, f".{wanted.format}", "fused", said)
        height, width = picture.shape[:2] if picture.ndim < 4 else picture.shape[1:3]
        return FusionResult(
            content,
            width,
            height,
            fuser.advised(fused.tone, ir, vi),
            light,
            rig,
            scores,
            clock.seconds,
            wanted.unit,
            fuser.strength,
        )

    def _decode(
        self, infrared: bytes, visible: bytes, wanted: FusionRequest, names: tuple[str, str]
    ) -> tuple[Image, Image]:
        try:
            ir = self._decoders.decode(decode_infrared, infrared, names[0], wanted.tone.check)
        except MissingExtraError as error:
            raise HttpProblem(415, "missing-extra", str(error)) from error
        show = partial(show_visible, tone=wanted.visible_tone)
        return ir, self._decoders.decode(decode_visible, visible, names[1], show)

    def _decode_photo(
        self, data: bytes, wanted: FusionRequest, name: str
    ) -> tuple[Image, Image, FusionRequest]:
        """Return the pictures of a photo, and the request with a tone and an alignment for it."""
        try:
            photo = self._decoders.photo(data, name)
        except MissingExtraError as error:
            raise HttpProblem(415, "missing-extra", str(error)) from error
        ir, vi = photo.both()
        vi = show_visible(vi, wanted.visible_tone)
        refuse_large(vi.shape[1], vi.shape[0], name, self._settings.max_megapixels)
        tone = tone_for(photo, wanted.tone)
        ir = tone.check(ir)
        check_minimum(ir, MIN_SIDE, name)
        check_minimum(vi, MIN_SIDE, name)
        rig = wanted.alignment or place(photo, tone(ir)[0])[0]
        unit = "°C" if photo.unit == "celsius" else ""
        return ir, vi, replace(wanted, tone=tone, alignment=rig, unit=unit)

    def _judge(self, vi: Image) -> Light | None:
        """Return the day or night probability; a large picture is reduced first."""
        height, width = vi.shape[:2]
        if min(height, width) < LIGHT_SIDE:
            return None
        shrink = (height * width / _LIGHT_PIXELS) ** 0.5
        small = max(LIGHT_SIDE, int(width / shrink)), max(LIGHT_SIDE, int(height / shrink))
        if shrink > 1:
            vi = np.asarray(cv2.resize(vi, small, interpolation=cv2.INTER_AREA))
            vi = np.clip(vi, 0, 1) if vi.dtype.kind == "f" else vi
        return self._light(vi)

    def _show(
        self, ir: Image, vi: Image, fuser: Fuser, wanted: FusionRequest, clock: _Stopwatch
    ) -> FusionResult:
        """Return one of the two pictures as it is fused, in 8 bits, or the infrared's values."""
        rig, height, width = fuser.alignment, *vi.shape[:2]
        if wanted.shown == "values":
            tone = fuser.tone(ir)[1]
            values = on_grid(ir, (height, width), rig).astype("<f4")
            content = memoryview(values.tobytes())
        else:
            thermal, tone = _seen(ir, vi, fuser)
            with clock("view"):
                if wanted.shown == "infrared":
                    picture = to_uint8(thermal)
                elif wanted.shown == "visible":
                    picture = to_uint8(to_unit(np.ma.filled(vi)))
                else:
                    shown = np.ma.getdata(vi)
                    seen = Seen(shown, fuser.tone(ir)[0], shown, ir, rig, wanted.unit)
                    picture = wanted.view.draw_bar(seen)
            with clock("encode"):
                content = encode_image(picture, f".{wanted.format}")
                height, width = picture.shape[:2]
        tone = fuser.advised(tone, ir, vi)
        return FusionResult(content, width, height, tone, None, rig, {}, clock.seconds, wanted.unit)


def _seen(ir: Image, vi: Image, fuser: Fuser) -> tuple[Floats, InfraredRange]:
    """Return the infrared picture as the network sees it, float32 in [0, 1], and its range."""
    infrared, tone = fuser.tone(ir)
    return onto(infrared, luminance(to_unit(np.ma.getdata(vi))), fuser.alignment), tone


def _score(
    infrared: Image, visible: Image, fused: Image, names: tuple[str, ...]
) -> dict[str, float]:
    """Score a picture; metrics for which it is too small are left out."""
    if fused.shape[0] * fused.shape[1] > _MOST_SCORED * MEGAPIXEL:
        raise HttpProblem(
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
