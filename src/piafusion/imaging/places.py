"""Files on a disk, or behind a URL that fsspec can open.

A URL becomes a `UPath` of universal_pathlib. It has the methods of `pathlib.Path` that are needed
here, so the code that lists, matches and checks files works for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from piafusion.errors import (
    ImageError,
    MissingExtraError,
    OutputError,
    PiafusionError,
    StorageError,
)
from piafusion.files import is_temporary_of, temporary_beside, write_bytes
from piafusion.files import sha256 as _sha256

# A file there appears complete or not at all.
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss"})


def is_url(place: Path | str) -> bool:
    """Return whether a place is a URL such as `s3://bucket/name`, and not a path.

    >>> is_url("s3://bucket/ir"), is_url("data/ir")
    (True, False)
    """
    return "://" in str(place)


def as_path(place: str) -> Path:
    """Return the path of a place; `file://` means this machine.

    Args:
        place: A path, or a URL with a protocol that fsspec supports.

    Raises:
        MissingExtraError: If fsspec or the package for the protocol is not installed.
    """
    if not is_url(place):
        return Path(place)
    try:
        from upath import UPath
    except ImportError as error:
        raise MissingExtraError(
            f"{place}: expected the packages for object storage, found no {error.name}; "
            "run: pip install 'piafusion[ray]'"
        ) from error
    protocol = urlsplit(place).scheme
    try:
        path = UPath(place)
        _ = path.fs
    except (ImportError, ValueError) as error:  # fsspec says what to install
        raise MissingExtraError(
            f"{place}: expected a file system for {protocol}://, found none "
            f"({' '.join(str(error).split())}); install it on every machine"
        ) from error
    return Path(path.path) if protocol == "file" else cast(Path, path)


def fetch(source: Path, folder: Path) -> Path:
    """Return a local file with the content of a source; copy it only if it is behind a URL.

    Raises:
        ImageError: If it cannot be read.
    """
    if not is_url(source):
        return source
    copy = folder / source.name
    try:
        folder.mkdir(exist_ok=True)
        copy.write_bytes(source.read_bytes())
    except Exception as error:  # each file system has its own errors
        raise ImageError(
            f"{source}: expected a readable image file, found: {_reason(error)}"
        ) from error
    return copy


def store(path: Path, data: bytes) -> None:
    """Write a file, complete or not at all; an existing one is replaced.

    Raises:
        OutputError: If it cannot be written.
    """
    if not is_url(path):
        write_bytes(path, data)
        return
    atomic = urlsplit(str(path)).scheme in _OBJECT_STORES
    temporary = temporary_beside(path)
    try:
        if atomic:
            path.write_bytes(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            files = cast(Any, path).fs
            files.mv(cast(Any, temporary).path, cast(Any, path).path)
    except Exception as error:  # each file system has its own errors
        if not atomic:
            with suppress(Exception):
                temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: could not be written ({_reason(error)}); check the address and the rights"
        ) from error


def sweep(outputs: Sequence[Path]) -> None:
    """Remove the temporary files of these outputs, after their writers have ended."""
    names: dict[Path, set[str]] = {}
    for output in outputs:
        names.setdefault(output.parent, set()).add(output.name)
    for folder in names:
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if any(is_temporary_of(path.name, name) for name in names[folder]):
                path.unlink(missing_ok=True)


@contextmanager
def reachable(*places: Path) -> Iterator[None]:
    """Turn errors of file systems behind URLs into one that names the place.

    Raises:
        StorageError: If one of these places is behind a URL and cannot be used.
    """
    try:
        yield
    except PiafusionError:
        raise
    except Exception as error:
        urls = [str(place) for place in places if is_url(place)]
        if not urls:
            raise
        raise StorageError(
            f"{', '.join(urls)}: expected access, found: {_reason(error)}; check the "
            "address, the rights and the network"
        ) from error


def sha256(path: Path) -> str:
    """Return the hash of a local file.

    Raises:
        ImageError: If it cannot be read.
    """
    try:
        return _sha256(path)
    except OSError as error:
        raise ImageError(
            f"{path}: expected a readable image file, found: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    found = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(found).split()).lower()
