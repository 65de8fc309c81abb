"""JPEG files: the outline, read marker by marker, and the pixels, whose damage is an error."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image

FIRST_BYTES = b"\xff\xd8\xff"

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that hold a size
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_SCAN, _END, _LINES, _CODES, _APP1, _APP2, _APP3 = (
    *(0xDA, 0xD9, 0xDC, 0xC4),
    *(0xE1, 0xE2, 0xE3),
)
_MOST_SCANS = 64  # each one goes over all of the picture
_MOST_SEGMENTS = 4096  # thumbnails, colour profiles and thermal data have some hundred
_MOST_PIXELS = 1024  # in a byte: 8 x 8 pixels take at least one bit of Huffman code
_HUFFMAN = (0xC0, 0xC1, 0xC2)
_SEQUENTIAL = (0xC0, 0xC1)  # each block is written once, and its codes end with a symbol
_ZEROS = bytes(128)
EXIF = b"Exif\x00\x00"
XMP = b"http://ns.adobe.com/xap/1.0/\x00"
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
    place, scans, short, dense = 2, 0, False, False
    frame: tuple[int, int, int, int] | None = None
    kind, exif, xmp = 0, b"", b""
    codes: dict[int, int] = {}  # of each table of Huffman codes, what a code of zeros stands for
    flir: list[bytes] = []
    app3: list[bytes] = []
    icc: list[bytes] = []
    for _ in range(_MOST_SEGMENTS):
        # Behind a scan's header lie its data, without a length; markers of restart belong to it.
        found = _MARKER_AFTER_A_SCAN.search(data, place) if scans else _MARKER.match(data, place)
        if not found:
            if scans and frame:
                return Jpeg(*frame, None, tuple(flir), b"".join(app3), exif, b"".join(icc), xmp)
            if place >= len(data):
                raise _wrong("that ends too early")
            raise _wrong("without a marker where one has to be")
        if dense and data.find(_ZEROS, place, found.start()) >= 0:
            raise _wrong("with a run of zeros in place of pixels")
        marker, place = found[1][0], found.end()
        if marker == _END:
            if not (frame and scans):
                raise _wrong("without a picture")
            end = None if short else place
            return Jpeg(*frame, end, tuple(flir), b"".join(app3), exif, b"".join(icc), xmp)
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
            frame, kind = (width, height, channels, bits), marker
        elif marker == _LINES:
            raise _wrong("that tells its height behind the pixels")
        elif marker == _SCAN:
            scans += 1
            if not frame:
                raise _wrong("without a frame")
            if scans > _MOST_SCANS:
                raise _wrong(f"of more than {_MOST_SCANS} scans")
            tables = data[place + 4 : place + length - 3 : 2]
            # A code of zeros that does not end a block would write 63 equal frequencies, and so
            # in block after block: nothing that a camera sees.
            dense = kind in _SEQUENTIAL and any(codes.get(0x10 | each & 15) for each in tables)
        elif marker == _CODES:
            codes |= _codes_of_zeros(data[place + 2 : place + length])
        elif marker == _APP3:
            app3.append(data[place + 2 : place + length])
        elif marker == _APP1:
            if data[place + 2 : place + 7] == b"FLIR\x00":
                flir.append(data[place + 7 : place + length])
            elif data[place + 2 : place + 8] == EXIF:
                exif = exif or data[place + 8 : place + length]
            elif data[place + 2 : place + 2 + len(XMP)] == XMP:
                xmp = xmp or data[place + 2 + len(XMP) : place + length]
        elif marker == _APP2 and data[place + 2 : place + 14] == b"ICC_PROFILE\x00":
            icc.append(data[place + 16 : place + length])  # in their order
        place += length
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
