"""Views: the pictures of one pair that owners of thermal cameras know, beside the fused one.

A view is a small frozen object that a text names, as a tone is: `fused`, `edges:0.5`, `hot:95%`,
`isotherm:20..30,60..`. It draws a picture from what was seen (`Seen`). All but `fused` are colour
pictures of 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.imaging.align import Alignment
from piafusion.imaging.arrays import Image, to_rgb8
from piafusion.imaging.guided_filter import guided_filter
from piafusion.imaging.palettes import NAMES, palette
from piafusion.imaging.tone_curve import Levels, percentiles, sample

Picture = NDArray[np.uint8]
Paint = Callable[[Picture, Image], Picture]
"""Takes levels and the values that they stand for, and returns the colours, with one more axis."""

_RADIUS, _FLATNESS = 4, 0.01  # of the filter that finds the edges; pixels at a height of 480
_WARM = 0.35  # place in the palette of the coldest hot spot: dark ends look like shadows
_FRAME = 1 / 300  # width of the frame of an inset, of the picture's shorter side
_SOME = 30_000  # pixels that are enough to know the range of the values
_BANDS = 6  # of an isotherm view that names none


@dataclass(frozen=True)
class Seen:
    """One pair as it was seen.

    Attributes:
        visible: H x W or H x W x 3 RGB; uint8, uint16 or float in [0, 1].
        thermal: The infrared picture in [0, 1], float32, on its own pixels.
        fused: The shape and dtype of `visible`.
        raw: Degrees or counts as the infrared file has them, on its own pixels; masked where there
            are none.
        alignment: The place of the infrared on the visible picture, if they are not aligned.
        unit: The unit of the raw values: "°C", or "" if it is not known.
    """

    visible: Image
    thermal: Levels
    fused: Image
    raw: Image
    alignment: Alignment | None = None
    unit: str = ""

    @cached_property
    def levels(self) -> Picture:
        """The infrared picture in 8 bits on the visible picture's pixels; any where it has none."""
        thermal = np.ma.getdata(self.thermal)
        if self.alignment:
            thermal = self.alignment.resample(thermal, self._size)
        return np.asarray(cv2.convertScaleAbs(thermal, alpha=255), np.uint8)

    @cached_property
    def values(self) -> Image:
        """The raw values on the visible picture's pixels; NaN where there is no infrared."""
        return on_grid(self.raw, self._size, self.alignment)

    @cached_property
    def own(self) -> Image:
        """The raw values on the infrared picture's pixels; NaN where the visible one ends."""
        return own_values(self.raw, self._size, self.alignment)

    def spot(self, x: int, y: int) -> tuple[int, int]:
        """Return x and y of the visible pixel that shows an infrared pixel."""
        if self.alignment is None:
            return x, y
        return self.alignment.spot(x, y, (self.raw.shape[0], self.raw.shape[1]), self._size)

    @cached_property
    def outside(self) -> Picture | None:
        """Not 0 where a visible pixel has no infrared; None if all of them have."""
        if np.ma.is_masked(self.raw):
            return np.isnan(self.values).view(np.uint8)
        if self.alignment is None:
            return None
        share = self.alignment.coverage((self.raw.shape[0], self.raw.shape[1]), self._size)
        return (share <= 0).view(np.uint8)

    @property
    def _size(self) -> tuple[int, int]:
        return self.visible.shape[0], self.visible.shape[1]


