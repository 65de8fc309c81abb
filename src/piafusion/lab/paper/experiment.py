"""An experiment of the paper done again: its tables, pictures and verdicts; the paper's numbers.

Tang, Yuan, Zhang, Jiang, Ma: "PIAFusion: A progressive infrared and visible image fusion network
based on illumination aware", Information Fusion 83-84 (2022) 79-92.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from piafusion.lab.evaluation.statistics import SIGNIFICANT, PairedTest, paired_tests
from piafusion.metrics import SPECS
from piafusion.report.document import Block
from piafusion.report.text import decimals
from piafusion.weights import find_record

Verdict = Literal["holds", "does not hold", "cannot be tested here"]
UNTESTED: Verdict = "cannot be tested here"

Basis = Literal["published pictures", "published scores", "networks trained here", ""]
"""The pictures that a claim was judged by; empty if it was not judged."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, judged.

    Attributes:
        section: Section of the paper.
        text: The claim.
        verdict: Whether it is true here.
        evidence: The numbers, or the reason why it was not tested.
        data: The data that it was tested on; empty if it was not tested.
        basis: See `Basis`.
    """

    section: str
    text: str
    verdict: Verdict
    evidence: str
    data: str = ""
    basis: Basis = ""


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


Values = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Scores by method, stem and metric."""


def untested(claim: Claim, why: str) -> Claim:
    """Return a claim whose evidence is kept but decides nothing; no reason leaves it as it is."""
    return replace(claim, verdict=UNTESTED, evidence=f"{claim.evidence}; {why}") if why else claim


def lead_verdict(lead: float, p: float) -> Verdict:
    """Judge a lead: significant, it decides for or against the claim; a tie decides nothing."""
    if not p < SIGNIFICANT or lead == 0:
        return UNTESTED
    return "holds" if lead > 0 else "does not hold"


def interval_verdict(low: float, high: float) -> Verdict:
    """Judge a lead by its 95 % interval, which decides nothing if it holds 0 or is undefined."""
    return "holds" if low > 0 else "does not hold" if high < 0 else UNTESTED


def in_words(test: PairedTest) -> str:
    """Describe a paired test from the side of the method that the claim is about."""
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    return f"higher on {test.worse} of {test.pairs} pairs, {p}"


def ranks_first(
    values: Values, metric: str, ours: str, rivals: Sequence[str], claim: Claim
) -> Claim:
    """Judge the claim that a method has significantly the highest mean of a metric.

    It holds if the mean is the highest and the Wilcoxon test against the next is significant. It
    does not hold if another mean is significantly higher. Otherwise the pairs are too few to test
    it. Rivals without scores are skipped. In the metric higher is better.
    """
    means = {
        name: float(np.mean([row[metric] for row in values[name].values() if metric in row]))
        for name in (ours, *rivals)
        if any(metric in row for row in values.get(name, {}).values())
    }
    if ours not in means or len(means) == 1:
        return replace(claim, evidence=f"no scores of {ours} and its rivals", data="", basis="")
    best = max(means.keys() - {ours}, key=lambda name: means[name])
    # The rival is compared with ours: `worse` counts the pairs on which ours is the better one.
    (test,) = paired_tests(
        {name: values[name] for name in (ours, best)}, ours, {metric: SPECS[metric].direction}
    )
    places = decimals(means.values())
    own, next_best = (f"{means[name]:.{places}f}" for name in (ours, best))
    evidence = f"{metric} {own}, best of the others {best} {next_best}; {in_words(test)}"
    verdict = lead_verdict(means[ours] - means[best], test.p)
    return replace(claim, verdict=verdict, evidence=evidence)


def under_our_name(model: str) -> str:
    """Return a model or the file of one as an evaluation takes it, named as the paper's."""
    return OURS if model == OURS else f"{OURS}={model}"


def undertrained(model: str) -> str:
    """Return why a model decides nothing, for or against the paper; empty if it decides.

    A file without a manifest beside it, of which nothing is known, is taken for trained.
    """
    record = find_record(model)
    return too_little(record.training) if record else ""


def too_little(training: Mapping[str, Any]) -> str:
    """Tell of a network that has not seen half of what the paper's has seen; empty if it has.

    `training` is its record in a manifest. Such a network may win or lose because of that.
    """
    seen, leg = 0, training
    while leg and "settings" in leg:
        seen += leg["steps"] * leg["settings"]["batch"] * leg["settings"]["crop"] ** 2
        leg = leg.get("start", {}).get("training", {})
    if not seen or seen >= SCHEDULE_PIXELS / 2:
        return ""
    share = f"{100 * seen / SCHEDULE_PIXELS:.2g} %"
    return f"the network saw {share} of the pixels of the paper's schedule"


SCHEDULE_PIXELS = 30 * 819 * 64 * 64**2
"""Pixels that the paper's fusion network sees: 30 epochs of 819 steps of 64 patches of 64x64."""

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
    "gtf": ((2.9756, 0.5128), (1.3662, 0.4142), (3.2837, 2.2344)),
    "mdlatlrr": ((123.4549, 2.7267), (64.2259, 12.1389), (136.968, 66.9715)),
    "densefuse": ((0.3039, 0.2389), (0.6397, 0.5337), (0.5514, 0.5928)),
    "drf": ((24.461, 7.8751), (12.4196, 0.9145), (14.6332, 1.5757)),
    "csf": ((2.8766, 0.3786), (2.7107, 0.7504), (3.5572, 1.8906)),
    "fusiongan": ((0.0759, 0.1742), (0.4602, 0.3090), (0.3846, 0.5103)),
    "ifcnn": ((0.0214, 0.1215), (0.0724, 0.3088), (0.0744, 0.2966)),
    "pmgi": ((0.0507, 0.1559), (0.2376, 0.3314), (0.1965, 0.3617)),
    "u2fusion": ((0.1453, 0.2093), (0.7537, 0.3969), (0.5881, 0.6956)),
    OURS: ((0.0895, 0.2090), (0.8119, 0.2989), (0.6502, 0.9011)),
}
"""Mean and deviation of the seconds for a pair of MSRS, RoadScene and TNO; networks on a GPU."""

TABLE_4 = {
    "visible": (98.88, 89.36, 61.03, 71.34, 80.15),
    "infrared": (98.93, 88.38, 71.29, 68.16, 81.69),
    OURS: (99.06, 90.11, 72.58, 71.20, 83.24),
}
"""Intersection over union in percent: background, vehicle, person, bicycle, and their mean."""

SCENES: dict[str, dict[str, str]] = {
    "msrs": {name: name for name in ("00537D", "00633D", "00556D", "00881N", "01023N")},
    "roadscene": {"FLIR_04269": "037", "FLIR_06307": "100", "FLIR_06570": "108"},
    "tno": {"bench": "05", "Kaptein_1123": "17", "Kaptein_1654": "18"},
}
"""The scenes of Figs. 5 to 15, and the numbers that the authors' published pictures have."""

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

SELECTION = (
    ("features", "the fused features take more of the infrared by night than by day"),
    ("picture", "the fused picture takes more of the infrared by night than by day"),
)
"""Section 4.7: the share that is measured, and the claim."""

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
