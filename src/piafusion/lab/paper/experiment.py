"""An experiment of the paper done again: its tables, pictures and verdicts; the paper's numbers.

Tang, Yuan, Zhang, Jiang, Ma: "PIAFusion: A progressive infrared and visible image fusion network
based on illumination aware", Information Fusion 83-84 (2022) 79-92.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from piafusion.lab.evaluation.results import DataSetResult
from piafusion.lab.evaluation.statistics import SIGNIFICANT, PairedTest, paired_tests
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
    """Judge a lead: it must be positive and significant."""
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


METRICS = ("MI", "SD", "VIF", "Qabf")
OURS = "paper"
"""The model of this package that is the paper's."""

RIVALS = (
    *("gtf", "mdlatlrr", "densefuse", "drf", "csf", "fusiongan", "ifcnn", "pmgi", "u2fusion"),
)
"""The methods that the paper compares with, in the order of its tables."""

TABLE_2 = {
    "gtf": (2.1719, 6.3358, 0.6217, 0.3406),
    "mdlatlrr": (2.5924, 7.5274, 0.7354, 0.5349),
    "densefuse": (2.7184, 7.8514, 0.8195, 0.4960),
    "drf": (2.1372, 7.7047, 0.6287, 0.1615),
    "csf": (2.3958, 7.3685, 0.7341, 0.3961),
    "fusiongan": (1.9067, 5.9565, 0.5477, 0.1427),
    "ifcnn": (2.0389, 7.0242, 0.7134, 0.5388),
    "pmgi": (2.2114, 7.8803, 0.7243, 0.4233),
    "u2fusion": (2.2537, 7.1052, 0.6752, 0.4572),
    OURS: (4.4188, 8.8035, 1.1644, 0.6416),
}
"""Means of `METRICS` on 150 pairs of MSRS, in the convention "uint8"."""

TABLE_3 = {
    "gtf": (2.9756, 1.3662, 3.2837),
    "mdlatlrr": (123.4549, 64.2259, 136.968),
    "densefuse": (0.3039, 0.6397, 0.5514),
    "drf": (24.461, 12.4196, 14.6332),
    "csf": (2.8766, 2.7107, 3.5572),
    "fusiongan": (0.0759, 0.4602, 0.3846),
    "ifcnn": (0.0214, 0.0724, 0.0744),
    "pmgi": (0.0507, 0.2376, 0.1965),
    "u2fusion": (0.1453, 0.7537, 0.5881),
    OURS: (0.0895, 0.8119, 0.6502),
}
"""Mean seconds for a pair of MSRS, RoadScene and TNO; the networks on a GPU."""

TABLE_4 = {
    "visible": (98.88, 89.36, 61.03, 71.34, 80.15),
    "infrared": (98.93, 88.38, 71.29, 68.16, 81.69),
    OURS: (99.06, 90.11, 72.58, 71.20, 83.24),
}
"""Intersection over union in percent: background, vehicle, person, bicycle, and their mean."""

SCENES = {
    "msrs": ("00537D", "00633D", "00556D", "00881N", "01023N"),
    "roadscene": ("FLIR_04269", "FLIR_06307", "FLIR_06570"),
    "tno": ("bench", "Kaptein_1123", "Kaptein_1654"),
}
"""The scenes of Figs. 5 to 15."""

EXPERIMENTS = {
    "comparison": (
        "Comparison and generalisation (4.4, 4.5)",
        "On MSRS the paper's method has the highest MI, SD, VIF and Qabf of ten methods (Table 2); "
        "on RoadScene and TNO it is first in MI, VIF and Qabf, and close to the first in SD.",
    ),
    "efficiency": (
        "Efficiency (4.6)",
        "Methods without networks are slow, MDLatLRR by far the slowest; IFCNN is the fastest; the "
        "paper's own network is comparable to the others (Table 3, networks on a GPU).",
    ),
    "features": (
        "Adaptive feature selection (4.7)",
        "By day the fused features keep the visible ones and take a little of the infrared; by "
        "night they mainly follow the infrared and take details of the visible (Figs. 18, 19).",
    ),
    "segmentation": (
        "Application to semantic segmentation (4.8)",
        "Segmentation trained on fused pictures has a higher mean IoU than on either source; "
        "people are found better on infrared pictures, vehicles and bicycles on visible ones "
        "(Table 4).",
    ),
    "ablation": (
        "Ablation studies (4.9)",
        "Without the illumination-aware loss (both weights a half) the network loses texture by "
        "day and the contrast of thermal targets by night; without CMDAF it weakens targets by day "
        "and loses details of the visible picture by night (Fig. 21).",
    ),
}
"""By step, in the order of the paper: the title and a summary of the paper's result."""

PAIRS = {"msrs": 150, "roadscene": 25, "tno": 25}
"""Number of pairs that the paper scores."""

FEATURES_BY_LIGHT = (
    ("day", "by day the fused features keep to the visible ones", False),
    ("night", "by night the fused features mainly follow the infrared ones", True),
)
"""Section 4.7: the light, the claim, and whether it says that the infrared leads."""

WITHOUT = (
    ("4.9.1", "light", "day", "visible edges", "equal weights in Eq. 8 lose texture by day"),
    (
        "4.9.1",
        "light",
        "night",
        "targets",
        "equal weights in Eq. 8 lose targets' contrast by night",
    ),
    ("4.9.2", "cmdaf", "day", "targets", "without CMDAF salient targets are weaker by day"),
    (
        *("4.9.2", "cmdaf", "night", "visible edges"),
        "without CMDAF details of the visible picture are lost by night",
    ),
)
"""Section 4.9: the section, the part left out, the light, the measure that falls, the claim."""

SEGMENTED = (
    (OURS, ("infrared", "visible"), "mIoU", "fused pictures have the highest mean IoU"),
    (OURS, ("infrared", "visible"), "person", "fused pictures are best for people"),
    (OURS, ("infrared", "visible"), "vehicle", "fused pictures are best for vehicles"),
    ("infrared", ("visible",), "person", "people are found better on infrared pictures"),
    ("visible", ("infrared",), "vehicle", "vehicles are found better on visible pictures"),
    ("visible", ("infrared",), "bicycle", "bicycles are found better on visible pictures"),
)
"""Section 4.8: the source that leads, the others, the IoU, and the claim."""
