"""A small data set, and methods that count how often they are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from piafusion import Fuser
from piafusion.imaging.io import write_image
from piafusion.lab.evaluation.methods import Method
from piafusion.lab.evaluation.sets import DataSet, read_sets
from tests.conftest import scene

MAXIMUM = Fuser(method="maximum")
STEMS = ("1D", "2D", "3N", "4N")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four pairs, two by day and two by night."""
    for index, stem in enumerate(STEMS):
        for name, image in zip(("ir", "vi"), scene(seed=index), strict=True):
            write_image(tmp_path / "data" / name / f"{stem}.png", image)
    return tmp_path / "data"


@pytest.fixture
def data(root: Path) -> DataSet:
    """The same as a data set named `tiny`."""
    return read_sets([f"tiny={root}"])[0]


class Counting:
    """Makes methods that fuse by maximum and notes each call."""

    def __init__(self) -> None:
        self.calls = 0

    def method(self, settings: Any = "a", fuse: Callable[..., Any] = MAXIMUM) -> Method:
        def counted(infrared: Any, visible: Any) -> Any:
            self.calls += 1
            return fuse(infrared, visible)

        return Method("mine", {"weights": settings}, lambda: counted, threads=3)


@pytest.fixture
def counting() -> Counting:
    """A counter of calls that starts at zero."""
    return Counting()
