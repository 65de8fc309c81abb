"""Streams and devices: timestamps on the clock of this machine, and new connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from piafusion.errors import VideoError
from piafusion.video.frames import Convert, Frame
from piafusion.video.sources import LIVE_TIME_BASE, OPEN_SECONDS, VideoSource, open_source

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds between attempts to connect again, doubled each time


class LiveClock:
    """Puts the timestamps of one connection onto this machine's clock.

    A frame cannot arrive before it was taken. So the frame with the shortest delay gives the
    difference between the two clocks. A slow correction follows clocks that drift. Times never
    fall.
    """

    LEAK = 0.001  # part of the excess delay that is corrected at each frame
    JUMP = 1.0  # seconds of excess delay; more means that the clock of the source was set

    def __init__(self) -> None:
        self._apart: float | None = None
        self._last = Fraction(-1)

    def __call__(self, timestamp: Fraction, arrival: float) -> Fraction:
        """Return the time at which a frame was taken, in seconds on the clock of `arrival`."""
        delay = arrival - float(timestamp)
        if self._apart is None or delay < self._apart or delay > self._apart + self.JUMP:
            self._apart = delay
        else:
            self._apart += (delay - self._apart) * self.LEAK
        taken = round((float(timestamp) + self._apart) / LIVE_TIME_BASE) * LIVE_TIME_BASE
        self._last = max(taken, self._last)
        return self._last


@dataclass(frozen=True)
class Reconnection:
    """How long to try to connect again after a stream has broken off.

    Attributes:
        seconds: Time without a frame after which the source is given up; 0 to end with the first
            connection.
        wait: Sleeps so many seconds; returns True if no more frames are needed.
        notify: Called with one line about the connection.
    """

    seconds: float
    wait: Callable[[float], bool]
    notify: Callable[[str], None]


class LiveSource:
    """A stream or device that is opened again when it breaks off."""

    def __init__(self, source: VideoSource, url: str, began: float) -> None:
        """Take over an opened source.

        Args:
            source: The first connection.
            url: The address to open again.
            began: Time 0 of the common clock of the sources, on `time.monotonic`.
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
            clock = LiveClock()
            try:
                for frame in self._source.frames(convert):
                    wait, lost = FIRST_WAIT, None
                    taken = clock(frame.time, time.monotonic() - self._began)
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
                    self._source = open_source(self._url, min(OPEN_SECONDS, max(left, 1)))
                    break
                except VideoError as error:
                    problem = error
            self.reconnections += 1
            reconnection.notify(f"{name}: connected again after {time.monotonic() - lost:.1f} s")

    def close(self) -> None:
        """Close the connection."""
        self._source.close()
