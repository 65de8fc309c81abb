"""The second step of an evaluation: compute every score once. Also scores files by themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path

import cv2

from piafusion.errors import (
    ImageError,
    PiafusionError,
    SizeMismatchError,
    TooSmallError,
    UsageError,
)
from piafusion.files import content_hash
from piafusion.imaging.arrays import Image, as_visible
from piafusion.imaging.io import read_image
from piafusion.imaging.pairs import Pair, match
from piafusion.lab.data.clips import frames_in, is_clip, read_clip, read_frames
from piafusion.lab.evaluation.methods import GivenPictures, Method, versions
from piafusion.lab.evaluation.predict import fused_files
from piafusion.lab.evaluation.sets import BOXES, DataSet, Failure
from piafusion.machine import usable_cores
from piafusion.metrics import ALL_SPECS, CLIP_SPECS, evaluate, evaluate_clip, read_boxes
from piafusion.run.journal import Journal
from piafusion.run.pool import map_in_order

_FEWEST_FOR_POOL = 8  # fewer pictures are scored before a second process has started
_EVERY = 10  # frames of a clip; the metrics of a picture are of one of so many
_ENTRY = {"files": str, "values": {str: (float, None)}, "undefined": str}


@dataclass(frozen=True)
class Triple:
    """The files of one scene: two source pictures, the picture fused from them, perhaps boxes."""

    stem: str
    infrared: Path
    visible: Path
    fused: Path
    boxes: Path | None = None


@dataclass(frozen=True)
class TripleScores:
    """The scores of one triple.

    Attributes:
        triple: The files.
        values: Score by metric; one is missing if the pictures lack what it needs.
        error: The reason why there are no scores.
        undefined: The reason why some metrics have none: the pictures are too small for them.
    """

    triple: Triple
    values: dict[str, float]
    error: str = ""
    undefined: str = ""


@dataclass(frozen=True)
class PictureScores:
    """The scores of a fused picture by metric, without those undefined for its size."""

    data: str
    stem: str
    light: str
    method: str
    values: dict[str, float]


def list_triples(
    infrared: Path, visible: Path, fused: Path, pattern: str | None = None
) -> tuple[list[Triple], dict[Path, str]]:
    """Match the pictures of three folders, as `piafusion.imaging.pairs.match` does.

    Other files, hidden files and subfolders are skipped.

    Returns:
        The triples, sorted by stem, and for each file without counterparts or with several a
        message.

    Raises:
        UsageError: If a folder is missing or empty, if a folder of sources is also the folder of
            fused pictures, or if no stem occurs in all three.
    """
    if fused.resolve() in (infrared.resolve(), visible.resolve()):
        raise UsageError(
            f"{fused}: expected fused pictures, found a folder of sources; give another folder"
        )
    matches, problems = match(infrared, visible, fused, pattern=pattern)
    return [triple_of(stem, *paths) for stem, paths in matches.items()], problems


def triple_of(stem: str, infrared: Path, visible: Path, fused: Path) -> Triple:
    """Return a triple with the boxes beside its infrared folder, if there are any."""
    boxes = infrared.absolute().parent.parent / BOXES / f"{infrared.stem}.txt"
    return Triple(stem, infrared, visible, fused, boxes if boxes.exists() else None)


def score_files(
    triple: Triple, *, metrics: Sequence[str], convention: str = "float"
) -> dict[str, float]:
    """Read three files and score the fused picture.

    Args:
        triple: Grey or colour pictures of 8 or 16 bits.
        metrics: Names out of `piafusion.metrics.ALL_SPECS`.
        convention: ``"float"`` or ``"uint8"``.

    Returns:
        A score for each name; NaN where the pictures lack what the metric needs. On clips, the
        metrics of a picture are means over every tenth frame.

    Raises:
        TooSmallError: The pictures are too small for some of the metrics.
        BoxError: The boxes are needed and cannot be read.
        ImageError: A file cannot be read or the sizes differ; the message names the file.
        UsageError: Unknown metric or convention.
    """
    if is_clip(triple.infrared):
        return _score_clip(triple, metrics, convention)
    paths = (triple.infrared, triple.visible, triple.fused)
    infrared, visible, fused = (read_image(path, check=as_visible) for path in paths)
    wanted = triple.boxes and "targets" in metrics
    boxes = read_boxes(triple.boxes, *infrared.shape[:2]) if triple.boxes and wanted else ()
    own = [name for name in metrics if name not in CLIP_SPECS]
    try:
        values = evaluate(infrared, visible, fused, metrics=own, convention=convention, boxes=boxes)
    except TooSmallError as error:
        raise TooSmallError(f"{triple.fused}: {error}", error.metrics) from error
    except ImageError as error:
        raise type(error)(f"{triple.fused}: {error}") from error
    return {name: values.get(name, math.nan) for name in metrics}


def _score_clip(triple: Triple, metrics: Sequence[str], convention: str) -> dict[str, float]:
    """Score a clip: the measures in time, and the means of the others over every tenth frame."""
    own = [name for name in metrics if name not in CLIP_SPECS]
    rows: list[dict[str, float]] = []

    def frames() -> Iterator[tuple[Image, Image, Image]]:
        sources = read_clip(Pair(triple.stem, triple.infrared, triple.visible))
        moments = zip_longest(sources, read_frames(triple.fused))
        for number, (pair, fused) in enumerate(moments):
            if pair is None or fused is None:
                raise ImageError(
                    f"{triple.fused}: expected a frame for each of {triple.visible}, found "
                    f"{'more' if pair is None else number}; fuse it again"
                )
            infrared, visible = pair
            if number % _EVERY == 0:
                rows.append(evaluate(infrared, visible, fused, own, convention))
            yield infrared, visible, fused

    try:
        in_time = evaluate_clip(frames(), [name for name in metrics if name in CLIP_SPECS])
    except TooSmallError as error:
        raise TooSmallError(f"{triple.fused}: {error}", error.metrics) from error
    except SizeMismatchError as error:
        raise SizeMismatchError(f"{triple.fused}: {error}") from error
    means = {name: _mean([row[name] for row in rows]) for name in own}
    return {name: (means | in_time)[name] for name in metrics}


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are defined; NaN if there are none."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def score_all(
    triples: Sequence[Triple],
    *,
    metrics: Sequence[str],
    convention: str = "float",
    processes: int | None = None,
) -> Iterator[TripleScores]:
    """Score triples of files, in several processes if there are enough of them.

    Args:
        triples: The files of each scene.
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.
        processes: Number of processes; by default one for each usable core.

    Yields:
        The scores of each triple, in order. A triple that fails carries its message and does not
        stop the others; if its pictures are too small for some metrics, it has the others.
    """
    score = partial(_score, metrics=tuple(metrics), convention=convention)
    processes = processes or usable_cores()
    if processes == 1 or len(triples) < _FEWEST_FOR_POOL:
        yield from map(score, triples)
        return
    # Started afresh: a forked process would inherit OpenCV's threads in an unknown state.
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )
    yield from map_in_order(score, triples, workers=processes, ahead=2 * processes, pool=pool)


def _score(triple: Triple, *, metrics: Sequence[str], convention: str) -> TripleScores:
    try:
        try:
            values = score_files(triple, metrics=metrics, convention=convention)
            return TripleScores(triple, _defined(values))
        except TooSmallError as error:
            others = [name for name in metrics if name not in error.metrics]
            if not others:
                raise
            values = score_files(triple, metrics=others, convention=convention)
            return TripleScores(triple, _defined(values), undefined=str(error))
    except PiafusionError as error:
        return TripleScores(triple, {}, str(error))


def _defined(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not math.isnan(value)}


@dataclass(frozen=True)
class _Task:
    """A fused picture, the hash of its files, and the metrics that it lacks."""

    method: str
    data: DataSet
    triple: Triple
    files_hash: str
    missing: tuple[str, ...]
    journal: Journal


@dataclass(frozen=True)
class Scoring:
    """The scoring step: plan it, run it, then read the scores.

    Attributes:
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.
        files: The fused pictures, by method, data set and stem.
        failures: Pictures that are missing, and files that do not belong.
    """

    metrics: tuple[str, ...]
    convention: str
    files: dict[tuple[str, str, str], Path] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    _tasks: list[_Task] = field(default_factory=list)

    @classmethod
    def plan(
        cls,
        methods: Sequence[Method | GivenPictures],
        sets: Sequence[DataSet],
        output: Path,
        metrics: Sequence[str],
        convention: str,
    ) -> Scoring:
        """Find the fused pictures and the scores that are known.

        A score is used again if its files and boxes, the convention, and the versions of this
        package, NumPy and OpenCV are the same as when it was computed.
        """
        settings = {"convention": convention, **versions("numpy", "cv2")}
        scoring = cls(tuple(metrics), convention)
        for data in sets:
            for method in methods:
                files, failures = fused_files(method, data, output)
                scoring.failures.extend(failures)
                name = f"{data.name}.{convention}.jsonl"
                journal = Journal(output / "scores" / method.name / name, settings, _ENTRY)
                for pair in data.pairs:
                    if pair.stem not in files:
                        continue
                    path = files[pair.stem]
                    scoring.files[method.name, data.name, pair.stem] = path
                    boxes = data.boxes.get(pair.stem)
                    given = content_hash(*frames_in(path), *([boxes] if boxes else []))
                    content = f"{data.hashes[pair.stem]} {given}"
                    entry = journal.entries.get(pair.stem, {})
                    if entry.get("files") != content:
                        entry = {"values": {}}
                        journal.entries.pop(pair.stem, None)
                    missing = tuple(name for name in metrics if name not in entry["values"])
                    triple = Triple(pair.stem, pair.infrared, pair.visible, path, boxes)
                    task = _Task(method.name, data, triple, content, missing, journal)
                    scoring._tasks.append(task)
        return scoring

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, processes: int | None = None) -> Iterator[Failure | None]:
        """Compute the missing scores.

        Args:
            processes: Number of processes; by default one for each usable core.

        Yields:
            For each picture None, or why it could not be scored or lacks some scores.
        """
        by_missing: dict[tuple[str, ...], list[_Task]] = {}
        for task in self._tasks:
            by_missing.setdefault(task.missing, []).append(task)
        for metrics, tasks in by_missing.items():
            if not metrics:
                yield from map(self._undefined, tasks)
                continue
            triples = [task.triple for task in tasks]
            scores = score_all(
                triples, metrics=metrics, convention=self.convention, processes=processes
            )
            for task, scored in zip(tasks, scores, strict=True):
                stem = task.triple.stem
                if scored.error:
                    yield Failure(task.data.name, task.method, scored.error, (stem,))
                    continue
                known = task.journal.entries.get(stem, {"values": {}})
                task.journal.add(
                    stem,
                    {
                        "files": task.files_hash,
                        "values": {**known["values"], **dict.fromkeys(metrics), **scored.values},
                        "undefined": scored.undefined or known.get("undefined", ""),
                    },
                )
                yield self._undefined(task)

    def _undefined(self, task: _Task) -> Failure | None:
        """Return the metrics for which the pictures are too small."""
        stem = task.triple.stem
        entry = task.journal.entries[stem]
        if None not in (
            entry["values"][name] for name in self.metrics if not ALL_SPECS[name].needs
        ):
            return None
        return Failure(task.data.name, task.method, entry["undefined"], (stem,))

    def scores(self) -> list[PictureScores]:
        """Return all scores, by data set, method and stem in the given order."""
        scores = []
        for task in self._tasks:
            stem, data = task.triple.stem, task.data
            known = task.journal.entries.get(stem, {"values": {}})["values"]
            if all(name in known for name in self.metrics):
                values = {name: known[name] for name in self.metrics if known[name] is not None}
                light = data.lights.get(stem, "")
                scores.append(PictureScores(data.name, stem, light, task.method, values))
        return scores
