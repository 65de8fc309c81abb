"""`piafusion segment`: how fusion helps segmentation (section 4.8 of the paper)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import DeviceOption, JsonOption, SetOption, named, option
from piafusion.cli.printing import print_table, say, say_json
from piafusion.cli.progress import ProgressDisplay
from piafusion.errors import needing
from piafusion.weights import DEFAULT_MODEL


def segment(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Folder with train and test, each with ir, vi and label."
        ),
    ],
    output: Annotated[Path, option("Folder of the comparison.", None, "--output", "-o")],
    sources: Annotated[
        str,
        option(
            "infrared, visible, names of `piafusion models` and `piafusion methods`, exported "
            "files, NAME=FOLDER.",
            metavar="NAMES",
        ),
    ] = f"infrared,visible,{DEFAULT_MODEL}",
    seeds: Annotated[int, option("Number of trainings on each source.", min=1, max=1000)] = 3,
    preset: Annotated[str, option("short, full, segformer-short or segformer-full.")] = "short",
    settings: SetOption = None,
    against: Annotated[
        str | None,
        option(
            "Sources that the others are compared with; by default infrared and visible.",
            metavar="NAMES",
        ),
    ] = None,
    scenes: Annotated[int, option("Number of scenes on the sheet.", min=1, max=1000)] = 4,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Train a segmentation network on each source with each seed, and compare the sources."""
    with needing("segmentation", "segmentation"):
        from piafusion.lab import segmentation

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
    for table in result.tables():
        say(f"{table.title}, IoU in per cent")
        print_table(table.header, table.rows)
        say()
    say(f"tables: {output / 'tables.md'}", f"sheet: {result.sheet}")
