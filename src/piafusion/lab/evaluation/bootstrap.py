"""Confidence intervals of means by the bootstrap over pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000


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
        seed: Of the draws; the same one gives the same interval.

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
