"""Tones map raw infrared values, counts or degrees, to [0, 1] (`docs/thermal.md`).

A tone is a small frozen object that a text names: `full`, `percentile:1,99`, `span:20,40`,
`plateau:4` or `clahe:2`. Those that are one line over the whole picture also serve for a visible
picture whose values fill a part of its dtype (`bits:12`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.arrays import (
    Image,
    as_raw_infrared,
    as_raw_visible,
    as_visible,
    from_unit,
    full_scale,
    to_uint8,
    to_unit,
)
from piafusion.imaging.palettes import check_name
from piafusion.imaging.tone_curve import (
    InfraredRange,
    Levels,
    ToneCurve,
    fill_dead,
    masked_like,
    percentiles,
    sample,
)

_BINS, _LEVELS = 1024, 16385  # bins of the plateau histogram, levels of its curve
_LEAST, _MOST = 1e-300, 1e300  # ranges that can be cut into bins
_SMALL_PART = 1 / 8  # of 16 bits: counts of 12 bits fill less, a picture scaled for display more
_MOST_PIXELS = 0.5  # that may be black or white
_LOOK = 8_000  # pixels that are enough to see either
_SMALL = (72, 54)  # width and height of the copy on which hot and cold are told apart
_TOP, _GROUND = slice(0, 11), slice(27, None)  # rows of it
_TURNED = 1.5  # no picture of a right polarity that we have reaches 1

POLARITIES = ("white-hot", "black-hot")


@dataclass(frozen=True)
class Tone(ABC):
    """Turns raw infrared pictures into float32 [0, 1].

    >>> shown, found = Percentile(0, 100)(np.array([[-20.0, 30.0], [np.nan, 80.0]]))
    >>> shown.tolist(), found
    ([[0.0, 0.5], [0.0, 1.0]], InfraredRange(low=-20.0, high=80.0, filled=1))
    """

    @property
    def one_curve(self) -> bool:
        """Whether equal values become equal levels all over the picture."""
        return True

    def check(self, infrared: Image) -> Image:
        """Check a raw picture and return it as H x W, its dtype unchanged.

        Args:
            infrared: H x W, H x W x 1 or H x W x 3 with equal channels; integers or floats.

        Raises:
            ImageError: If shape or dtype are anything else, or no value is finite.
        """
        image = as_raw_infrared(infrared)
        if image.dtype.kind == "f" and not np.isfinite(image).any():
            raise ImageError("expected infrared values, found only NaN or infinite ones")
        return image

    def __call__(self, infrared: Image, out: Levels | None = None) -> tuple[Levels, InfraredRange]:
        """Return float32 [0, 1], H x W, and the range that was chosen.

        Args:
            infrared: H x W, as `check` returns it.
            out: Float32 array of that shape that may be used for the result.
        """
        return self.render(infrared, self.measure(infrared), out)

    @abstractmethod
    def measure(self, infrared: Image) -> ToneCurve:
        """Return the curve for a picture, as `check` returns it; NaN is passed over."""

    def render(
        self, infrared: Image, curve: ToneCurve, out: Levels | None = None
    ) -> tuple[Levels, InfraredRange]:
        """Apply a curve; arguments and results are those of a call."""
        frame, filled = fill_dead(infrared)
        found = InfraredRange(curve.low, curve.high, filled)
        return masked_like(curve(np.ma.getdata(frame), out), frame), found

    def advise(self, infrared: Image) -> str:
        """Return a line that names a better tone or polarity for a picture, or ""."""
        return self.advise_range(infrared) or _advise_polarity(infrared)

    def advise_range(self, infrared: Image) -> str:
        """Return a line that names a better tone if this one shows little of a picture, or ""."""
        del infrared
        return ""


@dataclass(frozen=True)
class Full(Tone):
    """All of the dtype's range: 255, 65535 or, for floats, 1 is white. Nothing is measured."""

    def __str__(self) -> str:
        return "full"

    def check(self, infrared: Image) -> Image:
        """Check as every tone does; the dtype must also tell the range, and values lie in it."""
        image = as_raw_infrared(infrared)
        if image.dtype in (np.uint8, np.uint16):
            return image
        found = f"found {image.dtype}"
        if image.dtype.kind == "f":
            low, high = float(image.min()), float(image.max())  # either is NaN if any value is
            if 0 <= low <= high <= 1:
                return image
            dead = int(np.count_nonzero(~np.isfinite(image)))
            found = f"found {dead} NaN or infinite" if dead else f"found {low:g} to {high:g}"
        raise ImageError(
            f"expected uint8, uint16 or floats in [0, 1] for the tone full, {found}; "
            "choose a range, for example with --tone percentile"
        )

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the line over the dtype's range."""
        return ToneCurve(0.0, float(full_scale(infrared.dtype)))

    def advise_range(self, infrared: Image) -> str:
        """Tell raw counts, which fill a small part of 16 bits."""
        if infrared.dtype != np.uint16:
            return ""
        low, high = percentiles(_some(infrared), (1, 99))
        share = (high - low) / 65535
        if not 0 < share < _SMALL_PART:  # a flat picture gains nothing
            return ""
        return (
            f"the infrared values, {low:g} to {high:g}, fill {share:.1%} of 16 bits and come out "
            "nearly alike; spread them with --tone percentile"
        )

    def render(
        self, infrared: Image, curve: ToneCurve, out: Levels | None = None
    ) -> tuple[Levels, InfraredRange]:
        """Scale by the dtype's range."""
        frame, filled = fill_dead(infrared) if np.ma.isMaskedArray(infrared) else (infrared, 0)
        shown = to_unit(np.ma.getdata(frame), out)
        return masked_like(shown, frame), InfraredRange(curve.low, curve.high, filled)


