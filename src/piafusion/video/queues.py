"""Bounded queues between threads, which carry an end and errors in both directions."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ClosedError(Exception):
    """The reader of a queue wants nothing more from it."""


class BoundedQueue(Generic[Item]):
    """Items from one thread to another, at most `size` at a time.

    >>> queue = BoundedQueue(size=2, drop_oldest=True)
    >>> for item in "abc":
    ...     queue.put(item)
    >>> queue.end()
    >>> queue.get(), queue.get(), queue.get(), queue.dropped
    ('b', 'c', None, 1)
    """

    def __init__(self, size: int, *, drop_oldest: bool = False) -> None:
        """Make an empty queue.

        Args:
            size: The most items it holds.
            drop_oldest: Make room in a full queue, where otherwise `put` waits for room.
        """
        self.dropped = 0
        self._size, self._drop_oldest = size, drop_oldest
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> None:
        """Add an item.

        Raises:
            ClosedError: If the reader wants nothing more; its own error, if it had one.
        """
        with self._changed:
            if self._drop_oldest and len(self._items) == self._size:
                self._items.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                raise self._error or ClosedError
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> Item | None:
        """Return the next item, or None when no more will come.

        Args:
            timeout: Seconds to wait, for ever by default.

        Raises:
            TimeoutError: If no item came in time.
            BaseException: What the writer has ended with, after its last item.
        """
        with self._changed:
            there = self._changed.wait_for(lambda: self._items or self._ended, timeout)
            if not there:
                raise TimeoutError
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def end(self, error: BaseException | None = None) -> None:
        """Say, as the writer, that no more will come, and why if it is an error."""
        with self._changed:
            self._ended, self._error = True, self._error or error
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """Say, as the reader, that nothing more is wanted, and why if it is an error."""
        with self._changed:
            self._closed, self._error = True, self._error or error
            self._items.clear()
            self._changed.notify_all()

    def wait_closed(self, seconds: float) -> bool:
        """Sleep, as the writer, but wake up when the queue is closed; return whether it is."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._closed
