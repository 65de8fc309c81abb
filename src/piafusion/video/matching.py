"""Matches each visible frame with the infrared frame that is nearest in time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from piafusion.video.frames import Frame, FramePair


@dataclass(frozen=True)
class Matching:
    """How the frames of two sources are matched.

    Attributes:
        offset: Seconds by which the infrared source started later than the visible one.
        max_gap: Largest difference in seconds between the frames of a pair.
        reconnect: Seconds to wait for a stream that breaks off; 0 to end with it.
        notify: Called with one line about a connection.
    """

    offset: Fraction = Fraction(0)
    max_gap: Fraction = Fraction(1, 2)
    reconnect: float = 30.0
    notify: Callable[[str], None] = lambda line: print(line, file=sys.stderr)


class NearestInTime:
    """Finds the frame that is nearest to a time; times and frames come in rising order.

    It reads one frame past the time, and holds two frames.
    """

    def __init__(self, take: Callable[[], Frame | None], *, offset: Fraction = Fraction(0)) -> None:
        """Read nothing yet.

        Args:
            take: Returns the next frame, or None when no more will come; raises `TimeoutError`
                if a live source has none yet: then the newest one is used.
            offset: Seconds to add to the frames' times.
        """
        self._take, self._offset = take, offset
        self._held: list[Frame] = []  # the last before the time asked for, the first after it
        self._ended = False

    def __call__(self, time: Fraction) -> tuple[Frame, Fraction] | None:
        """Return the nearest frame and its distance in seconds, or None without frames."""
        while not self._ended and (not self._held or self._time(self._held[-1]) < time):
            try:
                frame = self._take()
            except TimeoutError:
                break
            if frame is None:
                self._ended = True
            else:
                self._held = [*self._held[-1:], frame]
        if not self._held:
            return None
        nearest = min(self._held, key=lambda frame: abs(self._time(frame) - time))
        return nearest, abs(self._time(nearest) - time)

    def _time(self, frame: Frame) -> Fraction:
        return frame.time + self._offset


def match(
    visible: Iterator[Frame], nearest: NearestInTime, *, max_gap: Fraction
) -> Iterator[FramePair | None]:
    """Yield a pair for each visible frame, or None where no infrared frame is near enough.

    Args:
        visible: Frames in the order of their times.
        nearest: Finds infrared frames.
        max_gap: Largest difference in seconds between the two frames of a pair.
    """
    for frame in visible:
        found = nearest(frame.time)
        if found is None or found[1] > max_gap:
            yield None
        else:
            yield FramePair(found[0].image, frame.image, frame.time, frame.duration)
