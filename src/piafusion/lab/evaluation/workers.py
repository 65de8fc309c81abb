"""Processes that measure: started, asked for times, ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from piafusion.errors import MeasurementError
from piafusion.files import parse_json, reading
from piafusion.lab.evaluation import worker


@dataclass(frozen=True)
class Setup:
    """The settings of one measurement; all but the size are arguments of `Fuser`."""

    model: str
    engine: str
    device: str
    width: int
    height: int
    threads: int | None = None
    method: str | None = None


class Worker:
    """A running worker process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.start = self._read()

    def run(self, frames: int) -> dict[str, Any]:
        """Time some frames; the answer is the worker's.

        Raises:
            MeasurementError: If the process has ended.
        """
        with suppress(BrokenPipeError):  # it has ended; reading tells how
            print(frames, file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        with reading("worker", "a line of JSON", "look into its output", MeasurementError):
            answer: dict[str, Any] = parse_json(line, dict) if line else {}
        if "error" in answer:
            raise MeasurementError(answer["error"])
        if not answer:
            code = self._process.wait()
            why = "killed, probably for want of memory" if code == -9 else f"exit code {code}"
            raise MeasurementError(f"expected times from a process, found that it ended: {why}")
        return answer


@contextmanager
def start_worker(setup: Setup) -> Iterator[Worker]:
    """Start a process, have it load the model and fuse one pair; end it afterwards.

    Raises:
        MeasurementError: If it cannot load the model or fuse.
    """
    command = [sys.executable, worker.__file__, json.dumps(asdict(setup))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()
