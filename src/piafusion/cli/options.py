"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from piafusion.errors import UsageError

INPUT, OUTPUT, METHOD = "Input", "Output", "Model or method"
INFRARED, VISIBLE, ALIGNMENT, PERFORMANCE = "Infrared", "Visible", "Alignment", "Performance"
SETTINGS, VIEW = "Settings", "View"
"""Headings of the groups of options in the help."""

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A name that `piafusion models` lists, or an exported file.",
        rich_help_panel=METHOD,
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="A name that `piafusion methods` lists; it replaces the model.",
        rich_help_panel=METHOD,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where the network runs: auto, cpu, cuda, tensorrt or openvino.",
        rich_help_panel=PERFORMANCE,
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="What the network computes in: float, bf16, int8, or auto for the fastest here.",
        rich_help_panel=PERFORMANCE,
    ),
]
ToneOption = Annotated[
    str,
    typer.Option(
        "--tone",
        help="How infrared values become grey: full, percentile:LOW,HIGH, span:LOW,HIGH, "
        "bits:COUNT, plateau:LIMIT or clahe:CLIP.",
        rich_help_panel=INFRARED,
    ),
]
PolarityOption = Annotated[
    str,
    typer.Option(
        help="white-hot, or black-hot for an infrared camera that shows hot things dark.",
        rich_help_panel=INFRARED,
    ),
]
RadiometryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--radiometry",
        metavar="NAME=VALUE",
        help="For the counts of FLIR cameras, in place of the file's: emissivity, distance in "
        "metres, reflected and air in °C, or humidity from 0 to 1; repeatable.",
        rich_help_panel=INFRARED,
    ),
]
PaletteOption = Annotated[
    str | None,
    typer.Option(
        "--palette",
        help="The infrared is in false colours: auto, or ironbow, ironred, lava, arctic, rainbow, "
        "rainbow-hc, inferno, cividis, white-hot, black-hot.",
        rich_help_panel=INFRARED,
    ),
]
VisibleToneOption = Annotated[
    str,
    typer.Option(
        help="Range of the visible values: full, bits:COUNT (such as bits:12 in a file of 16 "
        "bits), span:LOW,HIGH or percentile:LOW,HIGH.",
        rich_help_panel=VISIBLE,
    ),
]
ViewOption = Annotated[
    str,
    typer.Option(
        "--view",
        help="What to draw: fused, edges, palette, hot, isotherm, inset, side-by-side, blend, "
        "checker or flicker; some take a value, such as edges:0.5, hot:95%, isotherm:20..30,60.. .",
        rich_help_panel=VIEW,
    ),
]
ViewPaletteOption = Annotated[
    str | None,
    typer.Option(
        "--view-palette",
        help="Colours of a view: ironbow, white-hot, black-hot, arctic, rainbow, inferno, cividis, "
        "ironred, lava or rainbow-hc.",
        rich_help_panel=VIEW,
    ),
]
BarOption = Annotated[
    bool,
    typer.Option(
        "--bar", help="Draw a colour bar with its values beside a view.", rich_help_panel=VIEW
    ),
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="PLACE",
        help="Tell the values of a spot X,Y, a box X,Y,WIDTH,HEIGHT or all, in degrees or as the "
        "infrared file has them; repeatable.",
        rich_help_panel=VIEW,
    ),
]
MatchOption = Annotated[
    str | None,
    typer.Option(
        "--match",
        metavar="IR=VI",
        help="For folders: how the two names of a pair differ, such as '*_ir=*_vi'; by default "
        "they are equal without the suffix.",
        rich_help_panel=INPUT,
    ),
]
StrengthOption = Annotated[
    float | None,
    typer.Option(
        help="How much infrared comes in: 0 is the visible picture, 0.5 (default) the natural "
        "one, 1 has all of the infrared that is brighter.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print machine-readable results.", rich_help_panel=OUTPUT),
]
PAPER_METRICS = "MI,SD,VIF,Qabf"
MetricsOption = Annotated[
    str,
    typer.Option(
        "--metrics", metavar="NAMES", help=f"Names of metrics, such as {PAPER_METRICS}, or all."
    ),
]
ConventionOption = Annotated[
    str,
    typer.Option(
        "--convention", help="float; or uint8, for values as in the PIAFusion authors' tables."
    ),
]
INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing files.", rich_help_panel=OUTPUT)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Replace a setting, such as --set steps=500; repeatable.",
        rich_help_panel=SETTINGS,
    ),
]
RunOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder of the run: settings, log, weights.",
        rich_help_panel=OUTPUT,
    ),
]

LARGEST = 10**9  # the largest absolute value of any number; many options have narrower limits
_NUMERIC = ("int", "integer", "float", "int range", "integer range", "float range")


def option(help: str, panel: str | None = None, *names: str, **settings: Any) -> Any:  # noqa: ANN401 - typer's
    """Return an option: its help, its group in the help, its names and typer's other settings."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **settings)


def metric_names(names: str) -> list[str]:
    """Return the names in `--metrics`, in their order; they are not checked."""
    from piafusion.metrics import SPECS

    return list(SPECS) if names == "all" else [name.strip() for name in names.split(",")]


def method_names(names: str) -> list[str]:
    """Return the comparison methods in `--methods`, in their order.

    Raises:
        UsageError: If there is no such method.
    """
    from piafusion.methods import find_method, list_methods

    if names == "all":
        return list(list_methods())
    return [find_method(name.strip()).name for name in names.split(",")]


def set_conditions(texts: Iterable[str] | None) -> None:
    """Set what `--radiometry` names for this process and those that it starts.

    Raises:
        UsageError: If a name or a value cannot be used.
    """
    if texts:
        from piafusion.imaging.conditions import VARIABLE, parse_conditions

        found = parse_conditions(texts)
        os.environ[VARIABLE] = ",".join(f"{name}={value}" for name, value in found.items())


def named(settings: Iterable[str]) -> dict[str, str]:
    """Return the values of a repeated `--set NAME=VALUE`, by name.

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


def parse_size(text: str, least: int, most: int) -> tuple[int, int]:
    """Return width and height of a `--size WIDTHxHEIGHT`.

    Raises:
        UsageError: If it is no such text, or a side is out of bounds.
    """
    width, _, height = text.lower().partition("x")
    sides = [int(side) if re.fullmatch("[0-9]{1,5}", side) else -1 for side in (width, height)]
    if not least <= min(sides) <= max(sides) <= most:
        raise UsageError(
            f"--size: expected WIDTHxHEIGHT of {least} to {most} each, such as 640x480, "
            f"found {text[:40]!r}"
        )
    return sides[0], sides[1]


def refuse_odd_numbers(command: Any) -> None:  # noqa: ANN401 - typer's or click's
    """Make all numeric options of a command and its subcommands refuse NaN and absurd values."""
    for inner in getattr(command, "commands", {}).values():
        refuse_odd_numbers(inner)
    for parameter in command.params:
        if parameter.type.name in _NUMERIC:
            parameter.callback = _checked


def _checked(context: Any, parameter: Any, value: float | None) -> float | None:  # noqa: ANN401
    if value is not None and not abs(value) <= LARGEST:  # also true for NaN
        raise typer.BadParameter(
            f"expected a number up to {LARGEST:,}, found {value:.6g}", ctx=context, param=parameter
        )
    return value
