"""A thread that decodes one source into a bounded queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from piafusion.video.frames import Convert, Frame
from piafusion.video.live import LiveSource, Reconnection
from piafusion.video.matching import Matching
from piafusion.video.sources import VideoSource

Item = TypeVar("Item")


class ClosedError(Exception):
    """The reader of a queue has closed it."""


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
            drop_oldest: Drop the oldest item of a full queue; by default `put` waits for room.
        """
        self.dropped, self.is_exhausted = 0, False  # exhausted: `get` has returned None
        self._size, self._drop_oldest = size, drop_oldest
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> None:
        """Add an item.

        Raises:
            ClosedError: If the reader has closed the queue; its error instead, if it gave one.
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
            BaseException: The error with which the writer ended, after its last item.
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
            self.is_exhausted = True
            return None

    def end(self, error: BaseException | None = None) -> None:
        """End the queue as the writer; after an error, give it."""
        with self._changed:
            self._ended, self._error = True, self._error or error
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """Close the queue as the reader; after an error, give it."""
        with self._changed:
            self._closed, self._error = True, self._error or error
            self._items.clear()
            self._changed.notify_all()

    def wait_closed(self, seconds: float) -> bool:
        """Sleep as the writer until the queue is closed; return whether it is."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._closed


class DecodingThread:
    """A thread that decodes a source into a queue."""

    def __init__(self, source: VideoSource, url: str, convert: Convert, ahead: int) -> None:
        """Prepare; `start` starts it.

        Args:
            source: The source to decode.
            url: The address to open again if the source is live and breaks off.
            convert: Turns frames into arrays.
            ahead: Largest number of waiting frames; a live source then drops the oldest.
        """
        self.source, self._url, self._convert = source, url, convert
        self.queue = BoundedQueue[Frame](ahead, drop_oldest=source.live)
        self.reconnections = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self, began: float, matching: Matching) -> None:
        """Start; `began` is time 0 of the live clock on `time.monotonic`."""
        self._began, self._matching = began, matching
        self.thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self.queue.close()
        if self.thread.ident is None:  # it was never started
            self.source.close()

    def _run(self) -> None:
        try:
            for frame in self._frames():
                self.queue.put(frame)
            self.queue.end()
        except ClosedError:
            pass
        except BaseException as error:
            self.queue.end(error)
        finally:
            self.source.close()

    def _frames(self) -> Iterator[Frame]:
        if not self.source.live:
            yield from self.source.frames(self._convert)
            return
        notify = self._matching.notify
        reconnection = Reconnection(self._matching.reconnect, self.queue.wait_closed, notify)
        live = LiveSource(self.source, self._url, self._began)
        try:
            for frame in live.frames(self._convert, reconnection):
                self.reconnections = live.reconnections
                yield frame
        finally:
            live.close()
