"""A report on thermal photos: pictures, temperatures, camera, time and place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import PiafusionError
from piafusion.fuser import Fuser
from piafusion.imaging.arrays import Image, to_rgb8
from piafusion.imaging.io import read_metadata, read_pair, read_photo
from piafusion.imaging.metadata import facts
from piafusion.imaging.pairs import Pair
from piafusion.imaging.photos import tone_for
from piafusion.imaging.views import Seen, measure, parse_place, parse_view
from piafusion.report.document import Block, Document, Pictures, Section, Table, Text
from piafusion.report.text import number

_WIDEST = 1280  # pixels of a picture on the page
_UNITS = {"distance": " m", "reflected": " °C", "air": " °C"}
_RED, _BLUE, _GREEN = (255, 60, 60), (80, 160, 255), (80, 255, 120)


def photo_report(
    pairs: Iterable[Pair], fuser: Fuser, palette: str | None = None, places: Sequence[str] = ()
) -> tuple[Document, list[str]]:
    """Return a report with a section for each photo, and the errors of those that failed.

    Args:
        pairs: Photos that hold both pictures (twice the same path), or pairs of files.
        fuser: Fuses them.
        palette: Colours of the infrared pictures, a name of `piafusion.imaging.palettes`.
        places: Spots and boxes to measure, as `piafusion.imaging.views.parse_place` takes them.
    """
    sections, failed = [], []
    for pair in pairs:
        try:
            sections.append(Section(pair.stem, _blocks(pair, fuser, palette, places)))
        except PiafusionError as error:
            failed.append(str(error))
    count = f"{len(sections)} {'photo' if len(sections) == 1 else 'photos'}"
    about = Text(f"{count}, fused with {fuser.model}, tone {fuser.tone}.", note=True)
    return Document("Thermal photos", [about], sections), failed


def _blocks(pair: Pair, fuser: Fuser, palette: str | None, places: Sequence[str]) -> list[Block]:
    seen, conditions, note = _seen(pair, fuser)
    values = seen.own.astype(np.float32)
    found = measure(seen.values, ("all", *places), str(pair.infrared), values)
    thermal = np.asarray(parse_view("palette", palette, bar=True)(seen), np.uint8)
    unit = f" {seen.unit}".rstrip()
    rows = []
    if np.isfinite(values).any():
        for name, at, ink in (
            ("hottest", np.nanargmax(values), _RED),
            ("coldest", np.nanargmin(values), _BLUE),
        ):
            row, column = (int(place) for place in np.unravel_index(at, values.shape))
            x, y = seen.spot(column, row)
            _mark(thermal, (x, y, 1, 1), name, ink)
            rows.append([f"{name}, at {x},{y}", number(float(values[row, column]), 1), "", "", ""])
    for label, (place, ends) in enumerate(found.items()):
        where = parse_place(place)
        if where:
            _mark(thermal, where, str(label), _GREEN)
        texts = [number(ends[name], 1) if name in ends else "" for name in _COLUMNS]
        rows.append([f"{label}: {place}" if where else "all of it", *texts])
    header = ["place", *(f"{name}{unit}" for name in _COLUMNS)]
    pictures = {
        "fused": to_rgb8(seen.fused),
        "infrared, with its hottest and coldest point": thermal,
        "visible": to_rgb8(seen.visible),
    }
    named = {f"{name}{_UNITS.get(name, '')}": value for name, value in conditions.items()}
    about = facts(read_metadata(pair.visible)) | {k: f"{v:g}" for k, v in named.items()}
    blocks: list[Block] = [
        Pictures({name: _small(picture) for name, picture in pictures.items()}),
        Table(header, rows, "Temperatures" if seen.unit else "Values of the infrared"),
    ]
    if about:
        blocks.append(
            Table(["of the photo", ""], [list(each) for each in about.items()], prose=True)
        )
    return blocks + ([Text(note, note=True)] if note else [])


_COLUMNS = ("value", "min", "max", "mean")


def _seen(pair: Pair, fuser: Fuser) -> tuple[Seen, dict[str, float], str]:
    """Read and fuse a photo, or a pair; return what was seen, the conditions, and a note."""
    if pair.infrared == pair.visible:
        photo = read_photo(pair.infrared)
        tone = tone_for(photo, fuser.tone)
        fused = fuser.fuse_photo(photo)
        infrared, visible = photo.both()
    else:
        tone = fuser.tone
        size = fuser.alignment is None
        read = read_pair(pair.infrared, pair.visible, tone.check, fuser.show, same_size=size)
        infrared, visible = read
        fused = fuser.fuse(infrared, visible)
    thermal = tone(tone.check(infrared))[0]
    parts = _plain(visible), thermal, _plain(fused.image), infrared
    return Seen(*parts, fused.alignment, fused.unit), dict(fused.conditions), fused.note


def _plain(image: Image) -> Image:
    return np.ma.getdata(image)


def _mark(
    picture: NDArray[np.uint8],
    place: tuple[int, int, int, int],
    text: str,
    ink: tuple[int, int, int],
) -> None:
    """Draw a cross at a spot or the outline of a box, and its name."""
    x, y, width, height = place
    scale = max(0.5, picture.shape[0] / 800)
    size, font = round(22 * scale), cv2.FONT_HERSHEY_SIMPLEX
    start = x + round(6 * scale), y - round(6 * scale) if y > 30 * scale else y + round(24 * scale)
    for colour, thick in (((0, 0, 0), round(3 * scale) + 1), (ink, max(1, round(1.5 * scale)))):
        if width == height == 1:
            cv2.drawMarker(picture, (x, y), colour, cv2.MARKER_CROSS, size, thick)
        else:
            cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), colour, thick)
        cv2.putText(picture, text, start, font, scale * 0.8, colour, thick, cv2.LINE_AA)


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if width <= _WIDEST:
        return picture
    size = _WIDEST, max(1, round(height * _WIDEST / width))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
