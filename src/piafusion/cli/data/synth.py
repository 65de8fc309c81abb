"""`piafusion data synth`: synthetic road scenes with labels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import say, say_json
from piafusion.cli.progress import track
from piafusion.errors import UsageError

_LARGEST = 8192  # pixels of a side


def synth(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=10**6, help="How many scenes.")
    ] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the first scene.")] = 0,
    size: Annotated[
        str, typer.Option("--size", metavar="WxH", help="Size of the pictures.")
    ] = "640x480",
    daylight: Annotated[
        float | None,
        typer.Option(
            "--daylight", min=0, max=1, help="0 night, 0.22 dusk, 1 day; by default any for each."
        ),
    ] = None,
    nights: Annotated[
        float | None,
        typer.Option("--nights", min=0, max=1, help="Share of the scenes at night, such as 0.5."),
    ] = None,
    fog: Annotated[
        float, typer.Option("--fog", min=0, max=1, help="0 clear to 1, 45 m of visibility.")
    ] = 0.0,
    shift: Annotated[
        float, typer.Option("--shift", min=0, help="Misalign corners by at most so many pixels.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Make road scenes: ir, vi and label, and scenes.json with how each was made."""
    from piafusion.lab.data.writing import Recipe, write_scenes

    try:
        width, height = map(int, size.lower().split("x"))
    except ValueError:
        width = height = 0
    if not 1 <= min(width, height) <= max(width, height) <= _LARGEST:
        raise UsageError(
            f"--size: expected WIDTHxHEIGHT like 640x480, up to {_LARGEST} each, got {size[:40]!r}"
        )
    began = time.perf_counter()
    recipe = Recipe(seed, height, width, daylight, fog, shift, nights)
    stems = write_scenes(output, count, recipe, track=lambda indices: track(indices, "painting"))
    seconds = time.perf_counter() - began
    if as_json:
        say_json({"output": str(output), "stems": stems, "seconds": seconds})
    else:
        say(f"{output}: {len(stems)} scenes of {width}x{height} in {seconds:.1f} s")
