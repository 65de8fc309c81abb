"""PNG, JPEG, WebP and BMP files, also those that no library would write."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np


def encoded(suffix: str, image: np.ndarray, *settings: int) -> bytes:
    done, data = cv2.imencode(suffix, image, settings)
    assert done
    return data.tobytes()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int,
    height: int,
    rows: bytes,
    *,
    bits: int = 8,
    colour: int = 0,
    interlaced: bool = False,
    extra: bytes = b"",
) -> bytes:
    """Return a PNG file whose rows, filters and all, may be too few; `extra` are chunks."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    if colour == 3:
        extra = png_chunk(b"PLTE", bytes(range(256))[: 3 << bits] * (3 if bits == 8 else 1)) + extra
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", header), extra, pixels, png_chunk(b"IEND", b"")]
    )


def bmp(
    bits: int, packing: int, pixels: bytes, width: int, height: int, *, top: bool = False
) -> bytes:
    """Return a BMP file; `packing` 1 and 2 are run lengths, `top` begins with the first row."""
    colours = b"".join(bytes([n, n, n, 0]) for n in range(1 << bits)) if bits <= 8 else b""
    start = 54 + len(colours)
    head = struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    size = struct.pack("<IiiHH", 40, width, -height if top else height, 1, bits)
    more = struct.pack("<IIiiII", packing, len(pixels), 0, 0, len(colours) // 4, 0)
    return b"BM" + head + size + more + colours + pixels


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    data = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for kind, body in chunks
    )
    return b"RIFF" + struct.pack("<I", len(data)) + data


def jpeg_of_scans(count: int) -> bytes:
    """Return a progressive JPEG file that repeats its last scan."""
    data = encoded(".jpg", np.zeros((16, 16), np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"
