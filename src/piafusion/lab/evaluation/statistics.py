"""Whether a difference between two methods is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from piafusion.errors import needing

with needing("eval", "the tests of an evaluation"):
    from scipy.stats import rankdata, wilcoxon


@dataclass(frozen=True)
class PairedTest:
    """A method and the one it is compared with, on the pairs that both have.

    Attributes:
        method: Name of the method.
        metric: Name of the metric.
        pairs: How many there are.
        better: On how many the method is the better of the two.
        worse: On how many it is the worse.
        difference: Median of its value minus that of the other.
        effect: Rank-biserial correlation, from 1 (better on all) to -1 (worse on all).
        p: Of the two-sided Wilcoxon signed-rank test.
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
    """Compare each method with one of them, in each metric; all tests are one family.

    Args:
        values: By method, stem and metric; what is undefined is missing.
        against: The method that all others are compared with.
        directions: Which way is better, by metric; its keys are the metrics tested.

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
