"""Scores of a comparison: means over seeds, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import needing
from piafusion.lab.evaluation.bootstrap import resamples
from piafusion.lab.segmentation.confusion import COLUMNS, intersection_over_union

with needing("segmentation", "the intervals of a comparison"):
    from scipy.stats import t as student

LEVEL = 0.95

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Score:
    """An IoU, or a difference of two, as a share of 1; NaN where no label shows the class.

    Attributes:
        mean: Over the seeds.
        std: Over the seeds, of a sample; NaN for one seed.
        seeds: 95 % interval of the mean over trainings, by Student's t; NaN for one seed.
        scenes: 95 % interval of the mean over test scenes, by bootstrap, with these very networks.
    """

    mean: float
    std: float
    seeds: Interval
    scenes: Interval


@dataclass(frozen=True)
class Row:
    """A source on a part of the test scenes.

    Attributes:
        source: What was segmented.
        part: "all", "day" or "night".
        scenes: How many.
        scores: By class, and `mIoU`.
    """

    source: str
    part: str
    scenes: int
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Difference:
    """A source minus another one, on the same scenes, seed by seed.

    Attributes:
        source: The first.
        against: The other.
        part: "all", "day" or "night".
        scenes: How many.
        scores: By class, and `mIoU`.
    """

    source: str
    against: str
    part: str
    scenes: int
    scores: Mapping[str, Score]


def score(
    counts: Mapping[str, Counts], parts: Mapping[str, Sequence[int]], against: Sequence[str]
) -> tuple[list[Row], list[Difference]]:
    """Score all sources.

    Args:
        counts: For each source confusion matrices, seeds x scenes x 4 x 4.
        parts: For each part the positions of its scenes.
        against: Sources that all others are compared with.

    Returns:
        A row for each part and source, and a difference for each part and two sources.
    """
    rows, differences = [], []
    for part, scenes in parts.items():
        places = list(scenes)
        draws = resamples(len(places))
        own = {source: _means(each[:, places]) for source, each in counts.items()}
        drawn = {source: _drawn(each[:, places], draws) for source, each in counts.items()}
        for source in counts:
            found = _scores(own[source], drawn[source])
            rows.append(Row(source, part, len(places), found))
        for source, other in _pairs(counts, against):
            found = _scores(own[source] - own[other], drawn[source] - drawn[other])
            differences.append(Difference(source, other, part, len(places), found))
    return rows, differences


def _pairs(sources: Iterable[str], against: Sequence[str]) -> list[tuple[str, str]]:
    """Return each source with each it is compared with, no two of them twice."""
    pairs: list[tuple[str, str]] = []
    for other in against:
        for source in sources:
            if source != other and (other, source) not in pairs:
                pairs.append((source, other))
    return pairs


def _means(counts: Counts) -> Floats:
    """Return IoU and mIoU of each seed over all scenes, seeds x 5."""
    return intersection_over_union(counts.sum(axis=1).astype(np.float64))


def _drawn(counts: Counts, draws: NDArray[np.int64]) -> Floats:
    """Return the mean over the seeds of IoU and mIoU in each resample, draws x 5."""
    seeds, scenes, *shape = counts.shape
    flat = counts.astype(np.float64).transpose(1, 0, 2, 3).reshape(scenes, -1)
    sums = (draws.astype(np.float64) @ flat).reshape(len(draws), seeds, *shape)
    means: Floats = intersection_over_union(sums).mean(axis=1)
    return means


def _scores(values: Floats, drawn: Floats) -> dict[str, Score]:
    """Sum up seeds x 5 values, and draws x 5 of them."""
    found = {}
    for column, name in enumerate(COLUMNS):
        own, many = values[:, column], drawn[:, column]
        many = many[~np.isnan(many)]  # resamples without the class say nothing of it
        mean = float(own.mean())
        if math.isnan(mean) or not len(many):
            found[name] = Score(math.nan, math.nan, (math.nan, math.nan), (math.nan, math.nan))
            continue
        std = float(own.std(ddof=1)) if len(own) > 1 else math.nan
        reach = math.nan
        if len(own) > 1:
            reach = float(student.ppf((1 + LEVEL) / 2, len(own) - 1)) * std / math.sqrt(len(own))
        low, high = np.quantile(many, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found[name] = Score(mean, std, (mean - reach, mean + reach), (float(low), float(high)))
    return found
