"""Confidence intervals of means, and tests of the difference between two methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from piafusion.errors import needing

with needing("eval", "the tests of an evaluation"):
    from scipy.stats import rankdata, wilcoxon

RESAMPLES = 10_000
SIGNIFICANT = 0.05
"""A difference is taken for real if its p value is smaller."""


def mean_interval(
    scores: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the percentile bootstrap interval of the means.

    Pairs are drawn with replacement, whole rows at a time, so that all columns see the same
    draws. Neighbouring pairs of a recording resemble each other; the interval treats them as
    independent and is then somewhat too narrow.

    Args:
        scores: N x M, a row per pair and a column per metric, or N values of one metric.
        level: Share of the bootstrap means inside, in (0, 1).
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        Lower and upper ends, M each, or scalars for one metric.

    Raises:
        ValueError: If there is no pair.

    Reference:
        B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    table = np.asarray(scores, dtype=np.float64)
    if len(table) == 0:
        raise ValueError("expected the scores of at least one pair, found none")
    means = resamples(len(table), seed) @ table / len(table)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def resamples(count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return how often each of `count` pairs is drawn, `RESAMPLES` x `count`.

    Args:
        count: How many pairs there are; as many are drawn with replacement.
        seed: The same one gives the same draws, so that differences between methods are paired.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), RESAMPLES)


@dataclass(frozen=True)
class PairedTest:
    """A method compared with another one on the pairs that both have.

    Attributes:
        method: Name of the method.
        metric: Name of the metric.
        pairs: Number of pairs.
        better: Number of pairs on which the method is better than the other.
        worse: Number of pairs on which it is worse.
        difference: Median of its value minus that of the other.
        effect: Rank-biserial correlation, from 1 (better on all) to -1 (worse on all).
        p: The p value of the two-sided Wilcoxon signed-rank test.
        adjusted: `p` after Holm's correction for all tests of the family.
    """

    method: str
    metric: str
    pairs: int
    better: int
    worse: int
    difference: float
    effect: float
    p: float
    adjusted: float


def paired_tests(
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
    against: str,
    directions: Mapping[str, Literal["higher", "lower"]],
) -> list[PairedTest]:
    """Compare each method with one of them in each metric; all tests form one family.

    Args:
        values: Values by method, stem and metric; undefined ones are missing.
        against: The method that all others are compared with.
        directions: The better direction of each metric; its keys are the metrics tested.

    Returns:
        A test for each other method and each metric of which they share a pair.
    """
    tests = []
    for method, rows in values.items():
        if method == against:
            continue
        for metric, direction in directions.items():
            both = ((stem, row, values[against].get(stem, {})) for stem, row in rows.items())
            stems = [stem for stem, row, other in both if metric in row and metric in other]
            if not stems:
                continue
            own = np.array([rows[stem][metric] for stem in stems])
            other = np.array([values[against][stem][metric] for stem in stems])
            # Two infinite values are equal; their difference would be NaN.
            difference = np.subtract(own, other, out=np.zeros_like(own), where=own != other)
            gain = difference if direction == "higher" else -difference
            better, worse = int(np.sum(gain > 0)), int(np.sum(gain < 0))
            p = signed_rank(difference)
            middle = float(np.median(difference))
            effect = rank_biserial(gain)
            test = PairedTest(method, metric, len(stems), better, worse, middle, effect, p, p)
            tests.append(test)
    adjusted = holm([test.p for test in tests])
    return [replace(test, adjusted=p) for test, p in zip(tests, adjusted, strict=True)]


def signed_rank(differences: ArrayLike) -> float:
    """Return the p value of the two-sided Wilcoxon signed-rank test; 1 if all are zero.

    Zeros are left out, as Wilcoxon did; without ties, up to 50 differences are tested exactly.

    Reference:
        F. Wilcoxon, Individual Comparisons by Ranking Methods, Biometrics Bulletin 1, 1945.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]
    return float(wilcoxon(values).pvalue) if len(values) else 1.0


def rank_biserial(gains: ArrayLike) -> float:
    """Return the ranks of the gains minus those of the losses, over all ranks; zeros left out.

    Reference:
        D. S. Kerby, The Simple Difference Formula, Comprehensive Psychology 3, 2014.
    """
    values = np.asarray(gains, dtype=np.float64)
    values = values[values != 0]
    ranks = np.asarray(rankdata(np.abs(values)))
    return float(np.sum(np.sign(values) * ranks) / np.sum(ranks)) if len(values) else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number: the smallest times n, the next times n - 1...

    None is smaller than one before it in that order, and none is larger than 1.

    Reference:
        S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
        Statistics 6, 1979.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted
