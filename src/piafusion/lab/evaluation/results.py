"""The results of an evaluation for each data set: mean scores, tests and times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piafusion.lab.evaluation.methods import GivenPictures, Method
from piafusion.lab.evaluation.predict import Runtime, runtime
from piafusion.lab.evaluation.scoring import PictureScores
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.statistics import SIGNIFICANT, PairedTest, mean_interval, paired_tests
from piafusion.metrics import ALL_SPECS
from piafusion.report.document import Cell, Mark, Table
from piafusion.report.text import csv_text, decimals, for_json, number

ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class MeanScore:
    """One metric of one method over several pairs; NaN if it is undefined for every pair.

    Attributes:
        mean: The mean.
        std: Standard deviation of the population.
        interval95: 95 % interval of the mean.
        mark: Whether it is the best or second best of the methods that have all pairs.
    """

    mean: float
    std: float
    interval95: tuple[float, float]
    mark: Mark = ""


@dataclass(frozen=True)
class MethodScores:
    """The mean scores of several methods on the same pairs.

    Attributes:
        title: Describes the pairs.
        pairs: Number of pairs.
        metrics: Names of the metrics.
        counts: Number of pairs that each method has; a method that lacks some has no marks.
        means: Mean scores by method, in the order of `metrics`.
    """

    title: str
    pairs: int
    metrics: tuple[str, ...]
    counts: dict[str, int]
    means: dict[str, list[MeanScore]]

    @property
    def size(self) -> str:
        """The number of pairs in words."""
        return "1 pair" if self.pairs == 1 else f"{self.pairs} pairs"

    def decimals(self, column: int) -> int:
        """Return how many decimals a metric is shown with."""
        return decimals(row[column].mean for row in self.means.values())

    def table(self, title: str = "", *, folded: bool = False, only_means: bool = False) -> Table:
        """Return means with standard deviations and 95 % intervals, the best two marked.

        Args:
            title: Title of the table.
            folded: See `Table`.
            only_means: Leave standard deviations, intervals and marks out.
        """
        rows: list[list[str | Cell]] = []
        for method, means in self.means.items():
            count = self.counts[method]
            name = method if count == self.pairs else f"{method} ({count} of {self.pairs})"
            cells = (self._cell(column, mean) for column, mean in enumerate(means))
            rows.append([name, *(cell.text if only_means else cell for cell in cells)])
        return Table(["method", *map(heading, self.metrics)], rows, title, folded=folded)

    def _cell(self, column: int, score: MeanScore) -> Cell:
        if math.isnan(score.mean):
            return Cell("-")
        values = (score.mean, score.std, *score.interval95)
        mean, std, low, high = (number(value, self.decimals(column)) for value in values)
        return Cell(mean, std, f"{low} to {high}", score.mark)

    def as_json(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        methods = {
            method: {"pairs": self.counts[method], **dict(zip(self.metrics, means, strict=True))}
            for method, means in self.means.items()
        }
        values: dict[str, Any] = for_json(
            {"pairs": self.pairs, "title": self.title, "methods": methods}
        )
        return values


@dataclass(frozen=True)
class DataSetResult:
    """All results on one data set.

    Attributes:
        data: The data set.
        scores: Mean scores on all pairs.
        parts: Mean scores by day and by night, and on the pairs that all methods have, if some
            methods lack pairs.
        tests: The results of testing each method against one of them.
        runtimes: Times of the methods that ran here.
        values: Scores by method, stem and metric.
    """

    data: DataSet
    scores: MethodScores
    parts: list[MethodScores]
    tests: list[PairedTest]
    runtimes: dict[str, Runtime]
    values: dict[str, dict[str, dict[str, float]]]

    def as_json(self) -> dict[str, Any]:
        """Return the tables, tests and times as JSON values."""
        return {
            "name": self.data.name,
            "tables": [scores.as_json() for scores in (self.scores, *self.parts)],
            "tests": for_json(self.tests),
            "runtime_ms": for_json(self.runtimes),
        }

    def test_table(self, title: str = "") -> Table:
        """Return the tests as a table: a row for each method and a column for each metric."""
        rows: dict[str, list[str | Cell]] = {}
        for test in self.tests:
            p = "<0.001" if test.adjusted < 0.001 else f"{test.adjusted:.3f}"
            cell = Cell(f"{sign(test) or '·'} {p}", detail=f"({test.better}/{test.worse})")
            rows.setdefault(test.method, [test.method]).append(cell)
        metrics = dict.fromkeys(test.metric for test in self.tests)
        return Table(["method", *map(heading, metrics)], list(rows.values()), title)

    def time_table(self, title: str = "") -> Table:
        """Return the times as a table: a row for each method."""
        rows = [
            [name, number(t.median, 1), str(t.calls), number(t.first, 1), str(t.threads)]
            for name, t in self.runtimes.items()
        ]
        return Table(["method", "median", "calls", "first call", "threads"], rows, title)


def sum_up(
    data: DataSet,
    scores: Sequence[PictureScores],
    methods: Sequence[Method | GivenPictures],
    metrics: Sequence[str],
    against: str,
    output: Path,
) -> DataSetResult:
    """Sum up the scores on a data set.

    Args:
        data: The data set.
        scores: The scores of its fused pictures; at least one.
        methods: All methods.
        metrics: Names of the metrics, in the order of the columns. A metric without any value on
            the data set gets no column.
        against: The method that the others are tested against.
        output: Folder of the evaluation.
    """
    values: dict[str, dict[str, dict[str, float]]] = {}
    for each in scores:
        values.setdefault(each.method, {})[each.stem] = each.values
    found = {name for each in scores for name in each.values}
    metrics = [name for name in metrics if name in found or not ALL_SPECS[name].needs]
    directions = {name: ALL_SPECS[name].direction for name in metrics}
    times = {each.name: runtime(each, data, output) for each in methods if isinstance(each, Method)}
    return DataSetResult(
        data,
        mean_scores(data.name, values, metrics, [pair.stem for pair in data.pairs]),
        _parts(data, values, metrics),
        paired_tests(values, against, directions) if against in values else [],
        {name: time for name, time in times.items() if time is not None},
        values,
    )


def mean_scores(
    title: str,
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
    metrics: Sequence[str],
    stems: Sequence[str],
) -> MethodScores:
    """Return the mean scores on some pairs, the best two methods of each metric marked.

    Args:
        title: Describes the pairs.
        values: Scores by method, stem and metric; undefined ones are missing.
        metrics: Names of the metrics.
        stems: The pairs. A method that lacks some gets no marks.
    """
    means, counts = {}, {}
    for method, by_stem in values.items():
        rows = [[by_stem[s].get(m, math.nan) for m in metrics] for s in stems if s in by_stem]
        if rows:
            means[method], counts[method] = _means(np.array(rows, np.float64, order="F")), len(rows)
    whole = [method for method, count in counts.items() if count == len(stems)]
    for column, name in enumerate(metrics):
        own = {method: means[method][column].mean for method in whole}
        for method, mark in marks(own, higher=ALL_SPECS[name].direction == "higher").items():
            means[method][column] = replace(means[method][column], mark=mark)
    return MethodScores(title, len(stems), tuple(metrics), counts, means)


def marks(means: Mapping[str, float], *, higher: bool) -> dict[str, Mark]:
    """Return which means are best and second best; equal means share a mark, NaN has none."""
    order = sorted({mean for mean in means.values() if not math.isnan(mean)}, reverse=higher)
    places: tuple[Mark, ...] = ("best", "second")
    ranks = dict(zip(order, places, strict=False))
    return {name: ranks[mean] for name, mean in means.items() if mean in ranks}


def sign(test: PairedTest) -> str:
    """Return ▲ or ▼ if a method is significantly better or worse, else an empty text."""
    return "" if test.adjusted >= SIGNIFICANT else "▲" if test.effect > 0 else "▼"


def heading(metric: str) -> str:
    """Return a metric's name with an arrow that shows which direction is better."""
    return f"{metric} {ARROWS[ALL_SPECS[metric].direction]}"


