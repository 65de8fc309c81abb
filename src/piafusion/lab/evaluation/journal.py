"""What was done already, so that an interrupted run goes on and a changed setting starts anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import piafusion
from piafusion.errors import OutputError
from piafusion.files import fitting, parse_json, sha256, write_bytes

Entry = dict[str, Any]

_PACKAGE = Path(piafusion.__file__).parent


class Journal:
    """A file with a line of JSON for each finished item, under one set of settings.

    The first line holds the settings. A line is added when its item is done, so a run that is
    killed loses at most the item it was at. A damaged line is passed over, and its item is done
    again; all are if the first line is damaged.

    Attributes:
        entries: What was done under these very settings, by key; the last line of a key counts.
        outdated: What the file holds of other settings. It goes when the first item is added.
    """

    def __init__(
        self, path: Path, settings: Mapping[str, Any], shape: Mapping[str, object] | None = None
    ) -> None:
        """Read a journal; the file is neither made nor changed before something is added.

        Args:
            path: Where it is, or will be.
            settings: Everything that decides the entries, as JSON knows it.
            shape: Of an entry, as `files.fitting` takes it; any object by default.
        """
        self._path = path
        self._header = json.dumps({"settings": settings}, sort_keys=True)
        header, entries, whole = _read(path, dict(shape or {}))
        same = header == json.loads(self._header)
        self.entries: dict[str, Entry] = entries if same else {}
        self.outdated: dict[str, Entry] = {} if same else entries
        self._ready = same and whole

    def add(self, key: str, entry: Entry) -> None:
        """Note an item as done.

        Raises:
            OutputError: If the file cannot be written.
        """
        self.entries[key] = entry
        try:
            if self._ready:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(_line(key, entry))
                return
        except OSError as error:
            raise OutputError(
                f"{self._path}: could not be written ({(error.strerror or str(error)).lower()}); "
                "check the folder and the free space"
            ) from error
        lines = (_line(key, entry) for key, entry in self.entries.items())
        write_bytes(self._path, f"{self._header}\n{''.join(lines)}".encode())
        self._ready = True


def digest(*paths: Path) -> str:
    """Return the sha256 of the content of files, or an empty text if one cannot be read."""
    total = hashlib.sha256()
    try:
        for path in paths:
            total.update(bytes.fromhex(sha256(path)))
    except OSError:
        return ""
    return total.hexdigest()


def code_digest(*parts: str) -> str:
    """Return the sha256 of modules and folders of this package: what they do may have changed.

    Args:
        parts: Relative to the package, for example ``"fuser.py"`` or ``"imaging"``.
    """
    paths = (_PACKAGE / part for part in parts)
    files = (sorted(path.rglob("*.py")) if path.is_dir() else [path] for path in paths)
    return digest(*(file for group in files for file in group))


def _line(key: str, entry: Entry) -> str:
    return json.dumps([key, entry]) + "\n"


def _read(path: Path, shape: dict[str, object]) -> tuple[Any, dict[str, Entry], bool]:
    """Return the first line, the entries, and whether the file has none but whole lines."""
    try:
        first, *lines = path.read_bytes().split(b"\n")
        header = parse_json(first, {"settings": dict})
    except (OSError, ValueError, RecursionError):  # not a journal: all is done anew
        return None, {}, False
    entries, whole = {}, lines[-1:] == [b""]
    for line in lines[:-1]:
        try:
            key, entry = parse_json(line, [object])
            entries[fitting(key, str)] = fitting(entry, shape)
        except (ValueError, RecursionError):
            whole = False
    return header, entries, whole
