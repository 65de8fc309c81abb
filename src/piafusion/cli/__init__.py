"""The command line: one module per command, heavy imports inside the commands."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import ENAMETOOLONG
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, cast

import typer

import piafusion
from piafusion.cli.options import refuse_odd_numbers
from piafusion.cli.printing import CLOSED_PIPE, ClosedPipeError, flush, say, warn
from piafusion.errors import PiafusionError, UsageError, system_reason

WRONG_USE, SOME_FAILED = 2, 1
TRACEBACK_VARIABLE = "PIAFUSION_TRACEBACK"
"""Set, an error that nobody has foreseen ends with its traceback."""
_WRONG_ARGUMENTS = cast(
    type[typer.BadParameter], typer.BadParameter.__mro__[1]
)  # typer brings click, or has its own

COMMANDS = {
    "demo": "demo.demo",
    "fuse": "fuse.fuse",
    "align": "align.align",
    "video": "video.video",
    "live": "live.live",
    "report": "report.report",
    "illumination": "illumination.illumination",
    "metrics": "metrics.metrics",
    "evaluate": "evaluate.evaluate",
    "reproduce": "reproduce.reproduce",
    "segment": "segment.segment",
    "bench": "bench.bench",
    "models": "models.models",
    "methods": "models.methods",
    "serve": "serve.serve",
    "train": "train.app",
    "export": "train.export",
    "data": "data.app",
}
"""The function, or the group of commands, behind each name."""


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"piafusion {piafusion.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version


def make_app(*names: str) -> typer.Typer:
    """Return the command line with these commands alone, or with all: to load one is quicker."""
    app = typer.Typer(
        help="Fuse infrared and visible images, day and night.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in names or COMMANDS:
        module, function = COMMANDS[name].split(".")
        found = getattr(import_module(f"piafusion.cli.{module}"), function)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def main() -> None:
    """Run the command line.

    Wrong use exits with 2, other failures with 1, a reader that has gone with 141.
    """
    atexit.register(gc.freeze)  # nobody waits while Python looks for cycles in what the end drops
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what matters is raised
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell has closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name need not be text
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    command = typer.main.get_command(make_app(*[wanted] * (wanted in COMMANDS)))
    refuse_odd_numbers(command)
    code = _ended(lambda: command(prog_name="piafusion", standalone_mode=False))
    if not code:
        code = _ended(flush)
    else:  # one reason is told
        with suppress(ClosedPipeError, PiafusionError):
            flush()
    sys.exit(code)


def _ended(work: Callable[[], object]) -> int:
    """Call a function; print an error as one line, and return the exit code."""
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
        reason = system_reason(error)
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
