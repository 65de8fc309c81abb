"""JPEG files: the outline, read marker by marker, and the pixels, whose damage is an error."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image

FIRST_BYTES = b"\xff\xd8\xff"

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that hold a size
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_BEGINNING, _SCAN, _END, _LINES, _CODES = 0xD8, 0xDA, 0xD9, 0xDC, 0xC4
_MOST_SCANS = 64  # each one goes over all of the picture
_MOST_SEGMENTS = 4096  # thumbnails, colour profiles and thermal data have some hundred
_MOST_PIXELS = 1024  # in a byte: 8 x 8 pixels take at least one bit of Huffman code
_HUFFMAN = (0xC0, 0xC1, 0xC2)
_SEQUENTIAL = (0xC0, 0xC1)  # each block is written once, and its codes end with a symbol
_ZEROS = bytes(128)
EXIF = b"Exif\x00\x00"
XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_PIECES = (  # markers, how the contents begin that are kept, and their names
    (0xE1, b"FLIR\x00", "flir"),
    (0xE1, EXIF, "exif"),
    (0xE1, XMP, "xmp"),
    (0xE2, b"ICC_PROFILE\x00", "icc"),
    (0xE3, b"", "app3"),
)
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
        app3: Contents of the APP3 segments, joined: the sensor's counts in files of DJI.
        exif: Content of the first Exif segment, without the name.
        icc: The colour profile, if there is one.
        xmp: The XMP packet, if there is one.
    """

    width: int
    height: int
    channels: int
    bits: int
    end: int | None
    flir: tuple[bytes, ...]
    app3: bytes
    exif: bytes
    icc: bytes
    xmp: bytes


def read_jpeg(data: bytes) -> Jpeg:
    """Return the outline of a JPEG file; the time is bounded by the file's length.

    Raises:
        ImageError: If it has no frame or several, too many scans or segments, or a run of zeros
            in place of its pixels.
    """
    try:
        return _walk(data)
    except (struct.error, IndexError) as error:
        raise _wrong("that ends too early") from error


def decode_jpeg(data: bytes, outline: Jpeg) -> Image:
    """Return the pixels of a whole JPEG file as they lie in it: H x W or H x W x 3 RGB, uint8.

    Raises:
        ImageError: If its data are damaged, by the least warning of the decoder, or it has other
            channels or bits.
    """
    if outline.channels not in (1, 3) or outline.bits != 8:
        name = "CMYK" if outline.channels == 4 else f"{outline.channels} channels"
        raise ImageError(
            f"expected a JPEG file that is grey or RGB of 8 bits, found {name} of {outline.bits} "
            "bits; convert it to RGB"
        )
    import simplejpeg  # takes time to load, which only JPEG files pay

    try:
        colours = "GRAY" if outline.channels == 1 else "RGB"
        pixels: Image = simplejpeg.decode_jpeg(data, colours, strict=True)
    except ValueError as error:  # also for what libjpeg only warns of
        reason = " ".join(str(error).split())
        raise ImageError(
            f"expected a whole JPEG file, found damage ({reason}); copy it again"
        ) from error
    return pixels[..., 0] if outline.channels == 1 else pixels


def _walk(data: bytes) -> Jpeg:
    frame: tuple[int, int, int, int] | None = None
    kind, scans, short, dense = 0, 0, False, False
    codes: dict[int, int] = {}  # of each table of Huffman codes, what a code of zeros stands for
    pieces: dict[str, list[bytes]] = {name: [] for _, _, name in _PIECES}
    end = None
    for marker, content, pixels, stop in _segments(data):
        if dense and data.find(_ZEROS, pixels.start, pixels.stop) >= 0:
            raise _wrong("with a run of zeros in place of pixels")
        if marker in _FRAMES:
            if frame:
                raise _wrong("of several frames")
            bits, height, width, channels = struct.unpack_from(">BHHB", content)
            short = marker in _HUFFMAN and width * height > _MOST_PIXELS * len(data)
            frame, kind = (width, height, channels, bits), marker
        elif marker == _SCAN:
            scans += 1
            if not frame:
                raise _wrong("without a frame")
            if scans > _MOST_SCANS:
                raise _wrong(f"of more than {_MOST_SCANS} scans")
            # A code of zeros that does not end a block would write 63 equal frequencies, and so
            # in block after block: nothing that a camera sees.
            tables = content[2:-3:2]
            dense = kind in _SEQUENTIAL and any(codes.get(0x10 | each & 15) for each in tables)
        elif marker == _CODES:
            codes |= _codes_of_zeros(content)
        elif marker == _END and stop <= len(data) and not short:
            end = stop
        for number, start, name in _PIECES:
            if marker == number and content.startswith(start):
                pieces[name].append(content[len(start) :])
    if not (frame and scans):
        raise _wrong("without a picture")
    return Jpeg(
        *frame,
        end=end,
        flir=tuple(pieces["flir"]),
        app3=b"".join(pieces["app3"]),
        exif=next(iter(pieces["exif"]), b""),
        icc=b"".join(piece[2:] for piece in pieces["icc"]),  # behind its number; in their order
        xmp=next(iter(pieces["xmp"]), b""),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes, slice, int]]:
    """Yield the segments up to the end of the picture.

    Yields:
        The marker, the content, where the pixels lie that came before the marker, and where the
        segment ends. A file that ends in its pixels has a last segment that ends behind it.
    """
    place, scanned = 2, False
    for _ in range(_MOST_SEGMENTS):
        # Behind a scan's header lie its data, without a length; markers of restart belong to it.
        found = _MARKER_AFTER_A_SCAN.search(data, place) if scanned else _MARKER.match(data, place)
        if not found:
            if scanned:
                yield _END, b"", slice(0, 0), len(data) + 1
                return
            if place >= len(data):
                raise _wrong("that ends too early")
            raise _wrong("without a marker where one has to be")
        pixels = slice(place, found.start())
        marker, place = found[1][0], found.end()
        content = b""
        if marker == _BEGINNING:
            raise _wrong("with a second beginning inside")
        if marker == _LINES:
            raise _wrong("that tells its height behind the pixels")
        if marker != _END and marker not in _BARE:
            length = struct.unpack_from(">H", data, place)[0]
            if length < 2:
                raise _wrong("with a segment shorter than its length")
            content = data[place + 2 : place + length]
            place += length
        yield marker, content, pixels, place
        if marker == _END:
            return
        scanned = scanned or marker == _SCAN
    raise _wrong(f"of more than {_MOST_SEGMENTS} segments")


def _codes_of_zeros(segment: bytes) -> dict[int, int]:
    """Return, for each table in a segment, the symbol whose code is nothing but zeros."""
    found, place = {}, 0
    while place + 17 < len(segment):
        found[segment[place]] = segment[place + 17]
        place += 17 + sum(segment[place + 1 : place + 17])
    return found


def _wrong(what: str) -> ImageError:
    return ImageError(
        f"expected a JPEG file that can be followed, found one {what}; check the file"
    )
