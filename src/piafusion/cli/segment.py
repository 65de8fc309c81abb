"""`piafusion segment`: what fusion does for segmentation (section 4.8 of the paper)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piafusion.cli.options import DeviceOption, JsonOption, named
from piafusion.cli.table import print_table
from piafusion.errors import MissingExtraError
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from rich.progress import Progress


def segment(
    data: Annotated[
        Path,
        typer.Argument(help="Folder with train and test, each with ir, vi and label."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the comparison.")],
    sources: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Of infrared, visible, `piafusion models`, `piafusion methods`, exported files, "
            "NAME=FOLDER.",
        ),
    ] = f"infrared,visible,{DEFAULT_MODEL}",
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of each source.")] = 3,
    preset: Annotated[
        str, typer.Option(help="short, full, segformer-short or segformer-full.")
    ] = "short",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a setting, e.g. --set steps=500 (repeatable)."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Sources that the others are compared with; infrared, visible."
        ),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes the sheet shows.")] = 4,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Train a segmentation network on each source with each seed, and compare the sources."""
    try:
        from piafusion import segmentation
        from piafusion.segmentation.result import heading
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError(
            f"expected the packages for segmentation, found no {error.name}; "
            "run: pip install 'piafusion[segmentation]'"
        ) from error

    shown = _Shown()
    try:
        result = segmentation.segment(
            data,
            [name.strip() for name in sources.split(",")],
            range(seeds),
            output=output,
            settings=segmentation.resolve(preset, named(settings or [])),
            against=[name.strip() for name in against.split(",")] if against else None,
            scenes=scenes,
            device=device,
            progress=shown,
        )
    finally:
        shown.close()
    if as_json:
        print(json.dumps(result.as_json(), indent=2, allow_nan=False))
        return
    for part in result.parts:
        rows = result.part(part)
        print(f"{heading(rows)}, IoU in per cent")
        print_table(["source", *rows[0].scores], result.cells(part))
        print()
    print(f"tables: {output / 'tables.md'}\nsheet: {result.sheet}")


class _Shown:
    """How far it is: a bar on a terminal, a line now and then otherwise."""

    def __init__(self, every: float = 15.0) -> None:
        self._every, self._last = every, time.monotonic()
        self._bar: Progress | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self._draw(what, done, total)
        elif time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _draw(self, what: str, done: int, total: int) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.add_task(what)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], description=what, completed=done, total=total)
