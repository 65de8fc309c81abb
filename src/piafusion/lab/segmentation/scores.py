"""Segmentation scores: confusion matrices, intersection over union, means with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import needing
from piafusion.lab.evaluation.statistics import resamples
from piafusion.scenes.synthetic import CLASSES

with needing("segmentation", "the intervals of a comparison"):
    from scipy.stats import t as student

LEVEL = 0.95
IGNORED = 255
"""Label of pixels that are left out of training and scores."""
COLUMNS = (*CLASSES, "mIoU")

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class IouScore:
    """An IoU, or a difference of two, as a share of 1; NaN where no label shows the class.

    Attributes:
        mean: Mean over the seeds.
        std: Sample standard deviation over the seeds; NaN for one seed.
        interval95_seeds: 95 % interval of the mean over trainings, by Student's t; NaN for one
            seed.
        interval95_scenes: 95 % interval of the mean over test scenes, by bootstrap, with these
            networks.
    """

    mean: float
    std: float
    interval95_seeds: Interval
    interval95_scenes: Interval


@dataclass(frozen=True)
class SourceScores:
    """The scores of a source on a part of the test scenes, or its lead over another source.

    Attributes:
        source: The pictures that were segmented.
        part: "all", "day" or "night".
        scenes: Number of scenes.
        scores: Score by class, and `mIoU`.
        against: The source whose scores are subtracted, scene by scene and seed by seed; or an
            empty text.
    """

    source: str
    part: str
    scenes: int
    scores: Mapping[str, IouScore]
    against: str = ""


def confusion(labels: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels of a picture by their label and their predicted class.

    Both are H x W, indices of `CLASSES`; labels may be `IGNORED`.

    Returns:
        4 x 4, a row for each label and a column for each prediction. The matrices of several
        pictures are summed before scores are computed.
    """
    count = len(CLASSES)
    known = labels != IGNORED
    places = count * labels[known].astype(np.int64) + predicted[known]
    return np.bincount(places, minlength=count**2).reshape(count, count)


def intersection_over_union(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return IoU and mIoU in [0, 1], in the order of `COLUMNS`.

    The IoU of a class is the number of pixels with its label and its prediction, divided by the
    number with one of the two. A class that no label shows has no IoU: it is NaN for any
    prediction, and left out of the mean. (A pixel wrongly predicted as this class lowers the IoU of
    its true class.)

    Args:
        counts: Confusion matrices, ... x 4 x 4.

    Returns:
        ... x 5.

    Reference:
        M. Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 88, 2010.
    """
    labelled = counts.sum(axis=-1)
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    either = labelled + counts.sum(axis=-2) - hit
    shown = labelled > 0
    scores = np.divide(hit, either, out=np.full(hit.shape, np.nan), where=shown)
    number = shown.sum(axis=-1)
    sums = np.where(shown, scores, 0).sum(axis=-1)
    mean = np.divide(sums, number, out=np.full(sums.shape, np.nan), where=number > 0)
    return np.concatenate([scores, mean[..., None]], axis=-1)


def source_scores(
    counts: Mapping[str, Counts], parts: Mapping[str, Sequence[int]], against: Sequence[str]
) -> tuple[list[SourceScores], list[SourceScores]]:
    """Compute the scores of all sources and their differences.

    `counts` holds confusion matrices by source, seeds x scenes x 4 x 4; `parts` the positions of
    the scenes of each part.

    Returns:
        The scores of each part and source, and the difference of each part and two sources.
    """
    rows, differences = [], []
    for part, scenes in parts.items():
        places = list(scenes)
        draws = resamples(len(places))
        own = {source: _means(each[:, places]) for source, each in counts.items()}
        drawn = {source: _drawn(each[:, places], draws) for source, each in counts.items()}
        for source in counts:
            found = _scores(own[source], drawn[source])
            rows.append(SourceScores(source, part, len(places), found))
        for source, other in _pairs(counts, against):
            found = _scores(own[source] - own[other], drawn[source] - drawn[other])
            differences.append(SourceScores(source, part, len(places), found, other))
    return rows, differences


def _pairs(sources: Iterable[str], against: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of sources to compare, each pair once."""
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


def _scores(values: Floats, drawn: Floats) -> dict[str, IouScore]:
    """Sum up seeds x 5 values, and draws x 5 of them."""
    found = {}
    for column, name in enumerate(COLUMNS):
        own, many = values[:, column], drawn[:, column]
        many = many[~np.isnan(many)]  # resamples without the class say nothing of it
        mean = float(own.mean())
        if math.isnan(mean) or not len(many):
            found[name] = IouScore(math.nan, math.nan, (math.nan, math.nan), (math.nan, math.nan))
            continue
        std = float(own.std(ddof=1)) if len(own) > 1 else math.nan
        reach = math.nan
        if len(own) > 1:
            reach = float(student.ppf((1 + LEVEL) / 2, len(own) - 1)) * std / math.sqrt(len(own))
        low, high = np.quantile(many, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found[name] = IouScore(mean, std, (mean - reach, mean + reach), (float(low), float(high)))
    return found
