"""The data sets of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from piafusion.errors import UsageError
from piafusion.imaging.pairs import Pair
from piafusion.lab.data.folders import dataset_name, dataset_pairs, is_day
from piafusion.lab.evaluation.journal import digest

Item = TypeVar("Item")

NAME = r"\w[\w.+-]*"
"""What data sets and methods may be called: their names become folders."""


@dataclass(frozen=True)
class Problem:
    """Something that could not be predicted or scored; all else was.

    Attributes:
        data: Name of the data set.
        method: Name of the method, or an empty text.
        message: One line: expected, found, next step.
        stems: The pairs that it is about.
    """

    data: str
    method: str
    message: str
    stems: tuple[str, ...] = ()


def told(problem: Problem) -> str:
    """Return a problem as one line that names the data set and the method."""
    where = f"{problem.method} on {problem.data}" if problem.method else problem.data
    return f"{where}: {problem.message}"


@dataclass(frozen=True)
class DataSet:
    """Pairs under one name.

    Attributes:
        name: As tables show it; `msrs/test` for two folders.
        pairs: What is evaluated, sorted by stem.
        digests: For each stem, what its two source files hold.
        known: Stems of all pairs in the folder; more than `pairs` if their number was limited.
        problems: Files without counterparts.
    """

    name: str
    pairs: list[Pair]
    digests: dict[str, str]
    known: frozenset[str]
    problems: list[Problem]

    @cached_property
    def lights(self) -> dict[str, str]:
        """For each stem "day" or "night", if every stem says so by its last letter; else empty."""
        lights = {pair.stem: is_day(pair.stem) for pair in self.pairs}
        if None in lights.values():
            return {}
        return {stem: "day" if light else "night" for stem, light in lights.items()}


def read_sets(texts: Sequence[str], limit: int | None = None) -> list[DataSet]:
    """Find the pairs of data sets.

    Args:
        texts: For each data set ``NAME=ROOT`` or ``ROOT``, which is named after its folder.
        limit: Take so many pairs of each, evenly spread.

    Raises:
        UsageError: If a folder or its pairs are not there, or a name is bad or used twice.
    """
    sets: dict[str, DataSet] = {}
    for text in texts:
        name, root = _split(text)
        if not re.fullmatch(rf"{NAME}(/{NAME})*", name):
            raise UsageError(
                f"expected a data set named by letters, digits and . _ + -, found {name!r}; "
                "write NAME=FOLDER"
            )
        if name in sets:
            raise UsageError(f"{root}: a second data set named {name!r}; write OTHER_NAME={root}")
        found = dataset_pairs(root)
        pairs = spread(found.pairs, limit or len(found.pairs))
        sets[name] = DataSet(
            name,
            pairs,
            {pair.stem: digest(pair.infrared, pair.visible) for pair in pairs},
            frozenset(pair.stem for pair in found.pairs),
            [Problem(name, "", f"{path}: {why}") for path, why in found.problems.items()],
        )
    return list(sets.values())


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return `count` of the items, or all if there are fewer, evenly spread."""
    count = min(count, len(items))
    return [items[(2 * index + 1) * len(items) // (2 * count)] for index in range(count)]


def _split(text: str) -> tuple[str, Path]:
    name, equals, root = text.partition("=")
    if not equals or Path(text).is_dir():
        return dataset_name(Path(text)), Path(text)
    return name, Path(root)