@dataclass(frozen=True)
class Percentile(Tone):
    """A straight line between two percentiles of the picture's values."""

    low: float = 1
    high: float = 99

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise UsageError(
                f"expected percentiles 0 <= LOW < HIGH <= 100, found {self.low:g} and {self.high:g}"
            )

    def __str__(self) -> str:
        return f"percentile:{self.low:g},{self.high:g}"

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the line between the picture's percentiles."""
        return ToneCurve(*percentiles(sample(infrared), (self.low, self.high)))


@dataclass(frozen=True)
class Span(Tone):
    """A straight line between two given values, in counts or degrees as the file holds them."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low < self.high < np.inf:
            raise UsageError(
                f"expected a span with LOW < HIGH, found {self.low:g} and {self.high:g}"
            )

    def __str__(self) -> str:
        return f"span:{self.low:g},{self.high:g}"

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the line, the same for every picture."""
        del infrared
        return ToneCurve(self.low, self.high)

    def advise_range(self, infrared: Image) -> str:
        """Tell a span beside the values of the picture."""
        values = _some(infrared)
        outside = float(np.mean((values <= self.low) | (values >= self.high)))
        low, high = percentiles(values, (1, 99))
        if outside <= _MOST_PIXELS or low == high:
            return ""
        return (
            f"{self} makes {outside:.0%} of the pixels black or white, because the values go from "
            f"{low:g} to {high:g}; use --tone span:{low:.5g},{high:.5g} or percentile"
        )


