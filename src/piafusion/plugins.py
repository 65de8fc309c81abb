"""Plug-ins: objects that other installed packages offer by entry points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from piafusion.errors import UsageError


def load_plugins(group: str, expected: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the object of each entry point in a group.

    Args:
        group: Name of the group, such as "piafusion.methods".
        expected: The expected object, in the words of errors, such as "a method".

    Raises:
        UsageError: If a package cannot be imported; the message names its entry point.
    """
    from importlib.metadata import entry_points  # takes time to load

    for entry in entry_points(group=group):
        try:
            plugin = entry.load()
        except Exception as error:  # a plug-in may raise anything while it is imported
            raise UsageError(
                f"{entry.value}: expected {expected} for the entry point {entry.name!r} of "
                f"{group}, found {type(error).__name__}: {' '.join(str(error).split())}; "
                "repair or uninstall that package"
            ) from error
        yield entry.name, plugin
