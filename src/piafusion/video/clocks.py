"""The clock of a recording, also if it starts again."""

from __future__ import annotations

from fractions import Fraction

FALL = Fraction(1, 2)
"""Seconds; a clock that jumps back by less has not started again."""


class RisingClock:
    """Turns timestamps that jump back into times that never fall.

    The clock starts again where two recordings were joined into one file, or where a camera set
    its clock back. The new part then continues at the end of the part before. After a small step
    back, which comes from frames in a wrong order, the time stays as it is.

    Attributes:
        restarts: How often the clock has started again.
        shift: Seconds to add to timestamps since the last restart.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.shift = self._last = Fraction(0)
        self._end: Fraction | None = None

    def __call__(self, time: Fraction, lasts: Fraction) -> Fraction:
        """Return the time of a frame or packet with a timestamp and a duration, in seconds."""
        if self._end is None:
            self._last = time
        elif time + self.shift < self._last - max(FALL, 4 * lasts):
            self.shift = self._end - time
            self.restarts += 1
        self._last = max(self._last, time + self.shift)
        self._end = self._last + lasts
        return self._last
