"""An experiment of the paper done again: its tables and pictures, and verdicts on claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from piafusion.lab.evaluation.results import DataSetResult
from piafusion.lab.evaluation.statistics import SIGNIFICANT, PairedTest, paired_tests
from piafusion.lab.paper.published import EXPERIMENTS
from piafusion.metrics import SPECS
from piafusion.report.document import Block

Verdict = Literal["holds", "does not hold", "cannot be tested here"]
UNTESTED: Verdict = "cannot be tested here"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, judged.

    Attributes:
        section: Section of the paper.
        text: The claim.
        verdict: Whether it is true here.
        evidence: The numbers, or the reason why it was not tested.
        data: The data that it was tested on; empty if it was not tested.
    """

    section: str
    text: str
    verdict: Verdict
    evidence: str
    data: str = ""


@dataclass(frozen=True)
class Experiment:
    """The outcome of one experiment.

    Attributes:
        name: Name of the step.
        blocks: Tables and pictures for the report.
        claims: Claims of the paper, judged.
        deviations: Differences from the paper's procedure.
        values: All numbers, as JSON values.
    """

    name: str
    blocks: list[Block] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    deviations: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The title in the report."""
        return EXPERIMENTS[self.name][0]

    @property
    def paper(self) -> str:
        """A summary of the paper's result."""
        return EXPERIMENTS[self.name][1]


def holds_if(condition: bool) -> Verdict:
    """Return the verdict on a claim that can be tested."""
    return "holds" if condition else "does not hold"


def lead_verdict(lead: float, p: float) -> Verdict:
    """Judge a lead: it has to exist, and to be significant."""
    return holds_if(False) if lead <= 0 else "holds" if p < SIGNIFICANT else UNTESTED


def in_words(test: PairedTest) -> str:
    """Describe a paired test from the side of the method that the claim is about."""
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    return f"higher on {test.worse} of {test.pairs} pairs, {p}"


def ranks_first(
    result: DataSetResult, metric: str, ours: str, rivals: Sequence[str], section: str, text: str
) -> Claim:
    """Judge the claim that a method has significantly the highest mean of a metric.

    It holds if the mean is the highest and the Wilcoxon test against the next is significant. It
    does not hold if another mean is higher. Otherwise the pairs are too few to test it. Rivals
    without scores are skipped. In the metric higher is better.
    """
    scores = result.scores
    rivals = [name for name in rivals if name in scores.means]
    if ours not in scores.means or not rivals:
        why = f"no scores of {ours} and its rivals on {result.data.name}"
        return Claim(section, text, UNTESTED, why)
    column = scores.metrics.index(metric)
    means = {name: scores.means[name][column].mean for name in (ours, *rivals)}
    best = max(rivals, key=lambda name: means[name])
    values = {name: result.values[name] for name in (ours, best)}
    # The rival is compared with ours: `worse` counts the pairs on which ours is the better one.
    (test,) = paired_tests(values, ours, {metric: SPECS[metric].direction})
    own, next_best = (f"{means[name]:.{scores.decimals(column)}f}" for name in (ours, best))
    evidence = f"{metric} {own}, best of the others {best} {next_best}; {in_words(test)}"
    verdict = lead_verdict(means[ours] - means[best], test.p)
    return Claim(section, text, verdict, evidence, result.data.name)
