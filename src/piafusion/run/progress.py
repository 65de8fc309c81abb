"""How long work reports its progress; the command line shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")

Progress = Callable[[str, int, int | None], None]
"""A function of the kind of work, the amount done, and the total amount or None."""


def silent(label: str, done: int, total: int | None) -> None:
    """Show nothing."""


def counted(
    items: Iterable[Item], label: str, progress: Progress, total: int | None = None
) -> Iterator[Item]:
    """Yield the items and report how many of them are done.

    The total is by default the length of the items, if they have one.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    done = 0
    for item in items:
        progress(label, done, total)
        yield item
        done += 1
    progress(label, done, total)
