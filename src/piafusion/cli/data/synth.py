"""`piafusion data synth`: synthetic road scenes with labels."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import JsonOption, track
from piafusion.errors import UsageError


def synth(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    count: Annotated[int, typer.Option("--count", "-n", help="How many scenes.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Of the first scene.")] = 0,
    size: Annotated[
        str, typer.Option("--size", metavar="WxH", help="Of the pictures.")
    ] = "640x480",
    daylight: Annotated[
        float | None,
        typer.Option("--daylight", help="0 night, 0.22 dusk, 1 day; by default any for each."),
    ] = None,
    nights: Annotated[
        float | None, typer.Option("--nights", help="Share of the scenes at night, such as 0.5.")
    ] = None,
    fog: Annotated[float, typer.Option("--fog", help="0 clear to 1, 45 m of visibility.")] = 0.0,
    shift: Annotated[
        float, typer.Option("--shift", help="Misalign corners by at most so many pixels.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Make road scenes: ir, vi and label, and scenes.json with how each was made."""
    from piafusion.datasets.writing import Recipe, write_scenes

    try:
        width, height = map(int, size.lower().split("x"))
    except ValueError as error:
        raise UsageError(f"--size: expected WIDTHxHEIGHT like 640x480, got {size!r}") from error
    began = time.perf_counter()
    recipe = Recipe(seed, height, width, daylight, fog, shift, nights)
    stems = write_scenes(output, count, recipe, track=lambda indices: track(indices, "painting"))
    seconds = time.perf_counter() - began
    if as_json:
        print(json.dumps({"output": str(output), "stems": stems, "seconds": seconds}, indent=2))
    else:
        print(f"{output}: {len(stems)} scenes of {width}x{height} in {seconds:.1f} s")
