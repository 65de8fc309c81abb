"""Ctrl-C and SIGTERM set a flag that long work checks, so that it ends with complete files."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class StopSignals:
    """Inside the block, the first signal sets a flag; a second one raises KeyboardInterrupt.

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
        """Return whether a signal has come."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """Exit code after a signal as shells expect it: 130 for Ctrl-C; 0 without a signal."""
        return 0 if self._number is None else 128 + self._number

    def _note(self, number: int, frame: FrameType | None) -> None:
        # Take no lock here: the interrupted thread may hold it.
        if self._number is not None:
            raise KeyboardInterrupt
        self._number = number
