"""`piafusion data build-msrs`: MSRS out of MFNet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import say, say_json, warn
from piafusion.cli.progress import track
from piafusion.errors import UsageError


def build_msrs(
    source: Annotated[
        Path, typer.Argument(metavar="MFNET", help="Folder with MFNet's images and labels.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    limit: Annotated[
        float | None,
        typer.Option("--limit", min=0, help="Drop pairs this many pixels from being aligned (10)."),
    ] = None,
    drop: Annotated[
        Path | None, typer.Option("--drop", help="File of stems to drop; nothing is measured.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="File of stems of the test split.")
    ] = None,
    enhance: Annotated[bool, typer.Option(help="Enhance the infrared.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Split RGB+thermal images, drop misaligned pairs, enhance the infrared, split train and test.

    What was interrupted goes on when the same command is given again.
    """
    from piafusion.imaging.align.check import LIMIT
    from piafusion.lab.data.msrs import BuildSettings
    from piafusion.lab.data.msrs import build_msrs as build

    if limit is not None and drop:
        raise UsageError("expected --limit or --drop, got both; a list needs no measurement")
    if limit is not None and limit <= 0:
        raise UsageError(f"--limit: expected more than 0 pixels, got {limit:g}")
    settings = BuildSettings(
        LIMIT if limit is None else limit,
        _stems("--drop", drop) if drop else None,
        _stems("--test", test) if test else None,
        enhance,
    )
    result = build(source, output, settings, track=lambda paths: track(paths, "building"))
    for file, why in result.failed.items():
        warn(f"piafusion: {file}: {why}")
    counts = Counter(f"{split} {stem[-1]}" for stem, split in result.kept.items())
    if as_json:
        report = {
            "output": str(output),
            "kept": result.kept,
            "dropped": result.dropped,
            "failed": result.failed,
            "resumed": result.resumed,
        }
        say_json(report)
    else:
        say(
            f"{output}: {len(result.kept)} pairs ("
            + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            + f"), {len(result.dropped)} dropped, {len(result.failed)} unusable, "
            f"{result.resumed} done before"
        )
        for stem, why in result.dropped.items():
            say(f"dropped {stem}: {why}")
    if result.failed:
        raise typer.Exit(1)


def _stems(option: str, path: Path) -> list[str]:
    """Read stems or file names, one a line."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: {path}: expected a text file with a stem a line") from error
    return sorted({Path(line).stem for line in lines})
