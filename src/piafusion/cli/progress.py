"""Progress of the work: a bar on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from piafusion.cli.printing import visible, warn
from piafusion.run.progress import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Item = TypeVar("Item")

_LINE, _REDRAW = 5.0, 0.1  # seconds between plain lines, and between changes of the bar


class ProgressDisplay:
    """Shows the progress of work, its speed and the time that is left; can be passed as `Progress`.

    Inside the block, lines that `warn` prints appear above the bar.
    """

    def __init__(self) -> None:
        self._first, self._last = 0, -1  # amounts done at the begin of this work, and now
        self._began = self._shown = time.monotonic()
        self._bar: Bar | None = None  # made when there is something to show

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, label: str, done: int, total: int | None) -> None:
        """Show the kind of work, the amount done and the total, if it is time for that."""
        now, begins = time.monotonic(), done < self._last or self._last < 0
        if begins:
            self._first, self._began = done, now
        self._last = done
        terminal = self._bar is not None or (sys.stderr is not None and sys.stderr.isatty())
        if now - self._shown < (_REDRAW if terminal else _LINE) and not (begins and terminal):
            return
        self._shown = now
        pace = (done - self._first) / max(now - self._began, 1e-9)
        if terminal:
            self._draw(label, done, total, pace)
        else:
            warn(f"{label}: {_told(done, total, pace)}")

    def _draw(self, label: str, done: int, total: int | None, pace: float) -> None:
        from rich.markup import escape  # a file may be called like markup

        bar, task = self._bar_and_task()
        bar.update(
            task,
            total=total,
            completed=done,
            description=escape(visible(label)),
            told=_told(done, total, pace),
        )

    def _bar_and_task(self) -> tuple[Bar, TaskID]:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[told]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.add_task("", total=None, told="")
            self._bar.start()
        return self._bar, self._bar.task_ids[0]


def track(items: Iterable[Item], label: str, *, total: int | None = None) -> Iterator[Item]:
    """Yield the items and show how many of them are done."""
    with ProgressDisplay() as display:
        yield from counted(items, label, display, total)


def _told(done: int, total: int | None, pace: float) -> str:
    """Return the amount done, the speed and the time that is left.

    >>> _told(30, 200, 10.0), _told(30, None, 0.5)
    ('30 of 200, 10.0/s, 17 s left', '30, 0.5/s')
    """
    text = f"{done}" if total is None else f"{done} of {total}"
    if pace:
        text += f", {pace:.1f}/s"
        if total is not None:
            text += f", {max(0, total - done) / pace:.0f} s left"
    return text
