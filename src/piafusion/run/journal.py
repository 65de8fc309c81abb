"""The journal of long work: an interrupted run continues; changed settings start it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from piafusion.errors import OutputError, system_reason
from piafusion.files import fitting, parse_json, write_bytes

Entry = dict[str, Any]


class Journal:
    """A file with one line of JSON for each finished item, valid under one set of settings.

    The first line holds the settings. Each finished item adds a line, so a run that is killed
    loses at most the item it was working on. A damaged line is skipped, and its item is done
    again. If the first line is damaged, all items are done again.

    Attributes:
        path: The file.
        entries: The items finished under these settings, by key. The last line of a key counts.
        outdated: The items finished under other settings. Adding the first item deletes them.
        matches: Whether the file exists and was written under these settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], shape: object = dict) -> None:
        """Read a journal. The file is not created or changed before the first `add`.

        Args:
            path: The file; it need not exist.
            settings: Everything that decides the content of the entries, as JSON values.
            shape: The shape of an entry, as `files.fitting` takes it; any object by default.
        """
        self.path = path
        self._header = json.dumps({"settings": settings}, sort_keys=True)
        header, entries, whole = _read(path, shape)
        self.matches = header == json.loads(self._header)
        self.entries: dict[str, Entry] = entries if self.matches else {}
        self.outdated: dict[str, Entry] = {} if self.matches else entries
        self._can_append = self.matches and whole

    def add(self, key: str, entry: Entry) -> None:
        """Record an item as finished.

        Raises:
            OutputError: If the file cannot be written.
        """
        self.entries[key] = entry
        try:
            if self._can_append:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(_line(key, entry))
                return
        except OSError as error:
            raise OutputError(
                f"{self.path}: could not be written ({system_reason(error)}); "
                "check the folder and the free space"
            ) from error
        lines = (_line(key, entry) for key, entry in self.entries.items())
        write_bytes(self.path, f"{self._header}\n{''.join(lines)}".encode())
        self._can_append = True


def _line(key: str, entry: Entry) -> str:
    return json.dumps([key, entry]) + "\n"


def _read(path: Path, shape: object) -> tuple[Any, dict[str, Entry], bool]:
    """Return the first line, the entries, and whether every line is whole."""
    try:
        first, *lines = path.read_bytes().split(b"\n")
        header = parse_json(first, {"settings": dict})
    except (OSError, ValueError, RecursionError):  # no journal: all items are done anew
        return None, {}, False
    entries, whole = {}, lines[-1:] == [b""]
    for line in lines[:-1]:
        try:
            key, entry = parse_json(line, [object])
            entries[fitting(key, str)] = fitting(entry, shape)
        except (ValueError, RecursionError):
            whole = False
    return header, entries, whole
