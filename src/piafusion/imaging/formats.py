"""Formats of picture files: those that are built in, and the readers of plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import cv2

from piafusion.errors import UsageError
from piafusion.imaging.arrays import Image
from piafusion.plugins import load_plugins

PLUGINS = "piafusion.readers"
"""The entry point group in which other packages offer readers."""

ReadFile: TypeAlias = Callable[[Path], Image]
"""Takes the path of a file and returns its picture: H x W or H x W x 3 RGB."""

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


def register_reader(suffixes: Iterable[str], read: ReadFile) -> None:
    """Add a reader for files of another format to this process.

    `read_image`, `read_infrared`, `Fuser` and the pairing of folders then take such files. A
    package that is installed adds its reader to every process and to the command line by an entry
    point in the group `piafusion.readers`: any name, and an object, such as a module, that has
    `suffixes` and `read`.

    Args:
        suffixes: Suffixes with the dot, such as [".raw"]; upper and lower case are the same.
        read: Takes the path of a file and returns its picture as a NumPy array, H x W or
            H x W x 3 RGB: uint8, uint16 or float in [0, 1]; an infrared picture may hold any
            numbers, such as degrees, if a tone is chosen for them.

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
        if suffix in _readers or suffix in FORMATS:
            raise UsageError(f"expected a new suffix, found {suffix!r}, which has a reader already")
    _readers.update(dict.fromkeys(suffixes, read))


def find_reader(path: Path) -> ReadFile | None:
    """Return the reader of a plug-in for a file; None if it is for the built-in formats."""
    suffix = path.suffix.lower()
    if suffix in FORMATS or not suffix:
        return None
    _load_readers()
    return _readers.get(suffix)


def is_readable(path: Path) -> bool:
    """Tell whether a file's suffix is that of a format that is built in or that a plug-in reads."""
    return path.suffix.lower() in FORMATS or find_reader(path) is not None


def known_suffixes() -> list[str]:
    """Return the suffixes of all formats that can be read, sorted."""
    _load_readers()
    return sorted({*FORMATS, *_readers})


@cache
def _load_readers() -> None:
    for name, plugin in load_plugins(PLUGINS, "a reader"):
        if not hasattr(plugin, "suffixes") or not hasattr(plugin, "read"):
            raise UsageError(
                f"{name}: expected an object with suffixes and read for the entry point of "
                f"{PLUGINS}, found a {type(plugin).__name__} without them; repair or uninstall "
                "that package"
            )
        register_reader(plugin.suffixes, plugin.read)
