"""The data sets of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from piafusion.errors import UsageError
from piafusion.files import content_hash
from piafusion.imaging.pairs import Pair, PairList
from piafusion.lab.data.clips import frames_in, list_clips
from piafusion.lab.data.folders import dataset_name, dataset_pairs, is_day
from piafusion.metrics.natural import BoxError, read_boxes

Item = TypeVar("Item")

BOXES = Path("boxes", "infrared")
"""Folder of boxes in that of a data set: STEM.txt belongs to the pair STEM."""

NAME = r"\w[\w.+-]*"
"""Names that data sets and methods may have: they become names of folders."""


@dataclass(frozen=True)
class Failure:
    """Something that could not be fused or scored; everything else was.

    Attributes:
        data: Name of the data set.
        method: Name of the method, or an empty text.
        message: One line: expected, found, next step.
        stems: The pairs that are concerned.
    """

    data: str
    method: str
    message: str
    stems: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line that names the data set and the method."""
        where = f"{self.method} on {self.data}" if self.method else self.data
        return f"{where}: {self.message}"


@dataclass(frozen=True)
class DataSet:
    """Pairs under one name.

    Attributes:
        name: The name in tables; `msrs/test` for two folders.
        pairs: The pairs to evaluate, sorted by stem.
        hashes: Hash of the content of both source files, by stem.
        known: Stems of all pairs in the folder; more than `pairs` if their number was limited.
        failures: Files without counterparts, and boxes that cannot be used.
        boxes: Files of boxes, by stem; a pair may have none.
        clips: Whether each pair is a clip: two folders of frames, or two videos.
    """

    name: str
    pairs: list[Pair]
    hashes: dict[str, str]
    known: frozenset[str]
    failures: list[Failure]
    boxes: dict[str, Path] = field(default_factory=dict)
    clips: bool = False

    @cached_property
    def lights(self) -> dict[str, str]:
        """By stem "day" or "night", if the last letter of every stem says so; else empty."""
        lights = {pair.stem: is_day(pair.stem) for pair in self.pairs}
        if None in lights.values():
            return {}
        return {stem: "day" if light else "night" for stem, light in lights.items()}


def read_sets(
    texts: Sequence[str], limit: int | None = None, pattern: str | None = None
) -> list[DataSet]:
    """Find the pairs of data sets.

    Args:
        texts: ``NAME=ROOT`` for each data set, or ``ROOT``, which is named after its folder.
        limit: Largest number of pairs of each data set; they are spread evenly.
        pattern: How the names of pairs differ, as `piafusion.imaging.pairs.Match` has it.

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
        clips = list_clips(root)
        found = clips or dataset_pairs(root, pattern)
        pairs = spread(found.pairs, limit or len(found.pairs))
        boxes, problems = _boxes(root / BOXES, found)
        sets[name] = DataSet(
            name,
            pairs,
            {
                pair.stem: content_hash(*frames_in(pair.infrared), *frames_in(pair.visible))
                for pair in pairs
            },
            frozenset(pair.stem for pair in found.pairs),
            [Failure(name, "", f"{path}: {why}") for path, why in found.problems.items()]
            + [Failure(name, "", problem) for problem in problems],
            boxes,
            clips is not None,
        )
    return list(sets.values())


def _boxes(folder: Path, found: PairList) -> tuple[dict[str, Path], list[str]]:
    """Return the files of boxes that can be used, by stem, and a line for each other one."""
    boxes, problems = {}, []
    stems = {pair.stem for pair in found.pairs}
    for path in sorted(folder.glob("*.txt")):
        if path.stem not in stems:
            problems.append(
                f"{path}: expected boxes of a pair, found no pair {path.stem}; add its pictures or "
                "remove the file"
            )
            continue
        try:
            read_boxes(path, 1, 1)
            boxes[path.stem] = path
        except BoxError as error:
            problems.append(str(error))
    return boxes, problems


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return `count` of the items, or all if there are fewer, evenly spread."""
    count = min(count, len(items))
    return [items[(2 * index + 1) * len(items) // (2 * count)] for index in range(count)]


def _split(text: str) -> tuple[str, Path]:
    name, equals, root = text.partition("=")
    if not equals or Path(text).is_dir():
        return dataset_name(Path(text)), Path(text)
    return name, Path(root)
