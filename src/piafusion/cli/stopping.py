"""Ctrl-C and SIGTERM as a question that long work asks, so that it ends in good order."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class StopSignals:
    """While entered, the first signal to stop is noted; a second one raises KeyboardInterrupt.

    >>> with StopSignals() as stop:
    ...     signal.raise_signal(signal.SIGINT)
    ...     stop.asked()
    True
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        for which in (signal.SIGINT, signal.SIGTERM):
            self._before[which] = signal.signal(which, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def asked(self) -> bool:
        """Tell whether a signal has come."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal ended: 130 for Ctrl-C; else 0."""
        return 0 if self._number is None else 128 + self._number

    def _note(self, number: int, frame: FrameType | None) -> None:
        # No lock may be taken here: the thread that is interrupted may hold it.
        if self._number is not None:
            raise KeyboardInterrupt
        self._number = number
