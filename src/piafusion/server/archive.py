"""Zip files of pairs: read without unpacking anything to disk, written piece by piece."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, TypeAlias
from unicodedata import normalize

from piafusion.errors import ImageError
from piafusion.imaging.formats import IMAGE_SUFFIXES
from piafusion.imaging.pairs import INFRARED_MARKS, VISIBLE_MARKS, Match, by_key, find_match
from piafusion.server.problems import HttpProblem
from piafusion.server.settings import ServerSettings

_SIGNATURE = b"PK\x01\x02"  # of an entry of the directory
_ENTRY = 46  # its bytes, without the name
_LONGEST_NAME = 512
_TAIL = 2**16 + 22  # bytes, at most, in which the record at the end is looked for
_MOST_UNPACKED = 16  # times the largest request
_SIDES = (frozenset(INFRARED_MARKS), frozenset(VISIBLE_MARKS))  # names of folders
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


_Stems: TypeAlias = dict[str, list[zipfile.ZipInfo]]


@dataclass(frozen=True)
class ZippedPair:
    """Two entries of one scene, or why there are no two; the stem names the fused picture."""

    stem: str
    infrared: zipfile.ZipInfo | None
    visible: zipfile.ZipInfo | None
    problem: str | None = None


class PairArchive:
    """The pairs of a zip, as its directory lists them."""

    def __init__(
        self, file: IO[bytes], settings: ServerSettings, names: Match | None = None
    ) -> None:
        """Read the directory.

        Args:
            file: The zip.
            settings: Its limits.
            names: How the names of a pair differ; by default they are equal without the suffix.

        Raises:
            HttpProblem: If it is no zip, has too many entries, names that lead out of it, or no
                pair.
        """
        self._settings = settings
        most = 4 * settings.max_pairs + 16  # room for folders and hidden files
        limited = _Limited(file, most)
        try:
            self._zip = zipfile.ZipFile(limited)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as e:
            raise _no_zip(str(e)) from e
        limited.most = None
        entries = self._zip.infolist()
        if len(entries) > most:
            raise _too_many(most)
        self._check_sizes(entries)
        self.pairs = list(_matched(entries, names or Match()))
        if not any(pair.problem is None for pair in self.pairs):
            raise _no_pairs(entries)
        if len(self.pairs) > settings.max_pairs:
            raise _too_many(settings.max_pairs)

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        """Refuse a zip that becomes too large unpacked; no more than the stated sizes is read."""
        most, sizes = self._settings.max_bytes, [entry.file_size for entry in entries]
        if max(sizes, default=0) > most or sum(sizes) > _MOST_UNPACKED * most:
            raise HttpProblem(
                413,
                "too-large",
                f"expected pictures of at most {self._settings.max_megabytes:g} MiB and "
                f"{_MOST_UNPACKED} times as much in all, found {max(sizes)} and {sum(sizes)} "
                "bytes; send several zips",
            )

    def read(self, entry: zipfile.ZipInfo) -> bytes:
        """Return an entry's bytes.

        Raises:
            ImageError: If it is encrypted, damaged or compressed in a rare way.
        """
        name = entry.filename
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise ImageError(
                f"{name}: expected a stored or deflated entry, found an encrypted one or another "
                "compression; make the zip again"
            )
        try:
            return self._zip.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as e:
            raise ImageError(f"{name}: expected a whole entry, found damage; send it again") from e


class ZipStream:
    """Writes a zip and returns its bytes piece by piece; pictures are stored uncompressed."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)

    def add(self, name: str, content: bytes | memoryview) -> bytes:
        """Add a file and return the new bytes of the zip."""
        self._zip.writestr(name, bytes(content))
        return self._sink.take()

    def close(self) -> bytes:
        """End the zip and return its last bytes."""
        self._zip.close()
        return self._sink.take()


