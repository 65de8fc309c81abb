"""What was done already, so that an interrupted run goes on and a changed setting starts anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import piafusion
from piafusion.errors import OutputError
from piafusion.imaging.io import write_bytes

Entry = dict[str, Any]

_PACKAGE = Path(piafusion.__file__).parent


class Journal:
    """A file with a line of JSON for each finished item, under one set of settings.

    The first line holds the settings. A line is added when its item is done, so a run that is
    killed loses at most the item it was at; half a line at the end is passed over.

    Attributes:
        entries: What was done under these very settings, by key; the last line of a key counts.
        outdated: What the file holds of other settings. It goes when the first item is added.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Read a journal; the file is neither made nor changed before something is added.

        Args:
            path: Where it is, or will be.
            settings: Everything that decides the entries, as JSON knows it.
        """
        self._path = path
        self._header = json.dumps({"settings": settings}, sort_keys=True)
        header, entries, whole = _read(path)
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
            total.update(hashlib.sha256(path.read_bytes()).digest())
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


def _read(path: Path) -> tuple[Any, dict[str, Entry], bool]:
    """Return the first line, the entries, and whether the file ends with a whole line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None, {}, False
    *lines, rest = text.split("\n")
    try:
        header, *entries = [json.loads(line) for line in lines]
        return header, dict(entries), not rest
    except ValueError:  # not a journal, or damaged: all is done again
        return None, {}, False
