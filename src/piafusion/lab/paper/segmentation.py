"""Section 4.8: segmentation of visible, infrared and fused pictures (Table 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from piafusion.imaging.io import read_image
from piafusion.lab.paper.experiment import (
    OURS,
    SEGMENTED,
    TABLE_4,
    UNTESTED,
    Claim,
    Experiment,
    Verdict,
    interval_verdict,
    under_our_name,
    undertrained,
    untested,
)
from piafusion.lab.segmentation.result import interval, percent
from piafusion.lab.segmentation.run import segment
from piafusion.lab.segmentation.scores import COLUMNS, SourceScores
from piafusion.lab.segmentation.settings import PRESETS, resolve
from piafusion.report.document import Pictures, Table
from piafusion.run.progress import Progress

NAME = "segmentation"
FULL_STEPS = PRESETS["full"]["steps"]
SOURCES = ("infrared", "visible", OURS, "piafusion", "maximum")


def segment_sources(
    root: Path,
    output: Path,
    seeds: int,
    changes: Mapping[str, str],
    *,
    preset: str = "short",
    model: str = OURS,
    synthetic: bool,
    progress: Progress,
) -> Experiment:
    """Train and test one network on each source, and judge the paper's claims about them.

    Finished trainings are used again. `changes` are settings that differ from the preset; `model`
    is the paper's model, or the file of an exported one; `synthetic` means that the pictures are
    our own scenes.
    """
    settings = resolve(preset, dict(changes))
    result = segment(
        root,
        [under_our_name(model) if name == OURS else name for name in SOURCES],
        range(seeds),
        output=output / NAME,
        settings=settings,
        against=("infrared", "visible"),
        progress=progress,
    )
    experiment = Experiment(NAME)
    printed = [[name, *(f"{value:.2f}" for value in row)] for name, row in TABLE_4.items()]
    experiment.blocks.extend(
        [
            *result.blocks(),
            Table(["source", *COLUMNS], printed, "Table 4 of the paper, on MSRS"),
            Pictures({"labels and predictions": read_image(result.sheet)}, "Fig. 20"),
        ]
    )
    experiment.values.update(result.as_json())
    data = "synthetic scenes" if synthetic else "MSRS"
    claims = judge(result.differences, data, undertrained(model))
    if synthetic:
        claims = [untested(claim, "the pictures are not the paper's") for claim in claims]
    elif settings.steps < FULL_STEPS / 2:
        why = f"each network had {settings.steps:,} steps"
        claims = [untested(claim, why) for claim in claims]
    experiment.claims.extend(claims)
    experiment.deviations.append(
        f"The network is the bilateral attention decoder on an encoder of {settings.widths} "
        f"channels without pretrained weights, {settings.steps:,} steps of {settings.batch}, "
        f"{'1 training' if seeds == 1 else f'{seeds} trainings'} on each source."
    )
    if synthetic:
        experiment.deviations.append(
            "No labels of MSRS were given: the pictures and labels are synthetic scenes, which "
            "prove nothing about MSRS."
        )
    return experiment


def judge(differences: Sequence[SourceScores], data: str, weak: str = "") -> list[Claim]:
    """Judge the claims of section 4.8 by the differences of the sources on all scenes.

    A source leads or is behind if the 95 % intervals over trainings and over scenes both say so.
    Otherwise the claim cannot be tested. `weak` says why no claim about the fused pictures can be.
    """
    found = {(each.source, each.against): each for each in differences if each.part == "all"}
    claims = []
    for first, others, score, text in SEGMENTED:
        leads = [_lead(found, first, other, score) for other in others]
        verdicts = [interval_verdict(low, high) for low, high, _ in leads]
        verdict: Verdict = "holds"
        if set(verdicts) != {"holds"}:
            verdict = "does not hold" if "does not hold" in verdicts else UNTESTED
        evidence = "; ".join(words for *_, words in leads)
        claim = Claim("4.8", text, verdict, evidence, data, "networks trained here")
        claims.append(untested(claim, weak) if weak and first == OURS else claim)
    return claims


def _lead(
    found: Mapping[tuple[str, str], SourceScores], first: str, other: str, name: str
) -> tuple[float, float, str]:
    """Return a source's lead over another: the ends of both intervals together, description."""
    swapped = (first, other) not in found
    score = (found[other, first] if swapped else found[first, other]).scores[name]
    mean = -score.mean if swapped else score.mean
    seeds, scenes = score.interval95_seeds, score.interval95_scenes
    if swapped:
        seeds, scenes = (-seeds[1], -seeds[0]), (-scenes[1], -scenes[0])
    words = (
        f"{name} {percent(mean, signed=True)} points against {other} "
        f"(trainings {interval(seeds)}, scenes {interval(scenes)})"
    )
    low, high = np.min([seeds[0], scenes[0]]), np.max([seeds[1], scenes[1]])
    return float(low), float(high), words  # NaN for one seed
