"""What a TIFF file says of itself before its pixels are read."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

_WIDTH, _HEIGHT = 256, 257
# Pixel scale, tie points, transformation and keys of GeoTIFF; no-data value; RPC coefficients.
_GEOREFERENCE = {33550, 33922, 34264, 34735, 42113, 50844}
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


def _first(value: int, kind: int, order: str, size: int) -> int:
    """Return a whole number from the field of `size` bytes that it lies in; 3 is a short one."""
    return value >> 8 * (size - 2) if kind == 3 and order == ">" else value
