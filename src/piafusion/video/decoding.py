"""A thread that decodes one source into a bounded queue; streams and devices are opened again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from piafusion.errors import VideoError
from piafusion.video.frames import Convert, Frame, Matching
from piafusion.video.sources import LIVE_TIME_BASE, OPEN_SECONDS, VideoSource, open_source

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

        A full queue drops its oldest item, or `put` waits for room.
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

        The address is opened again if a live source breaks off. At most `ahead` frames wait; a live
        source then drops the oldest.
        """
        self.source, self._url, self._convert = source, url, convert
        self.queue = BoundedQueue[Frame](ahead, drop_oldest=source.live)
        self.reconnections = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self, began: float, matching: Matching, skip: Fraction = Fraction(0)) -> None:
        """Start; `began` is time 0 of the live clock on `time.monotonic`.

        Frames of a file in its first `skip` seconds are left out.
        """
        self._began, self._matching, self._skip = began, matching, skip
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
            yield from self.source.frames(self._convert, self._skip)
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


FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds between attempts to connect again, doubled each time


LONGEST_WAITED = 1.0  # seconds in which frames that waited are left out; nobody knows their time


class LiveClock:
    """Puts the timestamps of one connection onto this machine's clock.

    A frame cannot arrive before it was taken. So the frame with the shortest delay gives the
    difference between the two clocks. A slow correction follows clocks that drift. A frame that
    the network or a busy machine held back keeps the time at which it was taken. Times never
    fall.
    """

    LEAK = 0.001  # part of the excess delay that is corrected at each frame
    JUMP = 1.0  # seconds; a timestamp that jumps by more was set, a frame that is later was held
    PATIENCE = 10.0  # seconds after which frames that all are late have another clock

    def __init__(self) -> None:
        self._apart: float | None = None
        self._before = (0.0, 0.0)  # timestamp and arrival of the frame before
        self._held: float | None = None  # arrival of the first of the frames that were held back
        self._last = Fraction(-1)

    def __call__(self, timestamp: Fraction, arrival: float) -> Fraction:
        """Return the time at which a frame was taken, in seconds on the clock of `arrival`."""
        shown = float(timestamp)
        delay, step = arrival - shown, shown - self._before[0]
        is_set = step < 0 or step > arrival - self._before[1] + self.JUMP
        self._before = (shown, arrival)
        if self._apart is None or is_set or arrival - (self._held or arrival) > self.PATIENCE:
            self._apart = delay
        if delay <= self._apart + self.JUMP:
            self._held = None
            self._apart += min(0.0, delay - self._apart) or (delay - self._apart) * self.LEAK
        elif self._held is None:
            self._held = arrival
        taken = round((shown + self._apart) / LIVE_TIME_BASE) * LIVE_TIME_BASE
        self._last = max(taken, self._last)
        return self._last


@dataclass(frozen=True)
class Reconnection:
    """How long to try to connect again after a stream has broken off.

    Attributes:
        seconds: Time without a frame after which the source is given up; 0 to end with the first
            connection.
        wait: Sleeps for a number of seconds; returns True if no more frames are needed.
        notify: Called with one line about the connection.
    """

    seconds: float
    wait: Callable[[float], bool]
    notify: Callable[[str], None]


class LiveSource:
    """A stream or device that is opened again when it breaks off."""

    def __init__(self, source: VideoSource, url: str, began: float) -> None:
        """Take over an opened source.

        The address is opened again; `began` is time 0 of the common clock, on `time.monotonic`.
        """
        self.reconnections = 0
        self._source, self._url, self._began = source, url, began

    def frames(self, convert: Convert, reconnection: Reconnection) -> Iterator[Frame]:
        """Decode frames as long as the source gives any; open it again where needed.

        Raises:
            VideoError: If no frame came for longer than it may take to connect again.
            ImageError: If `convert` refuses a frame.
        """
        name, wait, lost = self._source.name, FIRST_WAIT, None
        while True:
            clock, opened = LiveClock(), time.monotonic() - self._began
            before, held = opened, True  # frames that waited while the stream was opened
            try:
                for frame in self._source.frames(convert):
                    wait, lost = FIRST_WAIT, None
                    now = time.monotonic() - self._began
                    taken = clock(frame.time, now)
                    held &= now - before < frame.duration / 2 and now - opened < LONGEST_WAITED
                    before = now
                    if not held:
                        yield Frame(frame.image, taken, frame.duration)
                problem = VideoError(f"{name}: the stream ended")
                if not reconnection.seconds:
                    return
            except VideoError as error:
                problem = error
                if not reconnection.seconds:
                    raise
            self._source.close()
            if lost is None:
                lost = time.monotonic()
                reconnection.notify(
                    f"{problem}; connecting again for up to {reconnection.seconds:g} s"
                )
            while True:
                left = lost + reconnection.seconds - time.monotonic()
                if left <= 0:
                    raise VideoError(
                        f"{name}: expected it to come back within {reconnection.seconds:g} s, "
                        f"found it gone; last: {problem}"
                    ) from problem
                if reconnection.wait(min(wait, left)):
                    return
                wait = min(2 * wait, LONGEST_WAIT)
                try:
                    seconds = min(OPEN_SECONDS, max(left, 1))
                    self._source = open_source(self._url, seconds, self._source.number)
                    break
                except VideoError as error:
                    problem = error
            self.reconnections += 1
            reconnection.notify(f"{name}: connected again after {time.monotonic() - lost:.1f} s")

    def close(self) -> None:
        """Close the connection."""
        self._source.close()
