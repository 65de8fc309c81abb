"""`piafusion segment`: what fusion does for segmentation (section 4.8 of the paper)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import DeviceOption, JsonOption, SetOption, named
from piafusion.cli.printing import say, say_json
from piafusion.cli.progress import ProgressDisplay
from piafusion.cli.table import print_table
from piafusion.errors import needing
from piafusion.weights import DEFAULT_MODEL


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
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="How many trainings of each source.")
    ] = 3,
    preset: Annotated[
        str, typer.Option(help="short, full, segformer-short or segformer-full.")
    ] = "short",
    settings: SetOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Sources that the others are compared with; infrared, visible."
        ),
    ] = None,
    scenes: Annotated[
        int, typer.Option(min=1, max=1000, help="How many scenes the sheet shows.")
    ] = 4,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Train a segmentation network on each source with each seed, and compare the sources."""
    with needing("segmentation", "segmentation"):
        from piafusion.lab import segmentation
        from piafusion.lab.segmentation.result import heading

    with ProgressDisplay() as display:
        result = segmentation.segment(
            data,
            [name.strip() for name in sources.split(",")],
            range(seeds),
            output=output,
            settings=segmentation.resolve(preset, named(settings or [])),
            against=[name.strip() for name in against.split(",")] if against else None,
            scenes=scenes,
            device=device,
            progress=display,
        )
    if as_json:
        say_json(result.as_json(), allow_nan=False)
        return
    for part in result.parts:
        rows = result.part(part)
        say(f"{heading(rows)}, IoU in per cent")
        print_table(["source", *rows[0].scores], result.cells(part))
        say()
    say(f"tables: {output / 'tables.md'}", f"sheet: {result.sheet}")
