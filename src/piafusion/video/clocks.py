"""The clock of a recording, where it starts again."""

from __future__ import annotations

from fractions import Fraction

FALL = Fraction(1, 2)
"""Seconds; a clock that falls by less has not started again."""


class RisingClock:
    """Times that never fall, of timestamps that do where a recording's clock starts again.

    Two recordings joined into one file, or a camera that sets its clock back: what follows goes on
    where the part before it ended. A small step back, of frames in a wrong order, is held.

    Attributes:
        restarts: How often the clock has started again.
        shift: Seconds to add to timestamps since it did so last.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.shift = self._last = Fraction(0)
        self._end: Fraction | None = None

    def __call__(self, time: Fraction, lasts: Fraction) -> Fraction:
        """Return when something is shown or heard that is stamped `time` and lasts so long."""
        if self._end is None:
            self._last = time
        elif time + self.shift < self._last - max(FALL, 4 * lasts):
            self.shift = self._end - time
            self.restarts += 1
        self._last = max(self._last, time + self.shift)
        self._end = self._last + lasts
        return self._last
