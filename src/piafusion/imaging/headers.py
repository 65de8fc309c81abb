"""Headers of picture files, read strictly before anything is decoded.

A few bytes can stand for billions of pixels, or for hours of work. A header that could be
understood in two ways is refused, so that the decoder cannot find another size than this. The
parts that a file can multiply (directories, scans, chunks, frames) are counted.
Every reader of pictures goes through `read_header`: commands, folders and the server.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.jpeg import FIRST_BYTES, Jpeg, read_jpeg
from piafusion.imaging.tiff_directory import (
    BITS,
    HEIGHT,
    SAMPLES,
    TILE_HEIGHT,
    TILE_WIDTH,
    WIDTH,
    Tags,
    find_picture,
    is_tiff,
)

MAX_MEGAPIXELS = 200.0
"""Size of the largest picture that is decoded as a whole, unless `LIMIT_VARIABLE` is set."""
LIMIT_VARIABLE = "PIAFUSION_MAX_MEGAPIXELS"

PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_COLOURS = 3  # a palette's: one channel in the file, three or four in the picture
_DEFLATE = 1032  # bytes that one of Deflate's can stand for
_MOST_PNG_CHUNKS = 2**17  # a file of 1 GB has so many of the usual 8 KB
_MOST_WEBP_CHUNKS = 256
_MOST_CHANNELS = 4
_RUN_LENGTHS = (1, 2)  # compressions of BMP; the length of their data cannot be computed


@dataclass(frozen=True)
class Header:
    """Size and format of a picture, as its file states them.

    Attributes:
        format: png, jpeg, tiff, webp or bmp.
        width: The largest that the header names, in pixels.
        height: The largest that the header names, in pixels.
        channels: Number of channels, alpha included.
        bits: Bits of a channel.
        end: Place in the file where the picture ends; later bytes are no part of it. None if the
            file ends before, or cannot hold as many pixels as it claims.
        exif: EXIF data of a PNG, JPEG or WebP file; they begin as a TIFF file does, or with
            their name.
        icc: Colour profile of a PNG, JPEG or WebP file; that of a PNG as its chunk holds it.
        xmp: XMP packet of a PNG, JPEG or WebP file; that of a PNG as its chunk holds it.
        detail: More that its format's decoder needs: the outline of a JPEG, the tags of a TIFF,
            of a grey PNG the level that is transparent.
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int
    end: int | None
    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    detail: Jpeg | Tags | int | None = None

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(data: bytes) -> Header | None:
    """Return the header of a file; None if it is of no type that is read here.

    The work is bounded by the length of the file, not by what it claims.

    Raises:
        ImageError: If the type is known, but the header is damaged or ambiguous, the file holds
            several pictures, or more parts than any useful picture.
    """
    for name, is_one, read in _READERS:
        if is_one(data):
            try:
                header = read(data)
            except (struct.error, IndexError) as error:
                raise ImageError(
                    f"expected a {name.upper()} file that tells its size, found a header that "
                    "ends too early; check the file"
                ) from error
            if min(header.width, header.height) < 1:
                raise ImageError(
                    f"expected a {name.upper()} file with pixels, found "
                    f"{header.width}x{header.height}; check the file"
                )
            return header
    return None


