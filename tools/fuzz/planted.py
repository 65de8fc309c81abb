"""Readers with faults, one of each kind that has to be found: who watches the watchman."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.errors import ImageError
from tools.fuzz.readers import Input, Reader


def _error(given: Input) -> Any:
    raise ValueError("not one of ours")


def _lines(given: Input) -> Any:
    raise ImageError("two\nlines")


def _hang(given: Input) -> Any:
    while True:
        time.sleep(0.1)


def _crash(given: Input) -> Any:
    ctypes.string_at(0)


def _leak(given: Input) -> Any:
    """Hand out memory that nobody has filled."""
    image = np.empty((48, 64, 3), np.uint16)
    image[..., 0] = 7
    return image


def _unsteady(given: Input) -> Any:
    return os.urandom(8)


def _memory(given: Input) -> Any:
    """Take more than a case may, and let it be refused as if nothing was."""
    return len([bytearray(2**26) for _ in range(17)])


def _half(given: Input) -> Any:
    given.path.with_name("half.tmp").write_bytes(b"half")
    raise ImageError("refused, with something left behind")


def _thread(given: Input) -> Any:
    def fail() -> None:
        raise KeyError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def _warning(given: Input) -> Any:
    warnings.warn("something is odd", RuntimeWarning, stacklevel=1)


def _fine(given: Input) -> Any:
    return Path(given.path).read_bytes()


PLANTED: dict[str, Reader] = {
    f"planted-{name}": Reader(
        f"planted-{name}",
        read,
        corpus=("hashes",),
        limit=1.0 if name == "hang" else 20.0,
        twice=name in ("leak", "unsteady"),
    )
    for name, read in (
        ("error", _error), ("lines", _lines), ("hang", _hang), ("crash", _crash), ("leak", _leak),
        ("memory", _memory), ("half", _half), ("thread", _thread), ("warning", _warning),
        ("unsteady", _unsteady), ("fine", _fine),
    )
}  # fmt: skip
"""`planted-fine` has none; it must pass."""
