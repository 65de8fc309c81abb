"""The second step of an evaluation: values for each fused picture, each computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from piafusion.lab.evaluation.journal import Journal, code_digest, digest
from piafusion.lab.evaluation.methods import Method, Pictures
from piafusion.lab.evaluation.predict import fused_files
from piafusion.lab.evaluation.scoring import score_all
from piafusion.lab.evaluation.sets import DataSet, Problem
from piafusion.lab.evaluation.triples import Triple

_ENTRY = {"files": str, "values": {str: (float, None)}, "undefined": str}


@dataclass(frozen=True)
class Row:
    """A scored picture: its values by metric, without those that are undefined for its size."""

    data: str
    stem: str
    light: str
    method: str
    values: dict[str, float]


@dataclass(frozen=True)
class _Task:
    """A picture to score, what it and its sources hold, and which metrics it lacks."""

    method: str
    data: DataSet
    triple: Triple
    digest: str
    missing: tuple[str, ...]
    journal: Journal


@dataclass(frozen=True)
class Scoring:
    """The step: make it, run it, then read the rows.

    Attributes:
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.
        files: The fused pictures, by method, data set and stem.
        problems: What is missing or does not belong.
    """

    metrics: tuple[str, ...]
    convention: str
    files: dict[tuple[str, str, str], Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _tasks: list[_Task] = field(default_factory=list)

    @classmethod
    def plan(
        cls,
        methods: Sequence[Method | Pictures],
        sets: Sequence[DataSet],
        output: Path,
        metrics: Sequence[str],
        convention: str,
    ) -> Scoring:
        """Find the fused pictures and what of their values is known.

        A value is used again if the three files, the convention, the code of the metrics, NumPy
        and OpenCV are the same as when it was computed.
        """
        settings = {
            "convention": convention,
            "code": code_digest("metrics", "imaging"),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        }
        scoring = cls(tuple(metrics), convention)
        for data in sets:
            for method in methods:
                files, problems = fused_files(method, data, output)
                scoring.problems.extend(problems)
                name = f"{data.name}.{convention}.jsonl"
                journal = Journal(output / "scores" / method.name / name, settings, _ENTRY)
                for pair in data.pairs:
                    if pair.stem not in files:
                        continue
                    path = files[pair.stem]
                    scoring.files[method.name, data.name, pair.stem] = path
                    content = f"{data.digests[pair.stem]} {digest(path)}"
                    entry = journal.entries.get(pair.stem, {})
                    if entry.get("files") != content:
                        entry = {"values": {}}
                        journal.entries.pop(pair.stem, None)
                    missing = tuple(name for name in metrics if name not in entry["values"])
                    triple = Triple(pair.stem, pair.infrared, pair.visible, path)
                    task = _Task(method.name, data, triple, content, missing, journal)
                    scoring._tasks.append(task)
        return scoring

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, processes: int | None = None) -> Iterator[Problem | None]:
        """Compute what is missing.

        Args:
            processes: How many work at a time; by default as many as there are cores.

        Yields:
            For each picture None, or why it could not be scored or lacks some of the values.
        """
        by_missing: dict[tuple[str, ...], list[_Task]] = {}
        for task in self._tasks:
            by_missing.setdefault(task.missing, []).append(task)
        for metrics, tasks in by_missing.items():
            if not metrics:
                yield from map(self._undefined, tasks)
                continue
            score = partial(score_all, metrics=metrics, convention=self.convention)
            scores = score([task.triple for task in tasks], processes=processes)
            for task, done in zip(tasks, scores, strict=True):
                stem = task.triple.stem
                if done.error:
                    yield Problem(task.data.name, task.method, done.error, (stem,))
                    continue
                known = task.journal.entries.get(stem, {"values": {}})
                values = {**known["values"], **dict.fromkeys(metrics), **done.values}
                why = done.undefined or known.get("undefined", "")
                task.journal.add(stem, {"files": task.digest, "values": values, "undefined": why})
                yield self._undefined(task)

    def _undefined(self, task: _Task) -> Problem | None:
        """Say for which metrics the pictures are too small."""
        stem = task.triple.stem
        entry = task.journal.entries[stem]
        if None not in (entry["values"][name] for name in self.metrics):
            return None
        return Problem(task.data.name, task.method, entry["undefined"], (stem,))

    def rows(self) -> list[Row]:
        """Return what has been scored, by data set, method and stem as they were given."""
        rows = []
        for task in self._tasks:
            stem, data = task.triple.stem, task.data
            known = task.journal.entries.get(stem, {"values": {}})["values"]
            if all(name in known for name in self.metrics):
                values = {name: known[name] for name in self.metrics if known[name] is not None}
                light = data.lights.get(stem, "")
                rows.append(Row(data.name, stem, light, task.method, values))
        return rows
