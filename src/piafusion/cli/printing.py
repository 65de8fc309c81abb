"""What a command prints: every line goes through here.

A file's name may hold anything but a slash: escape sequences that a terminal obeys, line breaks,
bytes that are no text. It is shown with these escaped, so that a line stays a line.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from piafusion.errors import OutputError

CLOSED_PIPE = 141
"""Exit code when nobody reads the output any more, as a shell reports it."""


class ClosedPipeError(Exception):
    """Nobody reads the standard output any more: `piafusion ... | head -1`."""


def visible(text: str) -> str:
    r"""Return a text with what no terminal shows as itself escaped.

    >>> print(visible("a\x1b[31mb\nc.png"))
    a\x1b[31mb\nc.png
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(*lines: object) -> None:
    """Print lines on the standard output; without any, an empty one.

    Raises:
        ClosedPipeError: If nobody reads it.
        OutputError: If it cannot be written, as on a full disk.
    """
    _put("\n".join(visible(str(line)) for line in lines) + "\n")


def say_json(value: Any, *, allow_nan: bool = True) -> None:  # noqa: ANN401 - what JSON knows
    """Print a value as JSON, which escapes names by itself; errors are those of `say`."""
    _put(json.dumps(value, indent=2, allow_nan=allow_nan) + "\n")


def warn(line: object) -> None:
    """Print a line on the standard error; if that is closed or full, there is no one to tell."""
    if sys.stderr is None:
        return
    try:
        print(visible(str(line)), file=sys.stderr, flush=True)
    except OSError:
        _forget(sys.stderr)


def flush() -> None:
    """Have what was printed written; errors are those of `say`."""
    _put("", flush=True)


def _put(text: str, *, flush: bool = False) -> None:
    try:
        print(text, end="", flush=flush)
    except BrokenPipeError:
        _forget(sys.stdout)
        raise ClosedPipeError from None
    except OSError as error:
        _forget(sys.stdout)
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"standard output: could not be written ({reason}); check where it goes"
        ) from error


def _forget(stream: TextIO) -> None:
    """Let what is left in a stream that cannot be written go, or Python would tell of it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
