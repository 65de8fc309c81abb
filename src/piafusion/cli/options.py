"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from piafusion.errors import UsageError

ModelOption = Annotated[
    str,
    typer.Option("--model", "-m", help="A name of `piafusion models`, or an exported file."),
]
MethodOption = Annotated[
    str | None,
    typer.Option("--method", help="A name of `piafusion methods`, in place of the model."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, tensorrt or openvino.")
]
ToneOption = Annotated[
    str,
    typer.Option(
        "--tone",
        help="Infrared values to grey: full, percentile:LOW,HIGH, span:LOW,HIGH, plateau:LIMIT "
        "or clahe:CLIP.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable results.")]
PAPER_METRICS = "MI,SD,VIF,Qabf"
MetricsOption = Annotated[
    str, typer.Option("--metrics", metavar="NAMES", help=f"Such as {PAPER_METRICS}, or all.")
]
ConventionOption = Annotated[
    str, typer.Option("--convention", help="float, or uint8: as the PIAFusion authors' sheets.")
]
INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a setting, e.g. --set steps=500 (repeatable)."),
]
RunOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the run: settings, log, weights.")
]


def metric_names(names: str) -> list[str]:
    """Return what `--metrics` names, in its order; they are not checked."""
    from piafusion.metrics import SPECS

    return list(SPECS) if names == "all" else [name.strip() for name in names.split(",")]


def method_names(names: str) -> list[str]:
    """Return the comparison methods that `--methods` names, in its order.

    Raises:
        UsageError: If there is no such method.
    """
    from piafusion.methods import find_method, list_methods

    if names == "all":
        return list(list_methods())
    return [find_method(name.strip()).name for name in names.split(",")]


def named(settings: Iterable[str]) -> dict[str, str]:
    """Return what `--set NAME=VALUE` gives, repeated, by name.

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