@dataclass(frozen=True)
class Plateau(Tone):
    """Plateau histogram equalisation: grey levels go to the values that many pixels have.

    A bin of the histogram counts at most `limit` times what it would hold if all were equally
    full. 1 is nearly a straight line; without a limit a wide sky would take all levels.
    The histogram ends where the coldest and the hottest 0.1 % of the pixels begin.
    """

    limit: float = 3

    def __post_init__(self) -> None:
        if not 1 <= self.limit < np.inf:
            raise UsageError(f"expected a plateau limit of at least 1, found {self.limit:g}")

    def __str__(self) -> str:
        return f"plateau:{self.limit:g}"

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the cumulated, limited histogram of the picture."""
        values = sample(infrared)
        low, high = percentiles(values, (0.1, 99.9))
        if not _LEAST < high - low < _MOST:  # flat, or no bins can be told apart
            return ToneCurve(low, high)
        # Bins of integers hold the same number of levels each, or the curve would ripple.
        width = (high - low) / _BINS
        if values.dtype.kind != "f":
            low, high, width = math.floor(low), math.ceil(high), math.ceil(width)
        bins = math.floor((high - low) / width) + 1
        with np.errstate(over="ignore"):  # values that far outside go into the last bin
            place = np.rint((values.astype(np.float64) - low) / width)
            counts = np.bincount(np.clip(place, 0, bins - 1).astype(np.intp), minlength=bins)
            limited = np.minimum(counts, self.limit * counts.mean())
        reached = np.cumsum(limited)
        reached = (reached - reached[0]) / (reached[-1] - reached[0])
        levels = np.interp(np.linspace(0, bins - 1, _LEVELS), np.arange(bins), reached)
        return ToneCurve(float(low), float(low + (bins - 1) * width), levels.astype(np.float32))


@dataclass(frozen=True)
class Clahe(Tone):
    """Contrast-limited adaptive histogram equalisation, on 8 x 8 tiles, after percentiles.

    The curve then differs from place to place: equal temperatures may get different levels.
    The range is that of `Percentile()`. OpenCV spreads 16 bits over 65,536 bins for each tile,
    more than it has pixels, and the clip limit loses its meaning; so this works on 8 bits.
    """

    clip: float = 2

    def __post_init__(self) -> None:
        if not 0 < self.clip < np.inf:
            raise UsageError(f"expected a clip limit above 0, found {self.clip:g}")

    def __str__(self) -> str:
        return f"clahe:{self.clip:g}"

    @property
    def one_curve(self) -> bool:
        """Each place has its own."""
        return False

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the line between the percentiles, before the equalisation."""
        return Percentile().measure(infrared)

    def render(
        self, infrared: Image, curve: ToneCurve, out: Levels | None = None
    ) -> tuple[Levels, InfraredRange]:
        """Apply the line, then equalise each tile."""
        shown, found = super().render(infrared, curve, out)
        data = np.ma.getdata(shown)
        levels = cv2.createCLAHE(self.clip, (8, 8)).apply(to_uint8(data))
        return masked_like(np.multiply(levels, np.float32(1 / 255), out=data), shown), found


