"""Formats of picture files: those that are built in, those of thermal cameras, and plug-ins'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.arrays import Image
from piafusion.imaging.jpeg import FIRST_BYTES, read_jpeg
from piafusion.plugins import load_plugins

PLUGINS = "piafusion.readers"
"""The entry point group in which other packages offer readers."""

ReadFile: TypeAlias = Callable[[Path], Image]
"""Takes the path of a file and returns its picture: H x W or H x W x 3 RGB."""

Matrix: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Photo:
    """The pictures in one file of a thermal camera.

    Attributes:
        infrared: H x W: float32 degrees Celsius or counts, or levels of the dtype's range.
        unit: The unit of its values.
        visible: H x W or H x W x 3 RGB of any size; None if the file has none.
        mapping: 3 x 3, from visible pixels to infrared pixels as in `Alignment`; None if the file
            does not tell.
        note: A line for the user about how it was read.
        conditions: The values that the temperatures were computed with, by the names of
            `piafusion.imaging.conditions.LIMITS`; empty if that is not known.
    """

    infrared: Image
    unit: Literal["celsius", "counts", "levels"]
    visible: Image | None = None
    mapping: Matrix | None = None
    note: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)

    def both(self) -> tuple[Image, Image]:
        """Return the infrared and the visible picture; `ImageError` if the file has not both."""
        if self.visible is None:
            raise ImageError(
                "expected a photo that holds its visible picture too, found the infrared one "
                "alone; give the visible file as well, and --align auto if it shows another view"
            )
        return self.infrared, self.visible


ReadPhoto: TypeAlias = Callable[[bytes], Photo]
"""Takes the content of a file and returns its pictures."""

Recognise: TypeAlias = Callable[[bytes], bool]
"""Tells by the content of a file whether a reader is the right one."""

# Suffix -> dtypes that the format holds, and the settings of its encoder.
_ANY_INTEGER, _BYTES, _FLOATS = ("uint8", "uint16"), ("uint8",), ("float32", "float64")
FORMATS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    ".png": (_ANY_INTEGER, ()),
    ".tif": ((*_ANY_INTEGER, *_FLOATS), ()),
    ".tiff": ((*_ANY_INTEGER, *_FLOATS), ()),
    ".jpg": (_BYTES, (cv2.IMWRITE_JPEG_QUALITY, 95)),
    ".jpeg": (_BYTES, (cv2.IMWRITE_JPEG_QUALITY, 95)),
    ".bmp": (_BYTES, ()),
    ".webp": (_BYTES, (cv2.IMWRITE_WEBP_QUALITY, 101)),  # above 100: lossless
}
IMAGE_SUFFIXES = frozenset(FORMATS)
"""Suffixes of the formats that are read and written without a plug-in."""

_readers: dict[str, ReadFile] = {}
_photo_readers: list[tuple[Recognise, ReadPhoto]] = []
_photo_suffixes: set[str] = set()


def register_reader(
    suffixes: Iterable[str],
    read: ReadFile | ReadPhoto,
    recognises: Recognise | None = None,
) -> None:
    """Add a reader for files of another format to this process.

    `read_image`, `read_infrared`, `Fuser` and the pairing of folders then take such files. A
    package that is installed adds its reader to every process and to the command line by an entry
    point in the group `piafusion.readers`: any name, and an object, such as a module, that has
    `suffixes` and `read`, and `recognises` if it reads photos of thermal cameras.

    Args:
        suffixes: Suffixes with the dot, such as [".raw"]; upper and lower case are the same.
        read: Takes the path of a file and returns its picture as a NumPy array, H x W or
            H x W x 3 RGB: uint8, uint16 or float in [0, 1]; an infrared picture may hold any
            numbers, such as degrees, if a tone is chosen for them. With `recognises`, it takes
            the content of the file and returns a `piafusion.imaging.formats.Photo`.
        recognises: Takes the content of a file and tells whether this reader is the right one,
            for photos of thermal cameras: their suffix, .jpg for most, does not tell.

    Raises:
        UsageError: If a suffix has no dot or already has a reader, or `read` is no function.
    """
    if isinstance(suffixes, str):
        suffixes = [suffixes]
    suffixes = [suffix.lower() for suffix in suffixes]
    if not callable(read):
        raise UsageError(
            f"{', '.join(suffixes)}: expected a function of a file's path, found "
            f"{type(read).__name__}; see piafusion.register_reader"
        )
    for suffix in suffixes:
        if not suffix.startswith(".") or len(suffix) == 1:
            raise UsageError(f"expected suffixes such as .raw, found {suffix!r}; begin with a dot")
        if recognises is None and (suffix in _readers or suffix in FORMATS):
            raise UsageError(f"expected a new suffix, found {suffix!r}, which has a reader already")
    if recognises is None:
        _readers.update(dict.fromkeys(suffixes, cast("ReadFile", read)))
    else:
        _photo_readers.append((recognises, cast("ReadPhoto", read)))
        _photo_suffixes.update(set(suffixes) - FORMATS.keys())


def find_reader(path: Path) -> ReadFile | None:
    """Return the reader of a plug-in for a file; None if it is for the built-in formats."""
    suffix = path.suffix.lower()
    if suffix in FORMATS or not suffix:
        return None
    _load_readers()
    return _readers.get(suffix)


def find_photo_reader(data: bytes, *, plug_ins: bool = False) -> ReadPhoto | None:
    """Return the reader for the content of a file, if it is a photo of a thermal camera.

    Args:
        data: The content.
        plug_ins: Ask the readers of installed packages too, which takes time to look them up;
            those that were registered in this process or looked up before are always asked.
    """
    if plug_ins:
        _load_readers()
    for recognises, read in _photo_readers:
        if recognises(data):
            return read
    if not data.startswith(FIRST_BYTES):
        return None
    try:
        outline = read_jpeg(data)
    except ImageError:
        return None
    if outline.flir:
        from piafusion.imaging import flir  # other pictures start without it

        return flir.read
    if outline.app3 and len(outline.app3) == 2 * outline.width * outline.height:
        from piafusion.imaging import dji

        return dji.read
    return None


def is_readable(path: Path) -> bool:
    """Tell whether a file's suffix is that of a format that is built in or that a plug-in reads."""
    if path.suffix.lower() in FORMATS or find_reader(path) is not None:
        return True
    return path.suffix.lower() in _photo_suffixes


def known_suffixes() -> list[str]:
    """Return the suffixes of all formats that can be read, sorted."""
    _load_readers()
    return sorted({*FORMATS, *_readers, *_photo_suffixes})


@cache
def _load_readers() -> None:
    for name, plugin in load_plugins(PLUGINS, "a reader"):
        if not hasattr(plugin, "suffixes") or not hasattr(plugin, "read"):
            raise UsageError(
                f"{name}: expected an object with suffixes and read for the entry point of "
                f"{PLUGINS}, found a {type(plugin).__name__} without them; repair or uninstall "
                "that package"
            )
        register_reader(plugin.suffixes, plugin.read, getattr(plugin, "recognises", None))
