"""`piafusion export`: from a training run to files that `piafusion fuse` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.printing import say
from piafusion.errors import needing


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished training.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Weights folder; its manifest is updated.")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the model there.")] = None,
    summary: Annotated[str, typer.Option(help="One line that says what it is.")] = "",
) -> None:
    """Write a trained network as ONNX and safetensors, after comparing ONNX with torch."""
    with needing("train", "exporting"):
        from piafusion.lab.training.export import export_run

    weights = export_run(run, output, name=name, summary=summary)
    say(
        f"exported: {weights}",
        f"use it: piafusion fuse IR VI --model {weights} --output OUT",
    )
