"""Verdicts: what a table of scores says about who is first."""

from __future__ import annotations

from collections.abc import Sequence

from piafusion.lab.evaluation.results import DataResult
from piafusion.lab.evaluation.statistics import PairedTest, paired_tests
from piafusion.lab.evaluation.texts import SIGNIFICANT
from piafusion.lab.paper.section import Claim, Verdict, untested
from piafusion.metrics import SPECS


def ranks_first(
    result: DataResult, metric: str, ours: str, rivals: Sequence[str], section: str, text: str
) -> Claim:
    """Judge that a method has the highest mean of a metric, and by more than chance.

    It holds if the mean is the highest and the Wilcoxon test against the next is significant; it
    does not hold if another mean is higher; else too few pairs show too little.

    Args:
        result: Scores of a data set.
        metric: Higher is better in it.
        ours: The method of the claim.
        rivals: Those that it is compared with; the ones without scores are passed over.
        section: Of the paper.
        text: The claim.
    """
    there = [name for name in rivals if name in result.table.cells]
    if ours not in result.table.cells or not there:
        return untested(section, text, f"no scores of {ours} and its rivals on {result.data.name}")
    column = result.table.metrics.index(metric)
    means = {name: result.table.cells[name][column].mean for name in (ours, *there)}
    best = max(there, key=lambda name: means[name])
    test = _test(result, metric, ours, best)
    decimals = result.table.decimals(column)
    both = [f"{means[name]:.{decimals}f}" for name in (ours, best)]
    evidence = f"{metric} {both[0]}, best of the others {best} {both[1]}; {told(test)}"
    verdict = verdict_of(means[ours] - means[best], test.p)
    return Claim(section, text, verdict, evidence, result.data.name)


def verdict_of(lead: float, p: float) -> Verdict:
    """Judge a lead: it has to be there, and to be more than chance.

    Args:
        lead: Mean of what is said to be ahead, minus that of the other.
        p: Of a two-sided test of their difference.
    """
    if lead <= 0:
        return "does not hold"
    return "holds" if p < SIGNIFICANT else "cannot be tested here"


def told(test: PairedTest) -> str:
    """Return a paired test in words, from the side of the method that the claim is about."""
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    return f"higher on {test.worse} of {test.pairs} pairs, {p}"


def _test(result: DataResult, metric: str, ours: str, rival: str) -> PairedTest:
    """Compare the rival with ours: `worse` counts the pairs on which ours is the better one."""
    values = {name: result.values[name] for name in (ours, rival)}
    (test,) = paired_tests(values, ours, {metric: SPECS[metric].direction})
    return test
