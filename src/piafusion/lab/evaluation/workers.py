"""Processes that measure: started, asked for times, ended; of this build or of another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piafusion.errors import MeasurementError, UsageError
from piafusion.files import parse_json, reading
from piafusion.lab.evaluation import worker


@dataclass(frozen=True)
class Setup:
    """What is measured; all but the size are arguments of `Fuser`."""

    model: str
    engine: str
    device: str
    width: int
    height: int
    threads: int | None = None
    method: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What the worker gets: only what is set, since another build may not know the rest."""
        return {name: value for name, value in vars(self).items() if value is not None}


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
def start_worker(setup: Setup, build: Path | None = None) -> Iterator[Worker]:
    """Start a process, have it load the model and fuse one pair; end it afterwards.

    Args:
        setup: What to measure.
        build: Folder that holds the package `piafusion`; this one's by default.

    Raises:
        MeasurementError: If it cannot load the model or fuse, or took another build.
    """
    build = (build or Path(__file__).parents[3]).resolve()
    settings = {**setup.settings, "build": str(build)}
    command = [sys.executable, str(Path(worker.__file__)), json.dumps(settings)]
    paths = [str(build), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


@contextmanager
def unpacked(build: Path) -> Iterator[Path]:
    """Give the folder that holds the package of a wheel, a source tree or a `src` folder.

    Raises:
        UsageError: If there is no piafusion in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        if build.suffix == ".whl" and zipfile.is_zipfile(build):
            with (
                reading(build, "a wheel of piafusion", "build it again"),
                zipfile.ZipFile(build) as wheel,
            ):
                wheel.extractall(folder)
            candidates = [Path(folder)]
        else:
            candidates = [build, build / "src"]
        for candidate in candidates:
            if (candidate / "piafusion" / "__init__.py").is_file():
                yield candidate.resolve()
                return
    raise UsageError(
        f"{build}: expected a wheel or a source folder of piafusion, found none of them"
    )
