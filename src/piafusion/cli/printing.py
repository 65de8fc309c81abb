"""Prints the lines of all commands.

A file name may hold escape sequences for the terminal, line breaks, and bytes that are no text.
They are printed escaped, so that a line stays one line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from piafusion.errors import OutputError, system_reason

if TYPE_CHECKING:
    from piafusion.report.document import Cell

CLOSED_PIPE = 141
"""Exit code when nobody reads the output any more, as a shell reports it."""


class ClosedPipeError(Exception):
    """The reader of the standard output has ended, as in `piafusion ... | head -1`."""


def visible(text: str) -> str:
    r"""Return a text with all characters escaped that a terminal does not show as they are.

    >>> print(visible("a\x1b[31mb\nc.png"))
    a\x1b[31mb\nc.png
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(*lines: object) -> None:
    """Print lines on the standard output; without arguments, an empty line.

    Raises:
        ClosedPipeError: If the reader has ended.
        OutputError: If it cannot be written, as on a full disk.
    """
    _put("\n".join(visible(str(line)) for line in lines) + "\n")


def say_json(value: Any, *, allow_nan: bool = True) -> None:  # noqa: ANN401 - what JSON knows
    """Print a value as JSON, which escapes names itself; errors are those of `say`."""
    _put(json.dumps(value, indent=2, allow_nan=allow_nan) + "\n")


def warn(line: object) -> None:
    """Print a line on the standard error; do nothing if it is closed or full."""
    if sys.stderr is None:
        return
    try:
        print(visible(str(line)), file=sys.stderr, flush=True)
    except OSError:
        _forget(sys.stderr)


def flush() -> None:
    """Write out the printed lines; errors are those of `say`."""
    _put("", flush=True)


def _put(text: str, *, flush: bool = False) -> None:
    try:
        print(text, end="", flush=flush)
    except BrokenPipeError:
        _forget(sys.stdout)
        raise ClosedPipeError from None
    except OSError as error:
        _forget(sys.stdout)
        reason = system_reason(error)
        raise OutputError(
            f"standard output: could not be written ({reason}); check where it goes"
        ) from error


def _forget(stream: TextIO) -> None:
    """Discard the rest of a stream that cannot be written; Python would report it at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
    """Print rows of one width under a header; the last column may be long."""
    texts = [[visible(_text(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        from piafusion.report.document import Table
        from piafusion.report.text import plain

        say(*plain(Table(header, texts)))
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text  # a name may look like markup

    table = RichTable(*header, box=None)
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def _text(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell.text} ± {cell.spread}" if cell.spread else cell.text
