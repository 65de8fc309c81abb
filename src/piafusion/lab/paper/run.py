"""A whole reproduction: all experiments, one after another, and their report.

The report is a web page, Markdown and JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import piafusion
from piafusion.errors import MissingExtraError, UsageError, needing
from piafusion.files import write_bytes
from piafusion.lab.paper import comparison, efficiency
from piafusion.lab.paper.datasets import PaperData, paint_labelled
from piafusion.lab.paper.experiment import (
    EXPERIMENTS,
    OURS,
    SEGMENTED,
    SELECTION,
    UNTESTED,
    WITHOUT,
    Claim,
    Experiment,
    Verdict,
    untested,
)
from piafusion.report.document import Block, Bullets, Document, Section, Table, Text
from piafusion.report.html import html
from piafusion.report.text import for_json, json_text, markdown
from piafusion.run.progress import Progress, silent

STEPS = tuple(EXPERIMENTS)
"""In the order of the paper."""

ABLATION_WHOLE = {
    **{"steps": "24570", "batch": "64", "crop": "64", "sampling": "grid", "gradient_clip": "100"},
    **{"loss.illumination": "3", "loss.intensity": "7", "loss.gradient": "50"},
    "loss.texture": "magnitude",
}
"""Settings of the ablations on the paper's schedule and with its loss."""

MARK = ".piafusion-reproduction"
"""A file that marks a folder of a reproduction, finished or not."""


@dataclass(frozen=True)
class ReproductionPlan:
    """The extent of a reproduction.

    Attributes:
        steps: Experiments out of `STEPS`.
        methods: Comparison methods beside the baselines.
        scenes: Number of scenes shown of each data set.
        sizes: Picture sizes to time, the smallest first.
        budget: Seconds for each timing.
        feature_pairs: Number of pairs of each light to measure features on; None for all.
        seeds: Number of trainings of each network, for ablation and segmentation.
        model: The file of an exported network in the place of the shipped `paper`, or None.
        whole: Whether networks are trained on the paper's schedule: `paper` itself, if no model is
            given, and the ablations.
        ablation: Settings of the ablations that differ from their presets.
        segmentation_preset: Preset of the segmentation.
        segmentation: Settings of the segmentation that differ from its preset.
        remarks: Remarks for the top of the page.
        no_verdicts: Why no claim is judged; empty if they are.
    """

    steps: Sequence[str]
    methods: Sequence[str]
    scenes: int = 5
    sizes: Sequence[tuple[int, int]] = ((320, 256), (640, 480), (1280, 720))
    budget: float = 10.0
    feature_pairs: int | None = None
    seeds: int = 1
    model: str | None = None
    whole: bool = False
    ablation: Mapping[str, str] = field(default_factory=dict)
    segmentation_preset: str = "short"
    segmentation: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    no_verdicts: str = ""


def reproduce(
    data: PaperData, output: Path, plan: ReproductionPlan, progress: Progress = silent
) -> list[Experiment]:
    """Do the experiments and write the report; finished work is used again.

    Raises:
        PiafusionError: If a step fails for another reason than a missing extra.
    """
    if plan.whole:
        plan = _on_the_schedule(data, output, plan, progress)
    runners: dict[str, Callable[[], Experiment]] = {
        "comparison": lambda: comparison.compare(
            data, output, plan.methods, plan.scenes, progress, plan.model or OURS
        ),
        "efficiency": lambda: efficiency.measure_efficiency(
            data, output, plan.methods, plan.sizes, plan.budget, progress, plan.model or OURS
        ),
        "features": lambda: _features(data, output, plan, progress),
        "segmentation": lambda: _segmentation(data, output, plan, progress),
        "ablation": lambda: _ablation(data, output, plan, progress),
    }
    experiments = [runners[name]() for name in STEPS if name in plan.steps]
    if plan.no_verdicts:
        experiments = [
            replace(each, claims=[untested(claim, plan.no_verdicts) for claim in each.claims])
            for each in experiments
        ]
    write_report(experiments, output, plan.remarks)
    return experiments


def _on_the_schedule(
    data: PaperData, output: Path, plan: ReproductionPlan, progress: Progress
) -> ReproductionPlan:
    """Train the paper's networks if no model is given; return the plan with what follows."""
    if plan.model is None:
        if data.training is None:
            raise UsageError("--schedule paper: expected --msrs with train and test, or --model")
        with needing("train", "training"):
            from piafusion.lab.training.algorithm import train_paper
        model = train_paper(data.training, output / "training", progress=progress)
        plan = replace(plan, model=str(model))
    return replace(plan, ablation={**ABLATION_WHOLE, **plan.ablation})


def _features(
    data: PaperData, output: Path, plan: ReproductionPlan, progress: Progress
) -> Experiment:
    claims = [("4.7", text) for _, text in SELECTION]
    if data.day_and_night is None:
        return _left_out("features", claims, "needs pairs by day and by night: --msrs")
    try:
        from piafusion.lab.paper.features import measure_features
    except MissingExtraError as error:
        return _left_out("features", claims, str(error))
    model = plan.model or OURS
    return measure_features(data.day_and_night, output, plan.feature_pairs, progress, model)


