"""The directories of a TIFF file: its tags, read strictly before any pixel is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from piafusion.errors import ImageError, system_reason

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

WIDTH, HEIGHT, BITS, SAMPLES, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 277, 322, 323
PHOTOMETRIC, ORIENTATION = 262, 274
NO_DATA = 42113  # of GDAL: a number as text
_SUBFILE_TYPE = 254
# Pixel scale, tie points, transformation and keys of GeoTIFF; no-data value; RPC coefficients.
GEOREFERENCE = {33550, 33922, 34264, 34735, 34736, 34737, NO_DATA, 50844}
_MASK = 0b100  # subfile type of a mask in full size
_REDUCED_OR_MASK = 0b101  # bits of the subfile type: an overview of another page, or its mask
_LARGE_PIXELS = 2**24  # pictures of so many pixels are read in windows
_MOST_ENTRIES = 512  # in a directory
_MOST_DIRECTORIES = 64  # overviews and masks halve: 32 of each are more than any picture has
# Bytes of each type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_LONGEST = 2**24  # bytes of a value that is no number
# Types of whole numbers; 7 is bytes of any meaning, 13 the place of a directory.
_TYPES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I"}

Read = Callable[[int, int], bytes]
"""Returns so many bytes from a place in a file; fewer at its end."""


class Tags:
    """The entries of one directory; a value is read from the file when it is needed."""

    def __init__(self, read: Read, order: str, *, big: bool) -> None:
        """Begin without entries; `order` is < or >, `big` says BigTIFF."""
        self._read = read
        self.big = big
        self.order = order
        self._room, self._count, self._long = (8, "Q", "Q") if big else (4, "H", "I")
        self._types = {**_TYPES, 16: "Q"} if big else _TYPES
        self.mask: Tags | None = None
        """The directory of the mask that says where the picture has data."""
        self.fields: dict[int, tuple[int, int, bytes]] = {}
        """By tag: its type, how many values it has, and they or their place, as the file has it."""

    def __contains__(self, tag: object) -> bool:
        return tag in self.fields

    def load(self, place: int) -> int:
        """Read the directory at a place and return that of the next one, 0 after the last."""
        head = struct.calcsize(f"={self._count}")
        layout = f"{self.order}HH{self._long}{self._room}s"
        size = struct.calcsize(layout)
        try:
            (count,) = struct.unpack(self.order + self._count, self._read(place, head))
            if not 0 < count <= _MOST_ENTRIES:
                raise _wrong(f"a directory of {count} entries")
            body = self._read(place + head, count * size + self._room)
            (following,) = struct.unpack_from(self.order + self._long, body, count * size)
        except struct.error as error:
            raise _wrong("a directory outside") from error
        for tag, kind, number, field in struct.iter_unpack(layout, body[: count * size]):
            if tag in self.fields:
                raise _wrong(f"the tag {tag} twice")
            self.fields[tag] = (kind, number, field)
        return int(following)

    def sibling(self) -> Tags:
        """Return another directory of the same file, without entries."""
        return Tags(self._read, self.order, big=self.big)

    def number(self, tag: int, default: int | None = None) -> int:
        """Return the only number of a tag.

        Raises:
            ImageError: If the tag is missing without a default, or is not one whole number.
        """
        if tag not in self and default is not None:
            return default
        values = self.numbers(tag, most=2)
        if len(values) != 1:
            raise _wrong(f"several values for the tag {tag}")
        return values[0]

    def numbers(self, tag: int, most: int) -> tuple[int, ...]:
        """Return the first `most` numbers of a tag, fewer if it has fewer.

        Raises:
            ImageError: If the tag is missing, holds none or another type, or lies outside.
        """
        kind, count, field = self.fields.get(tag, (0, 0, b""))
        if not count or kind not in self._types:
            raise _wrong(f"no number for the tag {tag}")
        count, letter = min(count, most), self._types[kind]
        size = struct.calcsize(f"={letter}")
        if self.fields[tag][1] * size > self._room:  # the field holds its place
            (place,) = struct.unpack(self.order + self._long, field)
            field = self._read(place, count * size)
        if len(field) < count * size:
            raise _wrong(f"the values of the tag {tag} outside the file")
        return struct.unpack_from(f"{self.order}{count}{letter}", field)

    def value(self, tag: int) -> tuple[int, int, bytes]:
        """Return the type of a tag, how many values it has, and their bytes.

        Raises:
            ImageError: If they are of an unknown type, too long or outside of the file.
        """
        kind, count, field = self.fields[tag]
        size = count * _SIZES.get(kind, _LONGEST + 1)
        if size > _LONGEST:
            raise _wrong(f"a value of {size} bytes for the tag {tag}")
        if size > self._room:
            (place,) = struct.unpack(self.order + self._long, field)
            field = self._read(place, size)
        if len(field) < size:
            raise _wrong(f"the values of the tag {tag} outside the file")
        return kind, count, field[:size]

    def pictured(self) -> bool:
        """Tell whether this is a page, no overview or mask of another."""
        return not self.number(_SUBFILE_TYPE, 0) & _REDUCED_OR_MASK


def wants_windows(visible: Path, output: Path) -> bool:
    """Tell whether a pair is for `Fuser.fuse_rasters`: TIFF to TIFF, georeferenced or large.

    A large one without georeference can be read as a whole too, and is where rasterio is not
    installed. A file that is missing, damaged or no TIFF is for nothing.
    """
    if not {visible.suffix.lower(), output.suffix.lower()} <= TIFF_SUFFIXES:
        return False
    try:
        with visible.open("rb") as file:
            tags = _first(_reader(file.seek, file.read))[0]
            if any(tag in tags for tag in GEOREFERENCE):
                return True
            large = tags.number(WIDTH) * tags.number(HEIGHT) >= _LARGE_PIXELS and not _odd(tags)
    except (OSError, ImageError):
        return False
    return large and find_spec("rasterio") is not None


def check_for_windows(path: Path) -> None:
    """Raise `ImageError` if a file is a TIFF whose windows are not what it shows.

    So it is with several pages, directories that cannot be followed, white that is zero, and an
    orientation, which GDAL passes over.
    """
    try:
        with path.open("rb") as file:
            if not is_tiff(file.read(4)):
                return
            odd = _odd(_find(_reader(file.seek, file.read)))
            if odd:
                raise ImageError(
                    f"expected a TIFF file whose pixels lie there as they are shown, found {odd}; "
                    "save it anew without that"
                )
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except OSError as error:
        reason = system_reason(error)
        raise ImageError(f"{path}: expected a readable image file, found: {reason}") from error


def _odd(tags: Tags) -> str:
    """Return what makes the pixels others than those that lie in the file."""
    if tags.number(PHOTOMETRIC, 1) == 0:
        return "white that is zero"
    return "an orientation" if tags.number(ORIENTATION, 1) in range(2, 9) else ""


def is_tiff(data: bytes) -> bool:
    """Tell TIFF and BigTIFF by their first bytes."""
    return data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def find_picture(data: bytes) -> Tags:
    """Return the tags of the only page of a TIFF or BigTIFF file; overviews and masks are none.

    Raises:
        ImageError: If there are several pages, or the directories are damaged or too many.
    """
    return _find(lambda place, size: data[place : place + size])


def exif_orientation(exif: bytes) -> int:
    """Return how the picture that EXIF data belong to has to be turned, as `arrays.turned` does.

    It is 1, not at all, where they are damaged or say nothing.
    """
    data = exif.removeprefix(b"Exif\x00\x00") + bytes(8)  # some end without the last link
    try:
        return _first(lambda place, size: data[place : place + size])[0].number(ORIENTATION, 1)
    except ImageError:
        return 1


def find_page(file: BinaryIO) -> Tags:
    """Return what `find_picture` does, from an opened file."""
    return _find(_reader(file.seek, file.read))


def first_directory(file: BinaryIO) -> tuple[Tags, int]:
    """Return the first directory of an opened file, and the place of the next one, or 0."""
    return _first(_reader(file.seek, file.read))


def _find(read: Read) -> Tags:
    tags, place = _first(read)
    page = tags if tags.pictured() else None
    for _ in range(_MOST_DIRECTORIES):
        if not place:
            return page or tags
        other = tags.sibling()
        place = other.load(place)
        if other.pictured():
            if page:
                raise ImageError(
                    "expected one picture, found a TIFF file of two pages or more; save each as "
                    "its own file"
                )
            page = other
        elif page and other.number(_SUBFILE_TYPE, 0) == _MASK:
            page.mask = page.mask or other
    raise _wrong(f"more than {_MOST_DIRECTORIES} directories")


def _first(read: Read) -> tuple[Tags, int]:
    """Return the first directory and where the next one is."""
    start = read(0, 16)
    if not is_tiff(start):
        raise _wrong("another beginning")
    order, big = "<" if start.startswith(b"II") else ">", b"+" in start[2:4]
    layout, place = (f"{order}Q", 8) if big else (f"{order}I", 4)
    try:
        (place,) = struct.unpack_from(layout, start, place)
    except struct.error as error:
        raise _wrong("a header that ends too early") from error
    tags = Tags(read, order, big=big)
    return tags, tags.load(place)


def _reader(seek: Callable[[int], int], read: Callable[[int], bytes]) -> Read:
    def at(place: int, size: int) -> bytes:
        if place >= 2**63:  # more than a file can have
            return b""
        try:
            seek(place)
        except OSError:  # more than one can have on this file system
            return b""
        return read(size)

    return at


def _wrong(found: str) -> ImageError:
    return ImageError(f"expected a TIFF file that can be followed, found {found}; check the file")
