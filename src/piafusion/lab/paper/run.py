"""All steps of a reproduction, one after another, and what they leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import piafusion
from piafusion.errors import MissingExtraError, needing
from piafusion.files import write_bytes
from piafusion.lab.evaluation.run import Track, untracked
from piafusion.lab.paper import comparison, document, efficiency
from piafusion.lab.paper.materials import Materials, paint_labelled
from piafusion.lab.paper.plan import STEPS, Plan
from piafusion.lab.paper.published import FEATURES_BY_LIGHT, SEGMENTED, WITHOUT
from piafusion.lab.paper.section import Section, untested

if TYPE_CHECKING:
    from piafusion.lab.segmentation.cells import Progress

PAGE, TEXT, NUMBERS = "reproduction.html", "reproduction.md", "reproduction.json"


def reproduce(
    materials: Materials,
    output: Path,
    plan: Plan,
    track: Track = untracked,
    progress: Progress = lambda what, done, total: None,
) -> list[Section]:
    """Do the steps, and write page, text and numbers; what is done already is used again.

    Args:
        materials: The pictures.
        output: Folder for all that is made.
        plan: What to do.
        track: Shows how far a step is.
        progress: Told what the segmentation is doing, how much is done and how much there is.

    Raises:
        PiafusionError: If a step cannot be done for another reason than a missing extra.
    """
    doers: dict[str, Callable[[], Section]] = {
        "comparison": lambda: comparison.compare(
            materials, output, plan.methods, plan.scenes, track
        ),
        "efficiency": lambda: efficiency.measure_efficiency(
            output, plan.methods, plan.sizes, plan.budget, track
        ),
        "features": lambda: _features(materials, output, plan, track),
        "segmentation": lambda: _segmentation(materials, output, plan, progress),
        "ablation": lambda: _ablation(materials, output, plan, track),
    }
    sections = [doers[name]() for name in STEPS if name in plan.steps]
    write(sections, output, plan.remarks)
    return sections


def write(sections: Sequence[Section], output: Path, remarks: Sequence[str]) -> None:
    """Write `reproduction.html`, `reproduction.md` and `reproduction.json`."""
    write_bytes(output / PAGE, document.web_page(sections, remarks).encode())
    write_bytes(output / TEXT, document.markdown_text(sections, remarks).encode())
    numbers = {
        "piafusion": piafusion.__version__,
        "claims": [asdict(claim) for section in sections for claim in section.claims],
        "steps": {
            section.name: {"values": section.values, "deviations": section.deviations}
            for section in sections
        },
    }
    write_bytes(output / NUMBERS, (json.dumps(numbers, indent=2) + "\n").encode())


def _features(materials: Materials, output: Path, plan: Plan, track: Track) -> Section:
    texts = [("4.7", text) for _, text, _ in FEATURES_BY_LIGHT]
    data = materials.lit
    if data is None:
        return _left_out("features", texts, "needs pairs by day and by night: --msrs")
    try:
        from piafusion.lab.paper.features import look_inside
    except MissingExtraError as error:
        return _left_out("features", texts, str(error))
    return look_inside(data, output, plan.inside, track)


def _ablation(materials: Materials, output: Path, plan: Plan, track: Track) -> Section:
    texts = [(number, text) for number, *_, text in WITHOUT]
    data, training = materials.lit, materials.training
    if data is None or training is None:
        why = "needs pairs to train on: give --msrs a folder with train and test"
        return _left_out("ablation", texts, why)
    try:
        from piafusion.lab.paper.ablation import ablate

        return ablate(data, training, output, plan.schedule, plan.scenes, track)
    except MissingExtraError as error:
        return _left_out("ablation", texts, str(error))


def _segmentation(materials: Materials, output: Path, plan: Plan, progress: Progress) -> Section:
    texts = [("4.8", text) for *_, text in SEGMENTED]
    try:
        with needing("segmentation", "segmentation"):
            from piafusion.lab.paper.downstream import segment_sources
    except MissingExtraError as error:
        return _left_out("segmentation", texts, str(error))
    is_painted = materials.labelled is None or "synthetic" in materials.tests
    root = materials.labelled or paint_labelled(output / "labelled")
    return segment_sources(
        root,
        output,
        plan.schedule.seeds,
        dict(plan.segmentation),
        synthetic=is_painted,
        progress=progress,
    )


def _left_out(name: str, claims: Sequence[tuple[str, str]], why: str) -> Section:
    judged = [untested(number, text, why) for number, text in claims]
    return Section(name, claims=judged, deviations=[f"left out: {why}"])
