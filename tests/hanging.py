"""Readers that hang or die of some files; a process of its own imports them from here."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from piafusion.imaging.io import decode_visible, read_pair

HANGS, DIES = b"hangs", b"dies"
"""What such a file ends with."""


def read_or_hang(infrared: Path, *arguments: Any, **options: Any) -> Any:
    """Read a pair."""
    _misbehave(infrared.read_bytes())
    return read_pair(infrared, *arguments, **options)


def decode_or_hang(data: bytes, *arguments: Any) -> Any:
    """Decode a picture."""
    _misbehave(data)
    return decode_visible(data, *arguments)


def take_memory(data: bytes, *arguments: Any) -> Any:
    """Ask for more memory than any picture needs."""
    return decode_visible(data, *arguments), bytearray(2**34)


def _misbehave(data: bytes) -> None:
    if data.endswith(HANGS):
        time.sleep(3600)
    if data.endswith(DIES):
        os.abort()


class OddError(Exception):
    """An error that pickle cannot bring back."""

    def __init__(self, one: str, two: str) -> None:
        """Take two, and keep one."""
        super().__init__(one + two)


def print_and_fail() -> None:
    """Print what is no answer, and raise what cannot travel."""
    os.write(1, b"noise\n")
    raise OddError("odd", " one")


def call_and_die() -> None:
    """Leave a process of `KillableProcess` behind that is busy, and tell its number."""
    from piafusion.run.processes import KillableProcess

    process = KillableProcess()
    print(process.call(os.getpid, name="number", seconds=60), flush=True)
    threading.Thread(target=process.call, args=(time.sleep, 3600), daemon=True,
                     kwargs={"name": "sleep", "seconds": 0.5}).start()  # fmt: skip
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)
