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


def option(help: str, panel: str | None = None, *names: str, **settings: Any) -> Any:  # noqa: ANN401 - typer's
    """Return an option: its help, its group in the help, its names and typer's other settings."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **settings)


ModelOption = Annotated[
    str,
    option("A name that `piafusion models` lists, or an exported file.", METHOD, "--model", "-m"),
]
MethodOption = Annotated[
    str | None,
    option("A name that `piafusion methods` lists; it replaces the model.", METHOD, "--method"),
]
DeviceOption = Annotated[
    str,
    option(
        "Where the network runs: auto, cpu, cuda, tensorrt or openvino.", PERFORMANCE, "--device"
    ),
]
PrecisionOption = Annotated[
    str,
    option(
        "Numbers that the network computes in: float, bf16, int8, or auto, the fastest here.",
        PERFORMANCE,
        "--precision",
    ),
]
ToneOption = Annotated[
    str,
    option(
        "How infrared values become grey: full, percentile:LOW,HIGH, span:LOW,HIGH, "
        "bits:COUNT, plateau:LIMIT or clahe:CLIP.",
        INFRARED,
        "--tone",
    ),
]
PolarityOption = Annotated[
    str,
    option("white-hot, or black-hot for an infrared camera that shows hot things dark.", INFRARED),
]
RadiometryOption = Annotated[
    list[str] | None,
    option(
        "A value that replaces the one in a FLIR file: emissivity, distance in metres, reflected "
        "and air (temperatures in °C), or humidity from 0 to 1; repeatable.",
        INFRARED,
        "--radiometry",
        metavar="NAME=VALUE",
    ),
]
PaletteOption = Annotated[
    str | None,
    option(
        "Palette of an infrared picture in false colours: auto, ironbow, ironred, lava, arctic, "
        "rainbow, rainbow-hc, inferno, cividis, white-hot or black-hot.",
        INFRARED,
        "--palette",
    ),
]
VisibleToneOption = Annotated[
    str,
    option(
        "Range of the visible values: full, bits:COUNT (such as bits:12 in a file of 16 "
        "bits), span:LOW,HIGH or percentile:LOW,HIGH.",
        VISIBLE,
    ),
]
ViewOption = Annotated[
    str,
    option(
        "Picture to draw: fused, edges, palette, hot, isotherm, inset, side-by-side, blend, "
        "checker or flicker (not in a video); some take a value, such as edges:0.5, hot:95%, "
        "isotherm:20..30,60.. .",
        VIEW,
        "--view",
    ),
]
ViewPaletteOption = Annotated[
    str | None,
    option(
        "Colours of a view: ironbow, white-hot, black-hot, arctic, rainbow, inferno, cividis, "
        "ironred, lava or rainbow-hc.",
        VIEW,
        "--view-palette",
    ),
]
BarOption = Annotated[
    bool, option("Draw a colour bar with its values beside a view.", VIEW, "--bar")
]
MeasureOption = Annotated[
    list[str] | None,
    option(
        "Print the values of a spot (X,Y), a box (X,Y,WIDTH,HEIGHT) or the whole picture (all), "
        "in degrees or in the unit of the infrared file; repeatable.",
        VIEW,
        "--measure",
        metavar="PLACE",
    ),
]
MatchOption = Annotated[
    str | None,
    option(
        "For folders: how the two names of a pair differ, such as '*_ir=*_vi'; by default "
        "they are equal without the suffix.",
        INPUT,
        "--match",
        metavar="IR=VI",
    ),
]
StrengthOption = Annotated[
    float | None,
    option(
        "How much infrared comes in: 0 is the visible picture, 0.5 (default) the natural "
        "one, 1 has all of the infrared that is brighter."
    ),
]
JsonOption = Annotated[bool, option("Print machine-readable results.", OUTPUT, "--json")]
PAPER_METRICS = "MI,SD,VIF,Qabf"
MetricsOption = Annotated[
    str,
    option(
        f"Names of metrics, such as {PAPER_METRICS}, or all.", None, "--metrics", metavar="NAMES"
    ),
]
ConventionOption = Annotated[
    str,
    option(
        "float; or uint8, for values as in the PIAFusion authors' tables.", None, "--convention"
    ),
]
INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""
OverwriteOption = Annotated[bool, option("Replace existing files.", OUTPUT, "--overwrite")]
SetOption = Annotated[
    list[str] | None,
    option("Replace a setting, such as --set steps=500; repeatable.", SETTINGS, "--set"),
]
RunOption = Annotated[
    Path, option("Folder of the run: settings, log, weights.", OUTPUT, "--output", "-o")
]

LARGEST = 10**9  # the largest absolute value of any number; many options have narrower limits
_NUMERIC = ("int", "integer", "float", "int range", "integer range", "float range")


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
