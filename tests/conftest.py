"""What the tests share: reproducible properties, small pictures, the command line in-process."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import hypothesis
import numpy as np
import pytest
import typer

from piafusion import batch, cli, engines

hypothesis.settings.register_profile(
    "reproducible", derandomize=True, deadline=None, max_examples=25
)
hypothesis.settings.load_profile("reproducible")

# "auto" finds no OpenVINO: pictures are the same wherever the tests run.
engines.find_spec = lambda name: None


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


GET_COMMAND = typer.main.get_command


@functools.cache
def command_of_the_app() -> object:
    """Return the command line, made once: that takes longer than many a command."""
    return GET_COMMAND(cli.make_app())


class ReadersHere:
    """In place of the processes that read files: to start them takes longer than the rest."""

    def __init__(self, workers: int) -> None:
        """Start nothing; tests/test_batch.py is about the processes."""

    def __call__(self, read: Callable[[], object], *files: Path) -> object:
        """Read here."""
        return read()

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def piafusion(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Finished]]:
    """Run `piafusion ARGUMENTS...` in this process; what options put into its environment goes."""
    before = set(os.environ)
    monkeypatch.setattr(batch, "PairReaders", ReadersHere)

    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["piafusion", *map(str, arguments)])
        monkeypatch.setattr(typer.main, "get_command", lambda app: command_of_the_app())
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return Finished(int(stop.value.code or 0), out, err)

    yield run
    for name in set(os.environ) - before:
        del os.environ[name]


@pytest.fixture
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `reproduce --quick` paint two tiny scenes, not many small ones, and score them here."""
    from piafusion.lab.paper import datasets

    paint = datasets._paint

    def paint_few(folder: Path, parts: dict[str, tuple[int, int]]) -> None:
        paint(folder, {part: (seed, 2) for part, (seed, _) in parts.items()})

    monkeypatch.setattr("piafusion.lab.evaluation.scoring.usable_cores", lambda: 1)
    monkeypatch.setattr(datasets, "_SIZE", (64, 80))
    monkeypatch.setattr(datasets, "_paint", paint_few)


def scene(height: int = 48, width: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth random infrared (H x W) and visible (H x W x 3 RGB) picture, uint8."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(30, 220, (6, 8, 4), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(smooth[..., 3]), np.ascontiguousarray(smooth[..., :3])


@pytest.fixture
def pair_folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with three matching pairs: 1D, 2N and 3N."""
    for index, stem in enumerate(("1D", "2N", "3N")):
        infrared, visible = scene(seed=index)
        for name, image in (("ir", infrared), ("vi", visible[..., ::-1])):
            (tmp_path / name).mkdir(exist_ok=True)
            assert cv2.imwrite(str(tmp_path / name / f"{stem}.png"), image)
    return tmp_path / "ir", tmp_path / "vi"
