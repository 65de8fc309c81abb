"""Streams and devices: timestamps on this machine's clock, and connections that come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from piafusion.errors import VideoError
from piafusion.video.frames import Convert, Frame
from piafusion.video.sources import LIVE_TIME_BASE, OPEN_SECONDS, VideoSource, open_source

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds between tries to connect again, doubled each time


class LiveClock:
    """Puts the timestamps of one connection onto this machine's clock.

    A frame cannot arrive before it was taken, so the frame with the shortest delay tells how far
    the two clocks are apart; a slow leak follows clocks that drift. Times never fall.
    """

    LEAK = 0.001  # of the excess delay, at each frame
    JUMP = 1.0  # seconds of excess delay that mean that the source's clock has been set

    def __init__(self) -> None:
        self._apart: float | None = None
        self._last = Fraction(-1)

    def __call__(self, timestamp: Fraction, arrival: float) -> Fraction:
        """Return when a frame was taken, in seconds on the clock of `arrival`."""
        delay = arrival - float(timestamp)
        if self._apart is None or delay < self._apart or delay > self._apart + self.JUMP:
            self._apart = delay
        else:
            self._apart += (delay - self._apart) * self.LEAK
        taken = round((float(timestamp) + self._apart) / LIVE_TIME_BASE) * LIVE_TIME_BASE
        self._last = max(taken, self._last)
        return self._last


@dataclass(frozen=True)
class Patience:
    """How a stream that drops is treated.

    Attributes:
        seconds: How long no frame may come before the source is given up; 0 to end with the
            first connection.
        wait: Sleeps so many seconds, and returns True if nobody wants frames any more.
        notify: Told in one line what happens to the connection.
    """

    seconds: float
    wait: Callable[[float], bool]
    notify: Callable[[str], None]


class LiveSource:
    """A stream or device that is opened again when it drops."""

    def __init__(self, source: VideoSource, url: str, began: float) -> None:
        """Take over an opened source.

        Args:
            source: The first connection.
            url: What to open again.
            began: Where on `time.monotonic` the common clock of the sources stands at 0.
        """
        self.reconnections = 0
        self._source, self._url, self._began = source, url, began

    def frames(self, convert: Convert, patience: Patience) -> Iterator[Frame]:
        """Decode frames for as long as the source, opened again where needed, gives any.

        Raises:
            VideoError: If it has been silent for longer than the patience lasts.
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
                if not patience.seconds:
                    return
            except VideoError as error:
                problem = error
                if not patience.seconds:
                    raise
            self._source.close()
            if lost is None:
                lost = time.monotonic()
                patience.notify(f"{problem}; connecting again for up to {patience.seconds:g} s")
            while True:
                left = lost + patience.seconds - time.monotonic()
                if left <= 0:
                    raise VideoError(
                        f"{name}: expected it to come back within {patience.seconds:g} s, "
                        f"found it gone; last: {problem}"
                    ) from problem
                if patience.wait(min(wait, left)):
                    return
                wait = min(2 * wait, LONGEST_WAIT)
                try:
                    self._source = open_source(self._url, min(OPEN_SECONDS, max(left, 1)))
                    break
                except VideoError as error:
                    problem = error
            self.reconnections += 1
            patience.notify(f"{name}: connected again after {time.monotonic() - lost:.1f} s")

    def close(self) -> None:
        """Let go of the connection."""
        self._source.close()
