"""How long work tells how far it is; the command line shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")

Progress = Callable[[str, int, int | None], None]
"""Is told what is being done, how much of it is done, and how much there is, or None."""


def silent(label: str, done: int, total: int | None) -> None:
    """Show nothing."""


def counted(
    items: Iterable[Item], label: str, progress: Progress, total: int | None = None
) -> Iterator[Item]:
    """Yield the items and tell how many of them are done.

    Args:
        items: What to go through.
        label: What is being done with them, for example "fusing".
        progress: Is told.
        total: How many they are; by default their length, if they have one.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    done = 0
    for item in items:
        progress(label, done, total)
        yield item
        done += 1
    progress(label, done, total)