class _Sink(io.RawIOBase):
    """A file that cannot seek; `take` returns what was written."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


class _Limited:
    """A zip file with a limit for the entries of its directory.

    The records at the end of a zip can contradict each other. So the directory is checked where
    `zipfile` reads it, in one piece, whichever record gave its length.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self.most: int | None = most

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any of a file's
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        most = self.most
        if most is None:
            return self._file.read(size)
        longest = max(_TAIL, most * (_ENTRY + _LONGEST_NAME))
        data = self._file.read(size if 0 <= size <= longest else longest + 1)
        if len(data) > longest or (len(data) > _TAIL and data.count(_SIGNATURE) > most):
            raise _too_many(most)
        return data


def _place(name: str) -> tuple[tuple[str, ...], int | None, str] | None:
    """Return the folders around a picture, its side and its stem; None for an entry to ignore.

    The side is that of the folder it lies in, 0 for `ir`, 1 for `vi`, else None.

    Raises:
        HttpProblem: If the name leads out of the zip.
        ValueError: If it is longer than a name may be, or no text.
    """
    parts = name.replace("\\", "/").split("/")  # old Windows zips
    if not name or not parts[0] or ".." in parts or re.fullmatch("[A-Za-z]:", parts[0]):
        raise HttpProblem(
            422,
            "bad-name",
            f"expected names such as ir/0001.png, found {name[:80]!r}; make the zip again",
        )
    parts = [part for part in parts if part != "."]
    path = PurePosixPath(*parts)
    if any(part.startswith((".", "__MACOSX")) or not part for part in parts):
        return None
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"expected a name of at most {_LONGEST_NAME} printable characters, found {len(name)}"
        )
    *around, folder = parts[:-1] or [""]
    side = next((i for i, known in enumerate(_SIDES) if folder.lower() in known), None)
    return tuple(around if side is not None else parts[:-1]), side, path.stem


def _matched(entries: list[zipfile.ZipInfo], names: Match) -> Iterator[ZippedPair]:
    """Yield the pairs of each folder with `ir` and `vi`, or with a pattern of any folder."""
    places: dict[tuple[str, ...], tuple[_Stems, _Stems, _Stems]] = {}
    for entry in entries:
        try:
            place = _place(entry.filename)
        except ValueError as error:
            found = repr(entry.filename[:80])
            yield ZippedPair(found, None, None, f"{found}: {error}; rename it")
            continue
        if place:
            around, side, stem = place
            stems = places.setdefault(around, ({}, {}, {}))[2 if side is None else side]
            stems.setdefault(normalize("NFC", stem), []).append(entry)
    for around, (infrared, visible, others) in sorted(places.items()):
        folder = "/".join((*around, "")) if len(places) > 1 else ""
        scenes = by_key(names, (infrared, visible))
        if names != Match():
            scenes = by_key(names, (others, others), one_folder=True) | scenes
        for key, (ir, vi) in scenes.items():
            if len(ir) == len(vi) == 1:
                stem = normalize("NFC", PurePosixPath(vi[0].filename.replace("\\", "/")).stem)
                yield ZippedPair(folder + stem, ir[0], vi[0])
                continue
            found = ", ".join(entry.filename for entry in (*ir, *vi))
            yield ZippedPair(
                folder + key,
                None,
                None,
                f"expected one picture in ir/ and one in vi/, found {found[:200]}; add what is "
                "missing or remove what is too much",
            )


def _no_pairs(entries: list[zipfile.ZipInfo]) -> HttpProblem:
    """Return what is wrong with a zip without pairs, and the pattern that would find some."""
    stems: tuple[list[str], list[str]] = ([], [])
    for entry in entries:
        with suppress(ValueError):
            if place := _place(entry.filename):
                for side in (0, 1) if place[1] is None else (place[1],):
                    stems[side].append(place[2])
    found = find_match(*stems)
    advice = f"; send the field match with {found}" if found else ""
    return HttpProblem(
        422,
        "no-pairs",
        "expected a zip with ir/NAME and vi/NAME of at least one pair, found none" + advice,
    )


def _no_zip(reason: str) -> HttpProblem:
    return HttpProblem(
        422,
        "no-zip",
        f"expected a zip file, found one that cannot be read ({reason}); send it again",
    )


def _too_many(most: int) -> HttpProblem:
    return HttpProblem(
        413, "too-many-entries", f"expected a zip of at most {most} entries, found more"
    )
