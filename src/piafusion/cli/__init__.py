"""The command line: one module per command, heavy imports inside the commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import ENAMETOOLONG
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, cast

import typer

import piafusion
from piafusion.cli import (
    align,
    bench,
    data,
    demo,
    evaluate,
    fuse,
    illumination,
    metrics,
    models,
    reproduce,
    segment,
    serve,
    train,
    video,
)
from piafusion.cli.options import refuse_odd_numbers
from piafusion.cli.printing import CLOSED_PIPE, ClosedPipeError, flush, say, warn
from piafusion.errors import PiafusionError, UsageError

WRONG_USE, SOME_FAILED = 2, 1
TRACEBACK_VARIABLE = "PIAFUSION_TRACEBACK"
"""Set, an error that nobody has foreseen ends with its traceback."""
_WRONG_ARGUMENTS = cast(
    type[typer.BadParameter], typer.BadParameter.__mro__[1]
)  # typer brings click, or has its own

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
app.command("methods")(models.methods)
app.command("serve")(serve.serve)
app.add_typer(train.app, name="train")
app.command("export")(train.export)
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"piafusion {piafusion.__version__}")
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
    """Run the command line.

    Wrong use exits with 2, other failures with 1, a reader that has gone with 141.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what matters is raised
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell has closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name need not be text
    command = typer.main.get_command(app)
    refuse_odd_numbers(command)
    code = _ended(lambda: command(prog_name="piafusion", standalone_mode=False))
    if not code:
        code = _ended(flush)
    else:  # one reason is told
        with suppress(ClosedPipeError, PiafusionError):
            flush()
    sys.exit(code)


def _ended(work: Callable[[], object]) -> int:
    """Do something; say in one line what went wrong, and return the exit code."""
    try:
        code = work()
    except ClosedPipeError:
        return CLOSED_PIPE
    except PiafusionError as error:
        warn(f"piafusion: {error}")
        return WRONG_USE if isinstance(error, UsageError) else SOME_FAILED
    except _WRONG_ARGUMENTS as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # the help is printed already
            place = f"; see {error.ctx.command_path} --help" if error.ctx else ""
            warn(f"piafusion: {error.format_message().rstrip('.')}{place}")
        return WRONG_USE
    except typer.Abort:
        warn("piafusion: aborted")
        return SOME_FAILED
    except MemoryError:
        warn("piafusion: expected enough memory, found too little; use fewer or smaller pictures")
        return SOME_FAILED
    except OSError as error:  # of a path that no command looks into by itself
        reason = (error.strerror or str(error)).lower()
        warn(f"piafusion: {error.filename or 'system'}: found {reason}; check the path")
        return WRONG_USE if error.errno == ENAMETOOLONG else SOME_FAILED
    except Exception as error:  # of any library, or a fault of ours
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        reason = " ".join(str(error).split()) or "without a reason"
        warn(
            f"piafusion: expected no {type(error).__name__}, found one: {reason}; report it with "
            f"what {TRACEBACK_VARIABLE}=1 shows"
        )
        return SOME_FAILED
    return code if isinstance(code, int) else 0
