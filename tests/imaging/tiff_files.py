"""TIFF files of any layout, written by hand: also those that no library would write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

Entry = tuple[int, str, tuple[int, ...]]
_KINDS = {"B": 1, "H": 3, "I": 4, "Q": 16, "f": 11}


def tiff(
    image: np.ndarray,
    more: Sequence[Entry] = (),
    *,
    order: str = "<",
    big: bool = False,
    separate: bool = False,
    block: tuple[int, int] | None = None,
    rows: int | None = None,
    deflate: bool = False,
    segments: list[bytes] | None = None,
    behind: np.ndarray | None = None,
) -> bytes:
    """Return a TIFF file of H x W or H x W x C pixels.

    Args:
        image: Of any dtype.
        more: Entries (tag, struct's letter, values) that are added or take others' place.
        order: < or >.
        big: BigTIFF.
        separate: One plane after the other.
        block: Height and width of tiles; strips by default.
        rows: Of a strip; all by default.
        deflate: Compress.
        segments: The bytes of strips or tiles, in place of the image's.
        behind: A second picture.
    """
    out = bytearray(
        (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    )
    out += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8)
    link = None
    for pixels in (image, behind) if behind is not None else (image,):
        if link is not None:
            out[link : link + (8 if big else 4)] = struct.pack(order + "IQ"[big], len(out))
        parts = _segments(pixels, order, separate, block, rows)
        parts = [zlib.compress(part) for part in parts] if deflate else parts
        entries = _entries(pixels, separate, block, rows, deflate)
        entries |= {tag: (letter, values) for tag, letter, values in more if behind is not pixels}
        link = _write(out, entries, segments or parts, order, big, bool(block))
    return bytes(out)


def chain(count: int, subfile: int = 0) -> bytes:
    """Return a TIFF file of so many directories that share one strip; the first is a page."""
    out = bytearray(b"II*\0" + struct.pack("<I", 72) + bytes(64))
    for index in range(count):
        entries = [(254, 4, 1, subfile if index else 0), (256, 4, 1, 8), (257, 4, 1, 8),
                   (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)]  # fmt: skip
        out += struct.pack("<H", len(entries))
        out += b"".join(struct.pack("<HHII", *entry) for entry in entries)
        out += struct.pack("<I", len(out) + 4 if index + 1 < count else 0)
    return bytes(out)


def _segments(
    image: np.ndarray,
    order: str,
    separate: bool,
    block: tuple[int, int] | None,
    rows: int | None,
) -> list[bytes]:
    image = image.astype(image.dtype.newbyteorder(order))
    planes = [image] if image.ndim == 2 or not separate else list(np.moveaxis(image, 2, 0))
    parts = []
    for plane in planes:
        height, width = plane.shape[:2]
        tall, wide = block or (rows or height, width)
        for row in range(0, height, tall):
            for column in range(0, width, wide):
                part = plane[row : row + tall, column : column + wide]
                if block:
                    room = [(0, tall - part.shape[0]), (0, wide - part.shape[1]), (0, 0)]
                    part = np.pad(part, room[: part.ndim])
                parts.append(part.tobytes())
    return parts


def _entries(
    image: np.ndarray,
    separate: bool,
    block: tuple[int, int] | None,
    rows: int | None,
    deflate: bool,
) -> dict[int, tuple[str, tuple[int, ...]]]:
    height, width = image.shape[:2]
    samples = image.shape[2] if image.ndim == 3 else 1
    entries: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", (8 * image.itemsize,) * samples),
        259: ("H", (8 if deflate else 1,)),
        262: ("H", (2 if samples >= 3 else 1,)),
        277: ("H", (samples,)),
        284: ("H", (2 if separate else 1,)),
        339: ("H", ({"u": 1, "i": 2, "f": 3}[image.dtype.kind],) * samples),
    }
    if samples in (2, 4):
        entries[338] = ("H", (2,))
    if block:
        return entries | {322: ("I", (block[1],)), 323: ("I", (block[0],))}
    return entries | {278: ("I", (rows or height,))}


def _write(
    out: bytearray,
    entries: dict[int, tuple[str, tuple[int, ...]]],
    parts: list[bytes],
    order: str,
    big: bool,
    tiled: bool,
) -> int:
    """Append a directory, its values and its pixels; return where its link to the next one is."""
    places, sizes = (324, 325) if tiled else (273, 279)
    given = places in entries
    entries = {places: ("I", (0,) * len(parts)), sizes: ("I", tuple(map(len, parts)))} | entries
    count, entry, room = (8, "HHQ", 8) if big else (2, "HHI", 4)
    start = len(out)
    size = struct.calcsize("=" + entry) + room
    link = start + count + size * len(entries)
    values = bytearray()
    tail = link + room

    def field(letter: str, numbers: tuple[int, ...]) -> bytes:
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(packed) <= room:
            return packed.ljust(room, b"\0")
        place = tail + len(values)
        values.extend(packed)
        return struct.pack(order + "IQ"[big], place)

    total = sum(
        size for letter, numbers in entries.values()
        if (size := struct.calcsize(f"={len(numbers)}{letter}")) > room
    )  # fmt: skip
    if not given:
        ends = np.cumsum([tail + total, *map(len, parts)])
        entries[places] = ("I", tuple(int(end) for end in ends[: len(parts)]))
    out += struct.pack(order + "HQ"[big], len(entries))
    for tag in sorted(entries):
        letter, numbers = entries[tag]
        out += struct.pack(order + entry, tag, _KINDS[letter], len(numbers))
        out += field(letter, numbers)
    out += bytes(room) + values + b"".join(parts)
    return link