def check_size(width: int, height: int) -> None:
    """Refuse to decode more pixels than `LIMIT_VARIABLE` allows; 0 allows any number.

    Raises:
        ImageError: If they are more.
        UsageError: If the variable is no number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text or MAX_MEGAPIXELS)
        if not limit >= 0:
            raise ValueError("negative or not a number")
    except ValueError as error:
        raise UsageError(
            f"{LIMIT_VARIABLE}: expected megapixels, or 0 for no limit, found {text!r}"
        ) from error
    if limit and width * height > limit * 1e6:
        raise ImageError(
            f"expected at most {limit:g} megapixels, found {width}x{height}; allow more with "
            f"--max-megapixels or {LIMIT_VARIABLE} (0: any) if the file can be trusted"
        )


def png_pixels(data: bytes) -> bytes:
    """Return a PNG file with nothing but what its pixels need.

    Compressed texts and profiles can take gigabytes to read; no pixel depends on them.

    Raises:
        ImageError: If a checksum is wrong.
    """
    kept, place = [data[:8]], 8
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if not kind[0] & 0x20 or kind == b"tRNS":  # that bit says that a chunk is not critical
            kept.append(data[place:end])
            (checksum,) = struct.unpack_from(">I", data, end - 4)
            if zlib.crc32(memoryview(data)[place + 4 : end - 4]) != checksum:
                raise ImageError(
                    "expected a whole PNG file, found a wrong checksum in its part "
                    f"{kind.decode('latin-1')!a}; copy it again"
                )
        place = end if kind != b"IEND" else len(data)
    return b"".join(kept)


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise _wrong("PNG", "another first chunk than IHDR")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    stored = _PNG_CHANNELS.get(colour, 4)
    place, packed, end, exif, icc, xmp, level = 8, 0, None, b"", b"", b"", None
    for _ in range(_MOST_PNG_CHUNKS):
        if place + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"acTL" and struct.unpack_from(">I", data, place + 8)[0] > 1:
            raise _several("PNG")
        packed += length if kind == b"IDAT" else 0
        if kind == b"eXIf":
            exif = exif or data[place + 8 : place + 8 + length]
        if kind == b"iCCP":
            icc = icc or data[place + 8 : place + 8 + length]
        if kind == b"iTXt" and data.startswith(PNG_XMP, place + 8):
            xmp = xmp or data[place + 8 + len(PNG_XMP) : place + 8 + length]
        if kind == b"tRNS" and not colour and bits in (1, 2, 4, 8, 16):
            level = struct.unpack_from(">H", data, place + 8)[0] % (1 << bits)
            level *= 255 // ((1 << bits) - 1) if bits < 8 else 1  # as the decoder stretches
        place += 12 + length
        if kind == b"IEND":
            end = place if place <= len(data) else None
            break
    else:
        raise _wrong("PNG", f"more than {_MOST_PNG_CHUNKS} chunks")
    if height * (width * bits * stored // 8) > _DEFLATE * packed:
        end = None
    channels = 4 if colour == _PNG_COLOURS else stored
    return Header("png", width, height, channels, bits, end, exif, icc, xmp, level)


def _jpeg(data: bytes) -> Header:
    outline = read_jpeg(data)
    size = (outline.width, outline.height, outline.channels, outline.bits)
    return Header("jpeg", *size, outline.end, outline.exif, outline.icc, outline.xmp, outline)


def _webp(data: bytes) -> Header:
    """Return the largest of the canvas and the picture."""
    sizes: list[tuple[int, int]] = []
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    place, frames, channels, exif, icc, xmp = 12, 0, 3, b"", b"", b""
    for _ in range(_MOST_WEBP_CHUNKS):
        if place + 8 > min(end, len(data)):
            break
        kind, length = struct.unpack_from("<4sI", data, place)
        body = place + 8
        if kind == b"VP8X":
            sizes.append((_three(data, body + 4) + 1, _three(data, body + 7) + 1))
            channels = 4 if data[body] & 0x10 else 3
        elif kind == b"VP8 ":
            if data[body + 3 : body + 6] != b"\x9d\x01\x2a":
                raise _wrong("WebP", "no key frame")
            width, height = struct.unpack_from("<HH", data, body + 6)
            sizes.append((width & 0x3FFF, height & 0x3FFF))
            frames += 1
        elif kind == b"VP8L":
            bits = struct.unpack_from("<I", data, body + 1)[0]
            sizes.append(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
            channels = 4 if bits >> 28 & 1 else channels
            frames += 1
        elif kind == b"ANMF":
            sizes.append((_three(data, body + 6) + 1, _three(data, body + 9) + 1))
            frames += 1
        elif kind == b"EXIF":
            exif = exif or data[body : body + length]
        elif kind == b"ICCP":
            icc = icc or data[body : body + length]
        elif kind == b"XMP ":
            xmp = xmp or data[body : body + length]
        elif not sizes:
            raise _wrong("WebP", "a first chunk that is no picture")
        if frames > 1:
            raise _several("WebP")
        place = body + length + length % 2
    else:
        raise _wrong("WebP", f"more than {_MOST_WEBP_CHUNKS} chunks")
    if not sizes:
        raise _wrong("WebP", "no picture")
    width, height = (max(side) for side in zip(*sizes, strict=True))
    whole = end if end <= len(data) else None
    return Header("webp", width, height, channels, 8, whole, exif, icc, xmp)


def _bmp(data: bytes) -> Header:
    start, length = struct.unpack_from("<II", data, 10)
    layout, depth = ("<HH", 24) if length == 12 else ("<ii", 28)
    width, height = struct.unpack_from(layout, data, 18)
    width, height = abs(width), abs(height)  # a negative height means rows from the top
    bits = struct.unpack_from("<H", data, depth)[0]
    packing = 0 if length == 12 else struct.unpack_from("<I", data, 30)[0]
    end = start + (width * bits + 31) // 32 * 4 * height
    end = len(data) if packing in _RUN_LENGTHS else end  # the decoder notices where they end
    channels = {24: 3, 32: 4}.get(bits, 3)
    return Header("bmp", width, height, channels, 8, end if end <= len(data) else None)


def _tiff(data: bytes) -> Header:
    """Return the larger of the picture and of its tiles."""
    tags = find_picture(data)
    width, height = tags.number(WIDTH), tags.number(HEIGHT)
    samples = tags.number(SAMPLES, 1)
    if not 0 < samples <= _MOST_CHANNELS:
        raise ImageError(
            f"expected a TIFF file of one to four channels, found {samples}; extract those that "
            "are wanted, for example with gdal_translate"
        )
    bits = max(tags.numbers(BITS, most=samples)) if BITS in tags else 1
    if min(width, height) > 0:
        width = max(width, tags.number(TILE_WIDTH, 1))
        height = max(height, tags.number(TILE_HEIGHT, 1))
    return Header("tiff", width, height, samples, bits, len(data), detail=tags)


def _three(data: bytes, place: int) -> int:
    """Return three bytes as a number."""
    if place + 3 > len(data):
        raise IndexError("the file ends")
    return int.from_bytes(data[place : place + 3], "little")


def _wrong(name: str, found: str) -> ImageError:
    return ImageError(f"expected a {name} file that tells its size, found {found}; check the file")


def _several(name: str) -> ImageError:
    return ImageError(
        f"expected one picture, found a {name} file of several frames; save each as its own file"
    )


_READERS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], Header]], ...] = (
    ("png", lambda data: data.startswith(_PNG), _png),
    ("jpeg", lambda data: data.startswith(FIRST_BYTES), _jpeg),
    ("tiff", is_tiff, _tiff),
    ("webp", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    ("bmp", lambda data: data.startswith(b"BM"), _bmp),
)
