"""`piafusion data patches`: the crops that networks are trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import say, say_json
from piafusion.cli.progress import track


def patches(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder with ir and vi, or with day and night.")
    ],
    size: Annotated[
        int, typer.Option("--size", min=1, max=65536, help="Side of a patch in pixels.")
    ] = 64,
    stride: Annotated[
        int, typer.Option("--stride", min=1, max=65536, help="Pixels between patches.")
    ] = 64,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write them; otherwise they are counted.")
    ] = None,
    light: Annotated[
        bool, typer.Option("--illumination", help="The illumination set: visible patches by light.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Count the patches of a data set, or write them as a data set of their own."""
    from piafusion.lab.data.folders import whole_folder

    if output:
        with whole_folder(output) as work:
            counts = _cut(root, size, stride, work, light=light)
    else:
        counts = _cut(root, size, stride, None, light=light)
    if as_json:
        say_json({"patches": counts.total(), **counts})
        return
    by_light = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    say(
        f"{counts.total()} patches of {size}x{size} ({by_light})"
        + (f" in {output}" if output else "")
    )


def _cut(root: Path, size: int, stride: int, work: Path | None, *, light: bool) -> Counter[str]:
    """Go through the patches, write them if there is a folder, and count them by light."""
    from piafusion.imaging.io import write_image
    from piafusion.lab.data.patches import is_illumination_set, iter_illumination, iter_patches

    counts: Counter[str] = Counter()
    if light or is_illumination_set(root):
        for item in track(iter_illumination(root, size, stride), "cutting"):
            kind = "day" if item.target[0] else "night"
            counts[kind] += 1
            if work:
                write_image(work / kind / f"{item.name}.png", item.visible)
        return counts
    for patch in track(iter_patches(root, size, stride), "cutting"):
        counts["unknown" if patch.day is None else "day" if patch.day else "night"] += 1
        if work:
            for folder, image in (("ir", patch.infrared), ("vi", patch.visible)):
                write_image(work / folder / f"{patch.name}.png", image)
    return counts
