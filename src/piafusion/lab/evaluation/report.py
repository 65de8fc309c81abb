"""The files of an evaluation: a CSV file, tables, contact sheets, and a web page with all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import piafusion
from piafusion.files import write_bytes
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import write_image
from piafusion.lab.evaluation.results import DataSetResult, heading, per_image_csv
from piafusion.lab.evaluation.run import Evaluation
from piafusion.lab.evaluation.sheets import draw_scenes
from piafusion.metrics import ALL_SPECS
from piafusion.report.curves import cumulative_curves, line_styles
from piafusion.report.document import (
    Block,
    Bullets,
    Curves,
    Document,
    LineStyle,
    Pictures,
    Section,
    Text,
)
from piafusion.report.html import html
from piafusion.report.text import latex, markdown

TITLE = "Fusion methods compared"

_NOT_RANKED = "a method that lacks pairs is not ranked, because its mean is one of other pictures"
_NOTES = (
    "Mean ± standard deviation over the pairs, then the 95 % interval of the mean by bootstrap "
    "over the pairs. ↑ higher is better, ↓ lower is better. The best two are marked; "
    f"{_NOT_RANKED}. Neighbouring pictures of a recording resemble each other; intervals and p "
    "values treat them as independent, so they promise somewhat too much."
)
_NATURAL = (
    "bleach: by how many grey levels well exposed places of the visible picture are lighter in the "
    "fused one. CIEDE2000: the colour difference there. targets: by how many grey levels people in "
    "boxes are lighter than what surrounds them; only pictures with boxes count. A column is left "
    "out where no picture has a value."
)
_CLIPS = (
    "On clips, the metrics of a picture are means over every tenth frame. restless: change from "
    "frame to frame, behind the motion of the visible video, over that of the more restless "
    "source; jumps: % of pixels that change by more than 20 grey levels while neither source "
    "changes by more than 4; pumping: change of the mean brightness, in grey levels. The visible "
    "video alone is as calm as a source can be."
)
_TESTS = (
    "Two-sided Wilcoxon signed-rank tests on the pairs that both methods have; p after Holm's "
    "correction for all tests of this table. ▲ better, ▼ worse at 5 %, · no difference shown; in "
    "brackets the number of pairs on which the method is better and worse."
)
_TIMES = (
    "Milliseconds from arrays to array, measured when a picture was first fused; reading and "
    "writing files is not included."
)
_CURVES = "A point (x, y) says that the share x of the pairs has a value of at most y."
_SCENES = (
    "The boxes are chosen from the source pictures alone: red where the infrared is much brighter "
    "than its surroundings and than the visible picture, green where the visible picture has most "
    "texture that the infrared lacks."
)


def write_report(
    evaluation: Evaluation,
    output: Path,
    *,
    metrics: Sequence[str],
    convention: str,
    against: str,
    scenes: int,
) -> None:
    """Write `per-image.csv`, `tables.md`, `tables.tex`, `sheets/` and `report.html`.

    Args:
        evaluation: The results to write.
        output: Folder of the evaluation.
        metrics: Names of the metrics, in the order of the columns.
        convention: Convention of the metrics.
        against: The method that the others were tested against.
        scenes: How many scenes of each data set are shown.

    Raises:
        OutputError: If a file cannot be written.
    """
    write_bytes(output / "per-image.csv", per_image_csv(evaluation.scores, metrics))
    styles = line_styles(list(dict.fromkeys(each.method for each in evaluation.scores)))
    sections, tables = [], []
    for result in evaluation.results:
        blocks = _numbers(result, against, styles)
        blocks += _scenes(result, evaluation, scenes, output)
        name = result.data.name
        sections.append(Section(f"{name}, {result.scores.size}", blocks, link=name))
        for each in (result.scores, *result.parts):
            caption = f"{each.title}, {each.size}: mean and standard deviation"
            tables.append(each.table(caption))
    if evaluation.failures:
        missing = Bullets([str(failure) for failure in evaluation.failures])
        sections.append(Section("What is missing", [missing]))
    about = f"piafusion {piafusion.__version__}, metrics in the convention {convention}."
    notes = [Text(about), Text(_NOTES, note=True)]
    if any(ALL_SPECS[name].needs for name in metrics):
        notes.append(Text(_NATURAL, note=True))
    if any(result.data.clips for result in evaluation.results):
        notes.append(Text(_CLIPS, note=True))
    document = Document(TITLE, notes, sections)
    below = [f"Convention {convention}; {_NOT_RANKED}."]
    write_bytes(output / "tables.tex", latex(tables, below).encode())
    write_bytes(output / "tables.md", markdown(document).encode())
    write_bytes(output / "report.html", html(document).encode())


def curves(result: DataSetResult, styles: Mapping[str, LineStyle], title: str) -> Curves:
    """Return cumulative curves of all metrics of a data set."""
    drawings = []
    for metric in result.scores.metrics:
        values = {
            method: [scores[metric] for scores in by_stem.values() if metric in scores]
            for method, by_stem in result.values.items()
        }
        if any(values.values()):
            drawn = cumulative_curves(result.data.name, heading(metric), values, styles)
            drawings.append(drawn)
    return Curves(drawings, {name: styles[name] for name in result.values}, title)


def _numbers(result: DataSetResult, against: str, styles: Mapping[str, LineStyle]) -> list[Block]:
    blocks: list[Block] = [result.scores.table()]
    for part in result.parts:
        title = part.title.removeprefix(result.data.name).lstrip(", ")
        blocks.append(part.table(f"{title}: {part.size}", folded=True))
    blocks += [
        curves(result, styles, "Cumulative curves"),
        Text(_CURVES, note=True, about_pictures=True),
    ]
    if result.tests:
        blocks += [result.test_table(f"Against {against}"), Text(_TESTS, note=True)]
    if result.runtimes:
        names = sorted({name for time in result.runtimes.values() for name in time.processors})
        note = f"{_TIMES} Processor: {', '.join(names)}."
        blocks += [result.time_table("Time per pair"), Text(note, note=True)]
    return blocks


def _scenes(result: DataSetResult, evaluation: Evaluation, count: int, output: Path) -> list[Block]:
    """Draw scenes, write them as one contact sheet, and return them for the page."""
    scenes = draw_scenes(result.data, evaluation.scored_files(result), count)
    if not scenes:
        return []
    name = f"{result.data.name.replace('/', '-')}.jpg"
    drawn = contact_sheet(list(scenes.values()))
    write_image(output / "sheets" / name, drawn, overwrite=True)
    pictures = [Pictures(scene, stem) for stem, scene in scenes.items()]
    return [Text(_SCENES, note=True, title="Scenes", about_pictures=True), *pictures]
