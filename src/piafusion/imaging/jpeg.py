"""The outline of a JPEG file, read marker by marker before anything is decoded."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from piafusion.errors import ImageError

FIRST_BYTES = b"\xff\xd8\xff"

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that hold a size
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_SCAN, _END, _LINES, _APP1 = 0xDA, 0xD9, 0xDC, 0xE1
_MOST_SCANS = 64  # each one goes over all of the picture
_MOST_SEGMENTS = 4096  # thumbnails, colour profiles and thermal data have some hundred
_MOST_PIXELS = 1024  # in a byte: 8 x 8 pixels take at least one bit of Huffman code
_HUFFMAN = (0xC0, 0xC1, 0xC2)
_MARKER = re.compile(rb"\xff{1,1024}([^\x00\xff])")
_MARKER_AFTER_A_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # found fast by its first byte


@dataclass(frozen=True)
class Jpeg:
    """The outline of a JPEG file.

    Attributes:
        width: In pixels.
        height: In pixels.
        channels: 1 grey, 3 colour, 4 CMYK.
        bits: Bits of a channel.
        end: Place in the file where the picture ends; None if the file ends before, or cannot
            hold as many pixels as it claims.
        flir: Contents of the APP1 segments of FLIR cameras, without the name.
    """

    width: int
    height: int
    channels: int
    bits: int
    end: int | None
    flir: tuple[bytes, ...]


def read_jpeg(data: bytes) -> Jpeg:
    """Return the outline of a JPEG file; the time is bounded by the file's length.

    Raises:
        ImageError: If it has no frame or several, or too many scans or segments.
    """
    try:
        return _walk(data)
    except (struct.error, IndexError) as error:
        raise _wrong("that ends too early") from error


def _walk(data: bytes) -> Jpeg:
    place, scans, short = 2, 0, False
    frame: tuple[int, int, int, int] | None = None
    flir: list[bytes] = []
    for _ in range(_MOST_SEGMENTS):
        # Behind a scan's header lie its data, without a length; markers of restart belong to it.
        found = _MARKER_AFTER_A_SCAN.search(data, place) if scans else _MARKER.match(data, place)
        if not found:
            if scans and frame:
                return Jpeg(*frame, None, tuple(flir))
            if place >= len(data):
                raise _wrong("that ends too early")
            raise _wrong("without a marker where one has to be")
        marker, place = found[1][0], found.end()
        if marker == _END:
            if not (frame and scans):
                raise _wrong("without a picture")
            return Jpeg(*frame, None if short else place, tuple(flir))
        if marker in _BARE:
            continue
        if marker == 0xD8:
            raise _wrong("with a second beginning inside")
        length = struct.unpack_from(">H", data, place)[0]
        if length < 2:
            raise _wrong("with a segment shorter than its length")
        if marker in _FRAMES:
            if frame:
                raise _wrong("of several frames")
            bits, height, width, channels = struct.unpack_from(">BHHB", data, place + 2)
            short = marker in _HUFFMAN and width * height > _MOST_PIXELS * len(data)
            frame = (width, height, channels, bits)
        elif marker == _LINES:
            raise _wrong("that tells its height behind the pixels")
        elif marker == _SCAN:
            scans += 1
            if not frame:
                raise _wrong("without a frame")
            if scans > _MOST_SCANS:
                raise _wrong(f"of more than {_MOST_SCANS} scans")
        elif marker == _APP1 and data[place + 2 : place + 7] == b"FLIR\x00":
            flir.append(data[place + 7 : place + length])
        place += length
    raise _wrong(f"of more than {_MOST_SEGMENTS} segments")


def _wrong(what: str) -> ImageError:
    return ImageError(
        f"expected a JPEG file that can be followed, found one {what}; check the file"
    )