@dataclass(frozen=True)
class View:
    """Draws one kind of picture; make it with `parse_view`.

    >>> pair = np.zeros((8, 8), np.uint8)
    >>> seen = Seen(pair, np.ones((8, 8), np.float32), pair, pair)
    >>> parse_view("palette", "white-hot")(seen)[0, 0].tolist()
    [255, 255, 255]

    Attributes:
        name: One of `VIEWS`.
        argument: The value that its name in that table asks for, "" for the default.
        palette: One of `piafusion.imaging.palettes.NAMES`.
        bar: Draw a colour bar with its values beside the picture.
    """

    name: str = "fused"
    argument: str = ""
    palette: str = "ironbow"
    bar: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is the fused picture itself."""
        return self.name == "fused" and not self.bar

    @property
    def needs_values(self) -> bool:
        """Whether it names or shows values in degrees or counts."""
        named = {"hot": "%" not in self.argument, "isotherm": True}.get(self.name, False)
        return self.bar or (named and bool(self.argument))

    def __str__(self) -> str:
        """Return the text that names it."""
        return f"{self.name}:{self.argument}" if self.argument else self.name

    def __call__(self, seen: Seen) -> Image:
        """Draw it.

        Returns:
            H x W x 3 RGB uint8; `side-by-side` is three times, and a bar a little, wider; `flicker`
            has N x H x W x 3 for its N frames; `fused` is the fused picture as it is.
        """
        if self.plain:
            return seen.fused
        kind = VIEWS[self.name]
        picture = kind.draw(self, seen)
        return np.hstack([picture, self.draw_bar(seen)]) if self.bar else picture

    def draw_bar(self, seen: Seen) -> Picture:
        """Return the colour bar alone, as high as the picture."""
        return _bar(self, seen)

    def number(self, default: float) -> float:
        """Return the argument as a number."""
        return float(self.argument) if self.argument else default


def parse_view(spec: str, palette_name: str | None = None, *, bar: bool = False) -> View:
    """Return the view that a text names.

    Args:
        spec: A name of `VIEWS`, and a colon and an argument where it takes one.
        palette_name: Its palette; by default grey for those that judge alignment, else ironbow.
        bar: Draw a colour bar beside it.

    Raises:
        UsageError: If there is no such view or palette, or the argument cannot be used.

    >>> str(parse_view("hot:95%")), parse_view("checker").palette
    ('hot:95%', 'white-hot')
    """
    name, _, argument = spec.partition(":")
    kind = VIEWS.get(name)
    if kind is None:
        raise UsageError(f"expected a view of {', '.join(VIEWS)}, found {spec!r}")
    if palette_name not in (None, *NAMES):
        raise UsageError(f"expected colours of {', '.join(NAMES)}, found {palette_name!r}")
    if palette_name and name == "fused":
        raise UsageError(
            f"expected a view for the colours {palette_name}, found 'fused'; choose another, such "
            "as palette"
        )
    if bar and kind.paint is None:
        barred = ", ".join(each for each, one in VIEWS.items() if one.paint)
        raise UsageError(f"expected a view with false colours for a bar ({barred}), found {name!r}")
    view = View(name, argument, palette_name or kind.palette, bar)
    try:
        fits = not argument or kind.accepts(argument)
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"expected {name}{kind.syntax}, found {spec!r}")
    return view


def on_grid(raw: Image, size: tuple[int, int], alignment: Alignment | None) -> Image:
    """Return raw infrared values on the visible picture's pixels.

    Args:
        raw: H x W, any numbers, masked where there are none.
        size: Height and width of the visible picture.
        alignment: None if the two are aligned.

    Returns:
        That size: float32, NaN where there is no infrared; or `raw` itself, uint8 or uint16.
    """
    if np.ma.isMaskedArray(raw):
        raw = np.ma.filled(raw.astype(np.float32), np.nan)
    if alignment:
        return alignment.resample(raw, size)
    return raw if raw.dtype in (np.uint8, np.uint16, np.float32) else raw.astype(np.float32)


def own_values(raw: Image, size: tuple[int, int], alignment: Alignment | None) -> Image:
    """Return raw infrared values on the infrared's pixels, of those that the visible one shows.

    Arguments and results are those of `on_grid`, but for the size: nothing is interpolated, so
    that the hottest value is one that the camera measured.
    """
    values = on_grid(raw, size, None)
    if alignment is None:
        return values
    shown = alignment.shown((raw.shape[0], raw.shape[1]), size)
    return np.where(shown, values.astype(np.float32), np.float32(np.nan))


def measure(
    values: Image, places: Sequence[str], name: str = "picture", own: Image | None = None
) -> dict[str, dict[str, float]]:
    """Measure spots and boxes.

    Args:
        values: H x W, as in `Seen`.
        places: Texts as `parse_place` takes them.
        name: The name that errors call the picture.
        own: The values that "all" measures, as in `Seen`; by default the values.

    Returns:
        The value of each spot, and minimum, maximum and mean of each box, by its text; NaN where
        there is no infrared.

    Raises:
        UsageError: If one does not lie in the picture.
    """
    height, width = values.shape
    found = {}
    for text in places:
        place = parse_place(text)
        x, y, wide, tall = place or (0, 0, width, height)
        if x + wide > width or y + tall > height:
            raise UsageError(
                f"{name}: expected a place in its {width}x{height} pixels, found {text!r}; "
                "count from 0 at the top left"
            )
        box = values[y : y + tall, x : x + wide] if place or own is None else own
        inside = box.astype(np.float64).ravel()
        inside = inside[np.isfinite(inside)] if np.isfinite(inside).any() else inside[:1] * np.nan
        ends = {"min": float(inside.min()), "max": float(inside.max())}
        mean = float(inside.mean())
        found[text] = {"value": mean} if text.count(",") == 1 else {**ends, "mean": mean}
    return found


def parse_place(text: str) -> tuple[int, int, int, int] | None:
    """Return x, y, width and height of a place; None for the whole picture.

    Args:
        text: "X,Y" for a spot, "X,Y,WIDTH,HEIGHT" for a box, or "all".

    Raises:
        UsageError: If it is none of these.

    >>> parse_place("3,4"), parse_place("3,4,10,20"), parse_place("all")
    ((3, 4, 1, 1), (3, 4, 10, 20), None)
    """
    if text == "all":
        return None
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    if len(numbers) != len(parts) or len(parts) not in (2, 4) or 0 in numbers[2:]:
        raise UsageError(f"expected a place X,Y or X,Y,WIDTH,HEIGHT or all, found {text!r}")
    x, y, width, height = (*numbers, 1, 1)[:4]
    return x, y, width, height


def to_colours(levels: Picture, name: str) -> Picture:
    """Return levels in the colours of a palette.

    Args:
        levels: H x W.
        name: One of `piafusion.imaging.palettes.NAMES`.

    Returns:
        H x W x 3 RGB.
    """
    return np.asarray(cv2.applyColorMap(levels, palette(name)[:, None]), np.uint8)


def _thermal(view: View, seen: Seen) -> Picture:
    """Return the coloured infrared picture; what it does not show is visible, in grey."""
    return _clothed(to_colours(seen.levels, view.palette), seen)


def _clothed(picture: Picture, seen: Seen) -> Picture:
    """Show the visible picture, in grey, where there is no infrared."""
    if seen.outside is None:
        return picture
    return np.asarray(cv2.copyTo(_grey(to_rgb8(seen.visible)), seen.outside, picture), np.uint8)


def _grey(picture: Picture) -> Picture:
    return np.asarray(cv2.merge([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)] * 3), np.uint8)


def _edges(view: View, seen: Seen) -> Picture:
    """Emboss the edges of the visible picture on the coloured infrared one.

    They are what a local linear function of the infrared cannot explain of the visible luminance.
    So an edge that both pictures show is not drawn twice, and nothing glows around a hot target.
    """
    y = cv2.cvtColor(to_rgb8(seen.visible), cv2.COLOR_RGB2GRAY)
    unit = np.float32(1 / 255)
    plane, guide = (np.multiply(each, unit, dtype=np.float32) for each in (y, seen.levels))
    radius = max(2, round(_RADIUS * min(y.shape) / 480))
    smooth = guided_filter(plane, guide, radius, _FLATNESS, shrink=2)
    smooth = np.asarray(cv2.convertScaleAbs(smooth, alpha=255))
    colours, strength = to_colours(seen.levels, view.palette), view.number(1)
    brighter = cv2.convertScaleAbs(cv2.subtract(y, smooth), alpha=strength)
    darker = cv2.convertScaleAbs(cv2.subtract(smooth, y), alpha=strength)
    cv2.add(colours, cv2.merge([brighter] * 3), dst=colours)
    cv2.subtract(colours, cv2.merge([darker] * 3), dst=colours)
    return _clothed(colours, seen)


def _limit(view: View, seen: Seen) -> tuple[float, float]:
    """Return the value from which on a pixel is hot, and the largest value."""
    asked = view.argument.partition(",")[0] or "95%"
    values = _known(seen)
    top, bottom = float(values.max()), float(values.min())
    if not asked.endswith("%"):
        return float(asked), top
    limit = float(np.percentile(values, float(asked[:-1])))
    return (limit if limit > bottom else float(np.nextafter(np.float32(limit), np.inf))), top


def _warm(view: View, values: Image, limit: float, top: float, cold: Picture) -> Picture:
    """Colour what is hot; the coldest of it does not get the palette's dark end."""
    span = top - limit
    slope, start = (255 * (1 - _WARM) / span, 255 * _WARM) if span > 0 else (0.0, 255.0)
    place = cv2.convertScaleAbs(np.maximum(values, limit) - limit, alpha=slope, beta=start)
    hot = (values >= limit).view(np.uint8)
    return np.asarray(
        cv2.copyTo(to_colours(np.asarray(place, np.uint8), view.palette), hot, cold), np.uint8
    )


