"""Section 4.8: segmentation of visible, infrared and fused pictures (Table 4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piafusion.imaging.io import read_image
from piafusion.lab.paper.published import OURS, SEGMENTED, TABLE_4
from piafusion.lab.paper.section import Block, Claim, Grid, Section, Sheet, Text, Verdict
from piafusion.lab.segmentation.cells import Progress
from piafusion.lab.segmentation.confusion import COLUMNS
from piafusion.lab.segmentation.result import (
    DIFFERENCES,
    NOTE,
    SegmentationResult,
    interval,
    percent,
)
from piafusion.lab.segmentation.run import segment
from piafusion.lab.segmentation.scores import Difference
from piafusion.lab.segmentation.settings import resolve

NAME = "segmentation"
SOURCES = ("infrared", "visible", OURS, "piafusion", "maximum")


def segment_sources(
    root: Path,
    output: Path,
    seeds: int,
    changes: dict[str, str],
    *,
    synthetic: bool,
    progress: Progress,
) -> Section:
    """Train and test one network on each source, and judge what the paper says of them.

    Args:
        root: Folder with `train` and `test`, each with `ir`, `vi` and `label`.
        output: Folder of the reproduction; trainings that are there are used.
        seeds: Trainings on each source.
        changes: Settings other than those of the preset `short`.
        synthetic: The pictures are our own scenes.
        progress: Told how far it is.
    """
    settings = resolve("short", changes)
    result = segment(
        root,
        SOURCES,
        range(seeds),
        output=output / NAME,
        settings=settings,
        against=("infrared", "visible"),
        progress=progress,
    )
    section = Section(NAME)
    section.blocks.extend(_blocks(result))
    section.values.update(result.as_json())
    section.claims.extend(judge(result.differences, "synthetic scenes" if synthetic else "MSRS"))
    section.deviations.append(
        f"The network is the bilateral attention decoder on an encoder of {settings.widths} "
        f"channels without pretrained weights, {settings.steps:,} steps of {settings.batch}, "
        f"{'1 training' if seeds == 1 else f'{seeds} trainings'} on each source."
    )
    if synthetic:
        section.deviations.append(
            "No labels of MSRS were given: the pictures and labels are synthetic scenes, and what "
            "they show is no evidence about MSRS."
        )
    return section


def _blocks(result: SegmentationResult) -> list[Block]:
    header = ["source", *COLUMNS]
    blocks: list[Block] = []
    for part in result.parts:
        scenes = result.part(part)[0].scenes
        title = f"{part}, {scenes} scenes" if part == "all" else f"by {part}, {scenes} scenes"
        blocks.append(Grid([header, *result.cells(part)], f"IoU in per cent, {title}"))
    printed = [[name, *(f"{value:.2f}" for value in row)] for name, row in TABLE_4.items()]
    blocks.append(Grid([header, *printed], "Table 4 of the paper, on MSRS"))
    rows = [["sources", "part", "difference", "over trainings", "over scenes"]]
    for each in result.differences:
        score = each.scores["mIoU"]
        rows.append(
            [
                f"{each.source} - {each.against}",
                each.part,
                percent(score.mean, signed=True),
                interval(score.seeds, signed=True),
                interval(score.scenes, signed=True),
            ]
        )
    blocks += [Text(NOTE, soft=True), Grid(rows, "Differences"), Text(DIFFERENCES, soft=True)]
    blocks.append(Sheet("Fig. 20", {"labels and predictions": read_image(result.sheet)}))
    return blocks


def judge(differences: Sequence[Difference], data: str) -> list[Claim]:
    """Judge what section 4.8 says of the sources, by their differences on all scenes.

    A source is ahead if the 95 % intervals over trainings and over scenes both say so; one that
    leads within them cannot be judged.

    Args:
        differences: With `paper` against infrared and visible, and these against each other.
        data: What was segmented.
    """
    found = {(each.source, each.against): each for each in differences if each.part == "all"}
    claims = []
    for first, others, score, text in SEGMENTED:
        compared = [_ahead(found, first, other, score) for other in others]
        if all(means > 0 and low > 0 for means, low, _ in compared):
            verdict: Verdict = "holds"
        elif any(means <= 0 for means, *_ in compared):
            verdict = "does not hold"
        else:
            verdict = "cannot be tested here"
        evidence = "; ".join(told for *_, told in compared)
        claims.append(Claim("4.8", text, verdict, evidence, data))
    return claims


def _ahead(
    found: dict[tuple[str, str], Difference], first: str, other: str, name: str
) -> tuple[float, float, str]:
    """Return how far a source is ahead of another: mean, the lower end of both intervals, words."""
    swapped = (first, other) not in found
    score = (found[other, first] if swapped else found[first, other]).scores[name]
    sign = -1 if swapped else 1
    mean, spans = sign * score.mean, [score.seeds, score.scenes]
    ends = [tuple(sorted(sign * end for end in span)) for span in spans]
    told = (
        f"{name} {percent(mean, signed=True)} points against {other} (trainings "
        f"{interval((ends[0][0], ends[0][1]), signed=True)}, scenes "
        f"{interval((ends[1][0], ends[1][1]), signed=True)})"
    )
    return mean, min(ends[0][0], ends[1][0]), told
