"""How far a video is: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from piafusion.cli.printing import visible, warn

if TYPE_CHECKING:
    from rich.progress import Progress

_EVERY = 5.0  # seconds between plain lines
_REDRAW = 0.1  # seconds between looks of the bar


class FrameCounter:
    """Shows frames done, frames a second and, where the end is known, the time left."""

    def __init__(self, label: str = "fusing") -> None:
        self._label = label
        self._began = self._shown = time.monotonic()
        self._progress: Progress | None = None

    def __enter__(self) -> FrameCounter:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn(self._label),
                BarColumn(),
                TextColumn("{task.fields[told]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task(self._label, total=None, told="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, done: int, total: int | None) -> None:
        """Show that so many frames are done, of so many if that is known, if it is time to."""
        now = time.monotonic()
        if now - self._shown < (_EVERY if self._progress is None else _REDRAW):
            return
        self._shown = now
        pace = done / (now - self._began)
        share = f"{done}" if total is None else f"{done} of {total}"
        told = f"{share} frames, {pace:.1f} frames/s"
        if self._progress is not None:
            self._progress.update(self._task, total=total, completed=done, told=told)
            return
        if total is not None:
            told += f", {max(0, total - done) / pace:.0f} s left"
        warn(f"{self._label}: {told}")

    def note(self, line: str) -> None:
        """Print a line without disturbing the bar."""
        if self._progress is not None:
            self._progress.console.print(
                visible(line), markup=False, highlight=False, soft_wrap=True
            )
        else:
            warn(line)