def _hot(view: View, seen: Seen) -> Picture:
    picture = to_rgb8(seen.fused)
    picture = _grey(picture) if view.argument.endswith(",grey") else picture.copy()
    return _warm(view, seen.values, *_limit(view, seen), picture)


def _hot_paint(view: View, seen: Seen) -> Paint:
    limits = _limit(view, seen)
    return lambda levels, values: _warm(view, values, *limits, to_colours(levels, "white-hot"))


def _bands(argument: str) -> list[tuple[float, float]]:
    """Return the limits of bands such as 20..30,60..; an open end is infinite."""
    bands = []
    for band in argument.split(","):
        low, found, high = band.partition("..")
        limits = float(low or "-inf"), float(high or "inf")
        if not found or not limits[0] < limits[1] or band == "..":
            raise ValueError(band)
        bands.append(limits)
    return bands


def _isotherm_paint(view: View, seen: Seen) -> Paint:
    """Return what paints bands, on grey."""
    if view.argument:
        bands, first = _bands(view.argument), 255 * _WARM
    else:
        low, high = percentiles(_known(seen), (1, 99))
        ends = [-np.inf, *np.linspace(low, high, _BANDS + 1).tolist()[1:-1], np.inf]
        bands, first = list(pairwise(ends)), 0.0
    colours = palette(view.palette)[np.linspace(first, 255, len(bands)).round().astype(int)]
    table = np.zeros((256, 1, 3), np.uint8)
    table[1 : len(bands) + 1, 0] = colours

    def paint(levels: Picture, values: Image) -> Picture:
        place = np.zeros(levels.shape, np.uint8)
        for number, (low, high) in enumerate(bands, 1):
            inside = (values >= low) & (values < high)
            np.maximum(place, inside * np.uint8(number), out=place)
        painted = cv2.applyColorMap(place, table)
        return np.asarray(cv2.copyTo(painted, place, to_colours(levels, "white-hot")), np.uint8)

    return paint


