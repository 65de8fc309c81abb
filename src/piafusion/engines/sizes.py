"""A cache of the objects that an engine builds for one size of input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Built = TypeVar("Built")
Size = tuple[tuple[int, ...], ...]  # the shapes of all inputs


class SizeCache(Generic[Built]):
    """Builds for a size when it comes twice in a row; a folder of all sizes builds nothing.

    >>> cache = SizeCache(build=str)
    >>> [cache.get(size) for size in ("small", "small", "large", "small")]
    [None, 'small', None, 'small']
    """

    def __init__(self, build: Callable[[Size], Built], capacity: int = 4) -> None:
        """Build nothing yet.

        Args:
            build: Builds the object for a size.
            capacity: Number of sizes that are kept; the least recently used one goes first.
        """
        self._build = build
        self._capacity = capacity
        self._kept: OrderedDict[Size, Built] = OrderedDict()
        self._last: Size | None = None

    def get(self, size: Size) -> Built | None:
        """Return the object for a size, built now if the last call had that size too, else None."""
        again, self._last = size == self._last, size
        if size not in self._kept:
            if not again:
                return None
            while len(self._kept) >= self._capacity:
                self._kept.popitem(last=False)
            self._kept[size] = self._build(size)
        self._kept.move_to_end(size)
        return self._kept[size]