@dataclass(frozen=True)
class BlackHot(Tone):
    """Another tone for a camera that shows hot things dark: the levels are inverted after it.

    >>> BlackHot(Percentile(0, 100))(np.array([[10, 20, 30]]))[0].tolist()
    [[1.0, 0.5, 0.0]]
    """

    tone: Tone

    def __str__(self) -> str:
        return f"{self.tone} black-hot"

    @property
    def one_curve(self) -> bool:
        """As the other tone has it."""
        return self.tone.one_curve

    def advise(self, infrared: Image) -> str:
        """Return what the other tone advises about the range."""
        return self.tone.advise_range(infrared)

    def check(self, infrared: Image) -> Image:
        """Check as the other tone does."""
        return self.tone.check(infrared)

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the curve of the other tone."""
        return self.tone.measure(infrared)

    def render(
        self, infrared: Image, curve: ToneCurve, out: Levels | None = None
    ) -> tuple[Levels, InfraredRange]:
        """Apply the other tone and invert; low becomes 1, high 0."""
        shown, found = self.tone.render(infrared, curve, out)
        turned = np.subtract(np.float32(1), np.ma.getdata(shown), out=out)
        return masked_like(turned, shown), found


@dataclass(frozen=True)
class Painted(Tone):
    """Another tone for pictures in a false-colour palette: they are turned into levels first.

    Attributes:
        tone: The tone for the levels, 0 to 255.
        palette: A name of `piafusion.imaging.palettes`, or "auto".
    """

    tone: Tone
    palette: str = "auto"

    def __post_init__(self) -> None:
        check_name(self.palette)

    def __str__(self) -> str:
        return f"{self.tone} of palette {self.palette}"

    @property
    def one_curve(self) -> bool:
        """The palette, and what is painted over it, are looked for in the whole picture."""
        return False

    def check(self, infrared: Image) -> Image:
        """Turn a picture of three channels into levels, and check as the other tone does."""
        if isinstance(infrared, np.ndarray) and infrared.ndim == 3 and infrared.shape[2] == 3:
            mask = np.ma.getmaskarray(infrared).all(axis=2)
            from piafusion.imaging.false_colour import to_levels  # for palettes alone

            infrared = masked_like(to_levels(np.ma.getdata(infrared), self.palette), mask)
        return self.tone.check(infrared)

    def advise(self, infrared: Image) -> str:
        """Return what the other tone advises."""
        return self.tone.advise(infrared)

    def measure(self, infrared: Image) -> ToneCurve:
        """Return the curve of the other tone."""
        return self.tone.measure(infrared)

    def render(
        self, infrared: Image, curve: ToneCurve, out: Levels | None = None
    ) -> tuple[Levels, InfraredRange]:
        """Apply the other tone."""
        return self.tone.render(infrared, curve, out)


class SmoothedTone:
    """A tone for a video: the curve follows the frames slowly, so that the picture does not pump.

    Give it the frames in their order, to `Fuser(tone=SmoothedTone(...))` as to itself; each video
    needs its own. Low, high and, for `plateau`, the levels between them are filtered
    exponentially. A flat frame, as a closing shutter makes it, moves nothing. A frame whose range
    does not touch the one reached so far is a new scene and starts anew.

    >>> tone = SmoothedTone(Percentile(0, 100), half_life=1)
    >>> [tone(np.array([[0, high]]))[1].high for high in (100, 300, 300)]
    [100.0, 200.0, 250.0]
    """

    def __init__(self, tone: str | Tone, half_life: float) -> None:
        """Start before the first frame.

        Args:
            tone: A text as `parse_tone` takes it, or a tone.
            half_life: Frames after which half of a change has arrived; seconds times frame rate.

        Raises:
            UsageError: If the text names no tone or the half-life is not above 0.
        """
        if not half_life > 0:
            raise UsageError(f"expected a half-life above 0 frames, found {half_life:g}")
        self.tone = parse_tone(tone) if isinstance(tone, str) else tone
        self.check, self.advise = self.tone.check, self.tone.advise
        self._share = 1 - 0.5 ** (1 / half_life)
        self._curve: ToneCurve | None = None

    def __str__(self) -> str:
        return str(self.tone)

    def __call__(self, infrared: Image, out: Levels | None = None) -> tuple[Levels, InfraredRange]:
        """Return the next frame as float32 [0, 1], and the range; arguments as for a tone."""
        self._curve = self._follow(self.tone.measure(infrared))
        return self.tone.render(infrared, self._curve, out)

    def _follow(self, target: ToneCurve) -> ToneCurve:
        reached = self._curve
        if reached is None or reached.low == reached.high:
            return target
        if target.low == target.high:
            return reached
        if target.low > reached.high or target.high < reached.low:
            return target
        return reached.toward(target, self._share)


AnyTone = Tone | SmoothedTone


def _bits(count: float) -> Span:
    """Return the span of whole numbers of so many bits."""
    if count not in range(1, 33):
        raise UsageError(f"expected 1 to 32 bits, found {count:g}")
    return Span(0, 2 ** int(count) - 1)


# name -> how many numbers may follow
_TONES: dict[str, tuple[Callable[..., Tone], tuple[int, ...]]] = {
    "full": (Full, (0,)),
    "percentile": (Percentile, (0, 2)),
    "span": (Span, (2,)),
    "bits": (_bits, (1,)),
    "plateau": (Plateau, (0, 1)),
    "clahe": (Clahe, (0, 1)),
}


def as_tone(
    tone: str | AnyTone, polarity: str = "white-hot", palette: str | None = None
) -> AnyTone:
    """Return the tone that a text names; an object is returned as it is.

    Args:
        tone: A text as `parse_tone` takes it, or a tone.
        polarity: "white-hot", or "black-hot" for pictures in which hot things are dark.
        palette: For false-colour pictures: a palette's name, or "auto".

    Raises:
        UsageError: If there is no such tone, polarity or palette.
    """
    if isinstance(tone, str):
        return parse_tone(tone, polarity, palette)
    if not isinstance(tone, SmoothedTone):
        return _turned(tone, polarity, palette)
    if polarity != "white-hot" or palette:
        raise UsageError(
            "expected a tone of one picture for black-hot or a palette, found a SmoothedTone; "
            'smooth the whole: SmoothedTone(parse_tone("percentile", "black-hot"), half_life)'
        )
    return tone


def parse_visible_tone(spec: str) -> Tone:
    """Return the tone for visible pictures that a text names.

    Args:
        spec: `full`, `bits:COUNT`, `span:LOW,HIGH`, `percentile` or `percentile:LOW,HIGH`.

    Raises:
        UsageError: If it names another tone or its numbers cannot be used.
    """
    if spec.partition(":")[0] not in ("full", "bits", "span", "percentile"):
        raise UsageError(
            "expected a visible tone of full, bits:COUNT, span:LOW,HIGH or percentile:LOW,HIGH, "
            f"found {spec!r}"
        )
    return parse_tone(spec)


def advise_visible(visible: Image) -> str:
    """Return a line that names a range if a visible picture of 16 bits may have fewer, or ""."""
    most = int(visible.max()) if visible.dtype == np.uint16 else 0
    bits = next((bits for bits in (10, 12, 14) if 0 < most < 2**bits), None)
    if bits is None:
        return ""
    return (
        f"the brightest visible value is {most} of 65535; if the camera has {bits} bits, use "
        f"--visible-tone bits:{bits}"
    )


def show_visible(visible: Image, tone: Tone) -> Image:
    """Check a visible picture and bring it to its display range.

    Args:
        visible: H x W, H x W x 1 or H x W x 3 RGB; uint8, uint16 or float, which lies in [0, 1]
            if the tone is full.
        tone: One of `parse_visible_tone`.

    Returns:
        H x W or H x W x 3 in the same dtype, over all of its range: 255, 65535 or 1 is white.

    Raises:
        ImageError: If it is no such picture.
    """
    if isinstance(tone, Full):
        return as_visible(visible)
    image = as_raw_visible(visible)
    levels = np.ma.getdata(tone(np.ma.getdata(image))[0])
    return masked_like(from_unit(levels, image.dtype), image)


def parse_tone(spec: str, polarity: str = "white-hot", palette: str | None = None) -> Tone:
    """Return the tone that a text names.

    Args:
        spec: `full`, `percentile` or `percentile:LOW,HIGH`, `span:LOW,HIGH`, `bits:COUNT` (the
            span of whole numbers of so many bits), `plateau` or `plateau:LIMIT`, `clahe` or
            `clahe:CLIP`.
        polarity: "white-hot", or "black-hot" for pictures in which hot things are dark.
        palette: For false-colour pictures: a palette's name, or "auto".

    Raises:
        UsageError: If it names no tone, there is no such polarity or palette, or its numbers
            cannot be used.

    >>> (str(parse_tone("percentile")), parse_tone("span:-20,40"))
    ('percentile:1,99', Span(low=-20.0, high=40.0))
    """
    name, _, rest = spec.partition(":")
    tone, counts = _TONES.get(name, (None, ()))
    try:
        numbers = [float(number) for number in rest.split(",")] if rest else []
    except ValueError:
        tone = None
    if tone is None or len(numbers) not in counts:
        raise UsageError(
            "expected a tone of full, percentile:LOW,HIGH, span:LOW,HIGH, bits:COUNT, "
            f"plateau:LIMIT or clahe:CLIP, found {spec!r}"
        )
    return _turned(tone(*numbers), polarity, palette)


def _turned(tone: Tone, polarity: str, palette: str | None) -> Tone:
    if polarity not in POLARITIES:
        raise UsageError(f"expected a polarity of {' or '.join(POLARITIES)}, found {polarity!r}")
    turned = tone if polarity == "white-hot" else BlackHot(tone)
    return Painted(turned, palette) if palette else turned


def _advise_polarity(infrared: Image) -> str:
    """Return a line that names black-hot if a picture looks so, or "".

    Outdoors the sky is colder than the ground, and what stands out there (people, engines, lamps)
    is warmer. Counts and degrees rise with the heat, so only pictures of 8 bits are looked at.
    """
    if infrared.dtype != np.uint8 or infrared.ndim != 2:  # a tone of a visible picture, too
        return ""
    inner = tuple(  # without a frame; 16 pixels tell a mean well enough
        slice(side // 20, side - side // 20, max(1, side // (4 * few)))
        for side, few in zip(infrared.shape, _SMALL[::-1], strict=True)
    )
    seen = np.ascontiguousarray(np.ma.getdata(infrared)[inner])
    small = cv2.resize(seen, _SMALL, interpolation=cv2.INTER_AREA) / np.float32(255)
    ground = small[_GROUND]
    apart = ground - ground.mean()
    square = apart * apart
    skew = float(np.mean(square * apart)) / (float(np.mean(square)) ** 1.5 + 1e-6)
    if 5 * float(small[_TOP].mean() - ground.mean()) - skew < _TURNED:
        return ""
    return (
        "hot and cold look inverted, with a bright sky and dark things that stand out; if people "
        "and engines are dark in the infrared picture, use --polarity black-hot"
    )


def _some(image: Image) -> Image:
    """Return some finite values of a picture."""
    values = sample(image)
    return values[:: len(values) // _LOOK | 1]