def _isotherm(view: View, seen: Seen) -> Picture:
    return _clothed(_isotherm_paint(view, seen)(seen.levels, seen.values), seen)


def _inset(view: View, seen: Seen) -> Picture:
    """Draw one of the two pictures in the middle of the other, at its true place."""
    share, _, reverse = view.argument.partition(",")
    outer, inner = to_rgb8(seen.visible), _thermal(view, seen)
    if reverse:
        outer, inner = inner, outer
    height, width = outer.shape[:2]
    side = float(share or 0.5)
    top, left = round(height * (1 - side) / 2), round(width * (1 - side) / 2)
    frame = max(1, round(_FRAME * min(height, width)))
    picture = outer.copy()
    picture[top : height - top, left : width - left] = 255
    inside = (
        slice(top + frame, height - top - frame),
        slice(left + frame, width - left - frame),
    )
    picture[inside] = inner[inside]
    return picture


def _three(view: View, seen: Seen) -> list[Picture]:
    return [to_rgb8(seen.visible), _thermal(view, seen), to_rgb8(seen.fused)]


def _blend(view: View, seen: Seen) -> Picture:
    share = view.number(0.5)
    thermal = _thermal(view, seen)
    mixed = cv2.addWeighted(thermal, share, to_rgb8(seen.visible), 1 - share, 0)
    return np.asarray(mixed, np.uint8)