def per_image_csv(scores: Sequence[PictureScores], metrics: Sequence[str]) -> bytes:
    """Return the scores of all pictures as CSV; undefined ones are empty."""
    rows = (
        (each.data, each.stem, each.light, each.method, *(each.values.get(m) for m in metrics))
        for each in scores
    )
    return csv_text(("dataset", "stem", "light", "method", *metrics), rows).encode()


def _parts(
    data: DataSet, values: Mapping[str, Mapping[str, Mapping[str, float]]], metrics: Sequence[str]
) -> list[MethodScores]:
    parts = []
    for light in sorted(set(data.lights.values())):
        stems = [stem for stem, when in data.lights.items() if when == light]
        if len(stems) < len(data.pairs) and any(set(stems) & set(own) for own in values.values()):
            parts.append(mean_scores(f"{data.name} by {light}", values, metrics, stems))
    common = set.intersection(*(set(own) for own in values.values()))
    if common and any(len(own) > len(common) for own in values.values()):
        title = f"{data.name}, the pairs that every method has"
        parts.append(mean_scores(title, values, metrics, sorted(common)))
    return parts


def _means(values: NDArray[np.float64]) -> list[MeanScore]:
    """Sum up N x M values; NaN is left out, and one infinite value makes its mean infinite."""
    defined = ~np.isnan(values)
    if not defined.all():
        columns = [column[kept][:, None] for column, kept in zip(values.T, defined.T, strict=True)]
        nothing = MeanScore(math.nan, math.nan, (math.nan, math.nan))
        return [_means(column)[0] if len(column) else nothing for column in columns]
    finite = np.isfinite(values).all(axis=0)
    safe = np.where(finite, values, 0)
    sums = np.stack([safe.mean(axis=0), safe.std(axis=0), *mean_interval(safe)], axis=1)
    sums[~finite] = np.inf
    return [MeanScore(mean, std, (low, high)) for mean, std, low, high in sums.tolist()]
