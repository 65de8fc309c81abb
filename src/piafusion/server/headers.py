"""The size of a picture from the header of its file, before anything is decoded.

A few bytes can stand for billions of pixels. What is read here is strict: a header that could be
understood in two ways is refused, so that the decoder cannot find another size than this.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from piafusion.errors import ImageError
from piafusion.imaging.tiff import is_tiff

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that hold a size
_BARE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
_MOST_SCANS = 64  # of a progressive JPEG; each one goes over all of the picture
_MOST_ENTRIES = 512  # of a TIFF directory
_MOST_BITS = 4 * 64  # of a TIFF pixel
_SHORT, _LONG, _LONG8 = 3, 4, 16  # types of TIFF values


@dataclass(frozen=True)
class Header:
    """What a file says of its picture.

    Attributes:
        format: png, jpeg, tiff, webp or bmp.
        width: The largest that the header names, in pixels.
        height: Likewise.
    """

    format: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(data: bytes) -> Header | None:
    """Return what a file's header says; None if it is of no type that is read here.

    Raises:
        ImageError: If the type is known, but the header is damaged or ambiguous.
    """
    for name, is_one, size in _READERS:
        if is_one(data):
            try:
                width, height = size(data)
            except (struct.error, IndexError, ValueError) as error:
                raise ImageError(
                    f"expected a {name.upper()} file that tells its size, found a header that "
                    "does not; check the file"
                ) from error
            if min(width, height) < 1:
                raise ImageError(
                    f"expected a {name.upper()} file with pixels, found {width}x{height}"
                )
            return Header(name, width, height)
    return None


def _png(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ValueError("the first chunk is another")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    """Return the size of the only frame; segments before it may hold pictures of their own."""
    if data.count(b"\xff\xda") > _MOST_SCANS:
        raise ValueError("too many scans")
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError("no marker where one has to be")
        while data[place] == 0xFF:  # any number of them may stand before a marker
            place += 1
        marker = data[place]
        place += 1
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 3)
            return width, height
        if marker in (0xD9, 0xDA):  # the end, or a scan without a frame
            raise ValueError("no frame")
        if marker not in _BARE:
            length = struct.unpack_from(">H", data, place)[0]
            if length < 2:
                raise ValueError("a segment shorter than its length")
            place += length


def _webp(data: bytes) -> tuple[int, int]:
    """Return the largest of the canvas and the first picture."""
    sizes: list[tuple[int, int]] = []
    place = 12
    while place + 8 <= len(data) and len(sizes) < 2:
        kind, length = struct.unpack_from("<4sI", data, place)
        body = place + 8
        if kind == b"VP8X":
            sizes.append((_three(data, body + 4) + 1, _three(data, body + 7) + 1))
        elif kind == b"VP8 ":
            if data[body + 3 : body + 6] != b"\x9d\x01\x2a":
                raise ValueError("no key frame")
            width, height = struct.unpack_from("<HH", data, body + 6)
            sizes.append((width & 0x3FFF, height & 0x3FFF))
        elif kind == b"VP8L":
            bits = struct.unpack_from("<I", data, body + 1)[0]
            sizes.append(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        elif kind == b"ANMF":
            sizes.append((_three(data, body + 6) + 1, _three(data, body + 9) + 1))
        elif not sizes:
            raise ValueError("the first chunk is no picture")
        place = body + length + length % 2
    if not sizes:
        raise ValueError("no picture")
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _bmp(data: bytes) -> tuple[int, int]:
    length = struct.unpack_from("<I", data, 14)[0]
    layout = "<HH" if length == 12 else "<ii"
    width, height = struct.unpack_from(layout, data, 18)
    return abs(width), abs(height)  # a negative height means rows from the top


def _tiff(data: bytes) -> tuple[int, int]:
    """Return the larger of the first picture and of its tiles."""
    order = "<" if data.startswith(b"II") else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    offset = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)[0]
    count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, offset)[0]
    if count > _MOST_ENTRIES:
        raise ValueError("too many entries")
    values: dict[int, int] = {}
    for index in range(count):
        entry = offset + (8 if big else 2) + index * (20 if big else 12)
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag not in (256, 257, 258, 277, 322, 323):
            continue
        if tag in values:
            raise ValueError("a tag stands twice")
        values[tag] = _value(data, order, entry, kind, big=big, several=tag == 258)
    samples = values.get(277, 1)
    if samples > 4 or samples * values.get(258, 1) > _MOST_BITS:
        raise ValueError("more than four channels")
    if not {256, 257} <= values.keys():
        raise ValueError("no size")
    tile = (values.get(322, 1), values.get(323, 1)) if min(values[256], values[257]) else (0, 0)
    return max(values[256], tile[0]), max(values[257], tile[1])


def _value(data: bytes, order: str, entry: int, kind: int, *, big: bool, several: bool) -> int:
    """Return the only or, of bits for each channel, the first value of a TIFF entry."""
    count = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, entry + 4)[0]
    if count != 1 and not several:
        raise ValueError("more than one value")
    field, room = entry + (12 if big else 8), 8 if big else 4
    letter = {_SHORT: "H", _LONG: "I", _LONG8: "Q" if big else ""}.get(kind)
    if not letter:
        raise ValueError("a value of another type")
    if count * struct.calcsize(f"{order}{letter}") > room:  # the field holds its place
        field = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, field)[0]
    return int(struct.unpack_from(order + letter, data, field)[0])


def _three(data: bytes, place: int) -> int:
    """Return three bytes as a number."""
    if place + 3 > len(data):
        raise ValueError("the file ends")
    return int.from_bytes(data[place : place + 3], "little")


_READERS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], tuple[int, int]]], ...] = (
    ("png", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    ("jpeg", lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    ("tiff", is_tiff, _tiff),
    ("webp", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    ("bmp", lambda data: data.startswith(b"BM"), _bmp),
)