def _checker(view: View, seen: Seen) -> Picture:
    height, width = seen.levels.shape
    side = int(view.number(max(8, min(height, width) // 8)))
    rows, columns = (np.arange(length) // side % 2 for length in (height, width))
    odd = (rows[:, None] ^ columns).astype(np.uint8)
    return np.asarray(cv2.copyTo(_thermal(view, seen), odd, to_rgb8(seen.visible).copy()), np.uint8)


class Kind(NamedTuple):
    """One kind of view: what draws it, and what it takes."""

    draw: Callable[[View, Seen], Image]
    summary: str
    syntax: str = ""
    accepts: Callable[[str], object] = lambda _: False
    palette: str = "ironbow"
    paint: Callable[[View, Seen], Paint] | None = None


def _in_unit(text: str) -> bool:
    return 0 <= float(text) <= 1


def _is_threshold(text: str) -> bool:
    limit, _, rest = text.partition(",")
    if limit.endswith("%"):
        return 0 <= float(limit[:-1]) <= 100 and rest in ("", "grey")
    return bool(np.isfinite(float(limit))) and rest in ("", "grey")


def _is_inset(text: str) -> bool:
    share, _, rest = text.partition(",")
    return 0.1 <= float(share) <= 1 and rest in ("", "visible")


def _plain_paint(view: View, seen: Seen) -> Paint:
    del seen
    return lambda levels, _: to_colours(levels, view.palette)


VIEWS: dict[str, Kind] = {
    "fused": Kind(lambda _, seen: seen.fused, "The fused picture."),
    "edges": Kind(
        _edges,
        "Edges of the visible picture on the coloured infrared one.",
        ":STRENGTH from 0 to 4",
        lambda text: 0 <= float(text) <= 4,
        paint=_plain_paint,
    ),
    "palette": Kind(_thermal, "The infrared picture in a palette.", paint=_plain_paint),
    "hot": Kind(
        _hot,
        "The fused picture; what is hot is coloured.",
        ":LIMIT or :PERCENTILE%, and ,grey for a grey rest",
        _is_threshold,
        paint=_hot_paint,
    ),
    "isotherm": Kind(
        _isotherm,
        "Bands of temperature on the grey infrared picture.",
        ":LOW..HIGH,LOW..HIGH with one open end at most, such as 20..30,60..",
        _bands,
        paint=_isotherm_paint,
    ),
    "inset": Kind(
        _inset,
        "The infrared picture in the middle of the visible one.",
        ":SHARE from 0.1 to 1, and ,visible for the reverse",
        _is_inset,
        paint=_plain_paint,
    ),
    "side-by-side": Kind(
        lambda view, seen: np.hstack(_three(view, seen)), "Visible, infrared and fused picture."
    ),
    "blend": Kind(_blend, "The two pictures mixed.", ":SHARE from 0 to 1", _in_unit),
    "checker": Kind(
        _checker,
        "Squares of both pictures, to judge their alignment.",
        ":PIXELS from 2 to 4096",
        lambda text: 2 <= int(text) <= 4096,
        "white-hot",
    ),
    "flicker": Kind(
        lambda view, seen: np.stack(_three(view, seen)),
        "A loop of visible, infrared and fused picture: animated WebP or PNG.",
        palette="white-hot",
    ),
}
"""The views that there are."""


def _known(seen: Seen) -> Image:
    """Return some of the raw values, those that there are."""
    values = sample(on_grid(seen.raw, (0, 0), None))
    return values[:: len(values) // _SOME + 1] if values.size else np.zeros(1, np.float32)


def _values_of_levels(seen: Seen) -> NDArray[np.float64]:
    """Return the raw value that each of the 256 levels stands for, as the pixels show it."""
    step = 1 + int((seen.raw.size / _SOME) ** 0.5)
    thermal, raw = seen.thermal[::step, ::step], seen.raw[::step, ::step]
    levels = cv2.convertScaleAbs(np.ma.getdata(thermal), alpha=255).ravel()
    values = np.ma.filled(raw.astype(np.float64), np.nan).ravel()
    known = np.isfinite(values)
    levels, values = levels[known], values[known]
    count = np.bincount(levels, minlength=256)
    there = np.flatnonzero(count)
    if not there.size:
        return np.zeros(256)
    means = np.bincount(levels, values, minlength=256)[there] / count[there]
    rising = means[-1] >= means[0]
    for end, at in ((0, there[0]), (-1, there[-1])):  # beyond the ends of the tone lies much more
        nearest = np.max if bool(rising) is (end == 0) else np.min
        means[end] = nearest(values[levels == at])
    return np.interp(np.arange(256), there, means)


def _bar(view: View, seen: Seen) -> Picture:
    """Return a colour bar as high as the picture, white at the top, with the values beside it."""
    height = seen.levels.shape[0]
    scale = max(0.35, height / 1000)
    wide, edge = max(8, round(40 * scale)), max(5, round(32 * scale))
    levels = np.linspace(255, 0, height - 2 * edge)
    found = _values_of_levels(seen)
    values = np.interp(levels, np.arange(256), found).astype(np.float32)
    paint = VIEWS[view.name].paint
    if paint is None:
        raise ValueError(f"no bar for {view.name}")
    column = paint(view, seen)(np.rint(levels).astype(np.uint8)[:, None], values[:, None])
    font, thick, ink = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.6 * scale)), (235, 235, 235)
    ticks = np.linspace(0, len(levels) - 1, 5).round().astype(int).tolist()
    decimals = 1 if np.ptp(values) < 100 else 0
    texts = [f"{values[tick]:.{decimals}f}" for tick in ticks]
    sizes = [cv2.getTextSize(text, font, scale, thick)[0] for text in texts]
    ring = round(5 * scale) if seen.unit else 0
    most = cv2.getTextSize("-000.00", font, scale, thick)[0][0]  # a video's frames have one width
    across = 3 * edge + wide + most + 4 * ring
    bar = np.full((height, across, 3), 24, np.uint8)
    bar[edge : edge + len(levels), edge : edge + wide] = column
    for tick, text, (width, tall) in zip(ticks, texts, sizes, strict=True):
        x, y = 2 * edge + wide, edge + tick + tall // 2
        cv2.putText(bar, text, (x, y), font, scale, ink, thick, cv2.LINE_AA)
        if ring:
            cv2.circle(bar, (x + width + 2 * ring, y - tall), ring, ink, thick, cv2.LINE_AA)
    return bar
