"""What a TIFF file says of itself before its pixels are read."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

_WIDTH, _HEIGHT = 256, 257
# Pixel scale, tie points, transformation and keys of GeoTIFF; no-data value; RPC coefficients.
_GEOREFERENCE = {33550, 33922, 34264, 34735, 42113, 50844}
_NEW_SUBFILE_TYPE = 254
_REDUCED_OR_MASK = 0b101  # bits of its value: an overview of another page, or its mask
_LARGE_PIXELS = 2**24  # from here on windows are worth more than one reading


def wants_windows(visible: Path, output: Path) -> bool:
    """Tell whether a pair is for `Fuser.fuse_rasters`: TIFF to TIFF, georeferenced or large.

    A large one without georeference can be read as a whole too, and is where rasterio is not
    installed.
    """
    if not {visible.suffix.lower(), output.suffix.lower()} <= TIFF_SUFFIXES:
        return False
    tags = read_tags(visible)
    if tags.keys() & _GEOREFERENCE:
        return True
    large = tags.get(_WIDTH, 0) * tags.get(_HEIGHT, 0) >= _LARGE_PIXELS
    return large and find_spec("rasterio") is not None


def read_tags(path: Path) -> dict[int, int]:
    """Return the tags of a TIFF or BigTIFF file's first picture.

    A tag's value is right where it is one whole number; others have a number without meaning. A
    file that is missing, damaged or no TIFF has no tags.
    """
    try:
        with path.open("rb") as file:
            order = {b"II": "<", b"MM": ">"}[file.read(2)]
            big = struct.unpack(f"{order}H", file.read(2)) == (43,)
            offset, count, entry = ("4xQ", "Q", "HHQQ") if big else ("I", "H", "HHII")

            def read(layout: str) -> tuple[int, ...]:
                return struct.unpack(order + layout, file.read(struct.calcsize(order + layout)))

            file.seek(*read(offset))
            tags = {}
            for _ in range(*read(count)):
                tag, kind, _, value = read(entry)
                tags[tag] = _first(value, kind, order, 8 if big else 4)
            return tags
    except (OSError, KeyError, struct.error):
        return {}


def is_tiff(data: bytes) -> bool:
    """Tell TIFF and BigTIFF by their first bytes."""
    return data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def count_pages(data: bytes) -> int:
    r"""Count the pictures in a TIFF or BigTIFF file; overviews and masks are none.

    >>> count_pages(b"II*\x00\x08\x00\x00\x00" + bytes(6))
    1
    """
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(data[place : place + size], order)

    # Sizes of an offset, of the count of entries and of an entry: BigTIFF, then TIFF.
    offset, count, entry = (8, 8, 20) if number(2, 2) == 43 else (4, 2, 12)
    directory, seen, pages = number(offset, offset), set[int](), 0
    while directory and directory not in seen and directory < len(data):
        seen.add(directory)
        first, entries = directory + count, number(directory, count)
        end = first + min(entries, (len(data) - first) // entry) * entry
        kinds = [
            number(place + entry - offset, 4)
            for place in range(first, end, entry)
            if number(place, 2) == _NEW_SUBFILE_TYPE
        ]
        pages += not any(kind & _REDUCED_OR_MASK for kind in kinds)
        directory = number(end, offset)
    return pages


def _first(value: int, kind: int, order: str, size: int) -> int:
    """Return a whole number from the field of `size` bytes that it lies in; 3 is a short one."""
    return value >> 8 * (size - 2) if kind == 3 and order == ">" else value