def _ablation(
    data: PaperData, output: Path, plan: ReproductionPlan, progress: Progress
) -> Experiment:
    claims = [(section, text) for section, *_, text in WITHOUT]
    test, training = data.day_and_night, data.training
    if test is None or training is None:
        why = "needs pairs to train on: give --msrs a folder with train and test"
        return _left_out("ablation", claims, why)
    try:
        from piafusion.lab.paper.ablation import ablate

        return ablate(test, training, output, plan.seeds, plan.ablation, plan.scenes, progress)
    except MissingExtraError as error:
        return _left_out("ablation", claims, str(error))


def _segmentation(
    data: PaperData, output: Path, plan: ReproductionPlan, progress: Progress
) -> Experiment:
    claims = [("4.8", text) for *_, text in SEGMENTED]
    try:
        with needing("segmentation", "segmentation"):
            from piafusion.lab.paper.segmentation import segment_sources
    except MissingExtraError as error:
        return _left_out("segmentation", claims, str(error))
    return segment_sources(
        data.labelled or paint_labelled(output / "labelled"),
        output,
        plan.seeds,
        plan.segmentation,
        preset=plan.segmentation_preset,
        model=plan.model or OURS,
        synthetic=data.labelled is None or "synthetic" in data.tests,
        progress=progress,
    )


def _left_out(name: str, claims: Sequence[tuple[str, str]], why: str) -> Experiment:
    judged = [Claim(section, text, UNTESTED, why) for section, text in claims]
    return Experiment(name, claims=judged, deviations=[f"left out: {why}"])


PAGE, TEXT, NUMBERS = "reproduction.html", "reproduction.md", "reproduction.json"
TITLE = "PIAFusion, reproduced"

_INTRODUCTION = (
    "The experiments of Tang, Yuan, Zhang, Jiang and Ma, PIAFusion (Information Fusion 83-84, "
    "2022), done again with piafusion {version}. Numbers of the paper are marked as such and "
    "copied as printed; all others were measured here."
)
_JUDGED = (
    "A claim about an order holds if the mean is the highest, and it does not hold if another is "
    "higher, both only if the two-sided Wilcoxon test between the two is significant at 5 %. "
    "Otherwise it cannot be tested here. Nor can it be tested on synthetic pictures, nor by times "
    "of the processor for what the paper runs on a GPU, nor by a network that saw less than half "
    "of the pixels of the paper's schedule, whether it wins or loses. A claim that rests on "
    "networks trained here, among them the rivals, says less than one that rests on what the "
    "authors published."
)


def write_report(experiments: Sequence[Experiment], output: Path, remarks: Sequence[str]) -> None:
    """Write `reproduction.html`, `reproduction.md` and `reproduction.json`."""
    claims = [claim for each in experiments for claim in each.claims]
    summary: list[Block] = [Text(tally(claims)), claims_table(claims), Text(_JUDGED, note=True)]
    introduction = [_INTRODUCTION.format(version=piafusion.__version__), *remarks]
    document = Document(
        TITLE,
        [Text(text) for text in introduction],
        [Section("What the paper claims", summary, link="claims"), *map(_section, experiments)],
    )
    numbers = {
        "piafusion": piafusion.__version__,
        "claims": for_json(claims),
        "steps": {
            each.name: {"values": each.values, "deviations": each.deviations}
            for each in experiments
        },
    }
    write_bytes(output / PAGE, html(document).encode())
    write_bytes(output / TEXT, markdown(document).encode())
    write_bytes(output / NUMBERS, json_text(numbers).encode())


def claims_table(claims: Sequence[Claim]) -> Table:
    """Return a table of claims: section, claim, verdict, what it rests on, evidence."""
    rows = []
    for claim in claims:
        data = f"{claim.data}: " if claim.data else ""
        evidence = f"{data}{claim.evidence}"
        rows.append([claim.section, claim.text, claim.verdict, claim.basis or "-", evidence])
    return Table(["section", "the paper says", "here", "rests on", "evidence"], rows, prose=True)


def tally(claims: Sequence[Claim]) -> str:
    """Return how many claims hold, do not hold, and cannot be tested, as a sentence."""

    def count(verdict: Verdict) -> str:
        bases = [claim.basis for claim in claims if claim.verdict == verdict]
        published = sum(basis.startswith("published") for basis in bases)
        return (
            f"{len(bases)} ({published} by what the authors published)"
            if published
            else str(len(bases))
        )

    return (
        f"The paper makes {len(claims)} claims: {count('holds')} hold, {count('does not hold')} "
        f"do not hold, and {count(UNTESTED)} cannot be tested here."
    )


def _section(experiment: Experiment) -> Section:
    blocks: list[Block] = [Text(f"The paper: {experiment.paper}"), *experiment.blocks]
    if experiment.deviations:
        blocks.append(Bullets(experiment.deviations, "What differs from the paper"))
    return Section(experiment.title, blocks)
