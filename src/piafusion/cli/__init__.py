"""The command line: one module per command, heavy imports inside the commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import piafusion
from piafusion.cli import (
    align,
    bench,
    data,
    demo,
    evaluate,
    export,
    fuse,
    illumination,
    methods,
    metrics,
    models,
    reproduce,
    segment,
    serve,
    train,
    video,
)
from piafusion.errors import PiafusionError, UsageError

WRONG_USE, SOME_FAILED = 2, 1

app = typer.Typer(
    help="Fuse infrared and visible images, day and night.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("fuse")(fuse.fuse)
app.command("align")(align.align)
app.command("video")(video.video)
app.command("illumination")(illumination.illumination)
app.command("metrics")(metrics.metrics)
app.command("evaluate")(evaluate.evaluate)
app.command("reproduce")(reproduce.reproduce)
app.command("segment")(segment.segment)
app.command("bench")(bench.bench)
app.command("models")(models.models)
app.command("methods")(methods.methods)
app.command("serve")(serve.serve)
app.add_typer(train.app, name="train")
app.command("export")(export.export)
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"piafusion {piafusion.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; wrong use exits with 2, other failures with 1."""
    try:
        app()
    except PiafusionError as error:
        print(f"piafusion: {error}", file=sys.stderr)
        sys.exit(WRONG_USE if isinstance(error, UsageError) else SOME_FAILED)
