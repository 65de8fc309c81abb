"""`piafusion report`: a page about thermal photos, to read, print and send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.align import AlignmentOption
from piafusion.cli.options import (
    DeviceOption,
    MatchOption,
    MeasureOption,
    ModelOption,
    OverwriteOption,
    PolarityOption,
    RadiometryOption,
    ToneOption,
    ViewPaletteOption,
    VisibleToneOption,
    option,
    set_conditions,
)
from piafusion.cli.printing import say, warn
from piafusion.cli.progress import track
from piafusion.errors import UsageError
from piafusion.weights import DEFAULT_MODEL

SUFFIXES = (".html", ".md")


def report(
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOS", help="Photo that holds both pictures, or a folder; or infrared files."
        ),
    ],
    output: Annotated[Path, option("An .html or .md file.", None, "--output", "-o")],
    visible: Annotated[
        Path | None,
        typer.Argument(metavar="[VI]", help="Visible file or folder.", show_default=False),
    ] = None,
    measure: MeasureOption = None,
    view_palette: ViewPaletteOption = None,
    radiometry: RadiometryOption = None,
    tone: ToneOption = "full",
    polarity: PolarityOption = "white-hot",
    visible_tone: VisibleToneOption = "full",
    alignment: AlignmentOption = None,
    match: MatchOption = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
) -> None:
    """Write a page with the pictures, temperatures, camera, time and place of photos."""
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output}: expected .html or .md, found {output.suffix!r}")
    if output.exists() and not overwrite:
        raise UsageError(f"{output}: exists already; add --overwrite or choose another name")
    set_conditions(radiometry)
    if visible is None and tone == "full":
        tone = "plateau"  # temperatures have no full range

    from piafusion.cli.planning import find_pairs
    from piafusion.files import write_bytes
    from piafusion.fuser import Fuser
    from piafusion.imaging.views import parse_place, parse_view
    from piafusion.photo_report import photo_report
    from piafusion.report.html import html
    from piafusion.report.text import markdown

    for place in measure or ():
        parse_place(place)
    parse_view("palette", view_palette)
    found = find_pairs(photos, visible, match)
    for path, why in found.problems.items():
        warn(f"piafusion: {path}: {why}")
    fuser = Fuser(
        model, device, tone=tone, polarity=polarity, visible_tone=visible_tone, alignment=alignment
    )
    pairs = track(found.pairs, "reporting")
    document, failed = photo_report(pairs, fuser, view_palette, measure or ())
    for line in failed:
        warn(f"piafusion: {line}")
    if document.sections:
        write = html if output.suffix.lower() == ".html" else markdown
        write_bytes(output, write(document).encode())
        say(f"{len(document.sections)} of {len(found.pairs)} photos: {output}")
    if failed:
        raise typer.Exit(1)
