"""Options and progress that several commands share."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

from piafusion.cli.printing import visible, warn
from piafusion.errors import UsageError

Item = TypeVar("Item")

ModelOption = Annotated[
    str,
    typer.Option("--model", "-m", help="A name of `piafusion models`, or an exported file."),
]
MethodOption = Annotated[
    str | None,
    typer.Option("--method", help="A name of `piafusion methods`, in place of the model."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, tensorrt or openvino.")
]
ToneOption = Annotated[
    str,
    typer.Option(
        "--tone",
        help="Infrared values to grey: full, percentile:LOW,HIGH, span:LOW,HIGH, plateau:LIMIT "
        "or clahe:CLIP.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable results.")]
PAPER_METRICS = "MI,SD,VIF,Qabf"
MetricsOption = Annotated[
    str, typer.Option("--metrics", metavar="NAMES", help=f"Such as {PAPER_METRICS}, or all.")
]
ConventionOption = Annotated[
    str, typer.Option("--convention", help="float, or uint8: as the PIAFusion authors' sheets.")
]
INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a setting, e.g. --set steps=500 (repeatable)."),
]
RunOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the run: settings, log, weights.")
]


def metric_names(names: str) -> list[str]:
    """Return what `--metrics` names, in its order; they are not checked."""
    from piafusion.metrics import SPECS

    return list(SPECS) if names == "all" else [name.strip() for name in names.split(",")]


def method_names(names: str) -> list[str]:
    """Return the comparison methods that `--methods` names, in its order.

    Raises:
        UsageError: If there is no such method.
    """
    from piafusion.methods import find_method, list_methods

    if names == "all":
        return list(list_methods())
    return [find_method(name.strip()).name for name in names.split(",")]


def named(settings: Iterable[str]) -> dict[str, str]:
    """Return what `--set NAME=VALUE` gives, repeated, by name.

    Raises:
        UsageError: If one has no equals sign.
    """
    found = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise UsageError(f"--set: expected NAME=VALUE, found {setting!r}")
        found[name] = value
    return found


def track(
    items: Iterable[Item], label: str, *, total: int | None = None, every: float = 5.0
) -> Iterator[Item]:
    """Yield the items and show how far it is: a bar on a terminal, plain lines otherwise.

    Args:
        items: What to go through.
        label: What is being done, for example "fusing".
        total: How many they are, if they cannot tell themselves.
        every: Seconds between plain lines; nothing is printed for work that is shorter.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield from progress.track(items, total=total, description=label)
        return
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last >= every:
            last = time.monotonic()
            warn(f"{label}: {done} of {total}")
        yield item


class Shown:
    """How far it is: a bar on a terminal, a line now and then otherwise."""

    def __init__(self, every: float = 15.0) -> None:
        self._every, self._last = every, time.monotonic()
        self._bar: Progress | None = None  # made when there is something to show

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show what is being done, how much of it is done, and how much there is."""
        if sys.stderr.isatty():
            self._draw(what, done, total)
        elif time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            warn(f"{what}: {done} of {total}")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()

    def _draw(self, what: str, done: int, total: int) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.add_task("")
            self._bar.start()
        from rich.markup import escape  # a source may be called like markup

        shown = escape(visible(what))
        self._bar.update(self._bar.task_ids[0], description=shown, completed=done, total=total)
