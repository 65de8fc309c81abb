"""The result of a comparison, and its files: JSON, Markdown, CSV and a contact sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from piafusion.files import write_bytes
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import read_image
from piafusion.lab.evaluation.results import marks
from piafusion.lab.evaluation.sheets import choose_stems
from piafusion.lab.segmentation.inputs import NetworkInput
from piafusion.lab.segmentation.pictures import LabelledSet, read_label, read_picture
from piafusion.lab.segmentation.scores import COLUMNS, IGNORED, Interval, SourceScores
from piafusion.report.document import Block, Cell, Document, Section, Table, Text
from piafusion.report.text import csv_text, for_json, json_text, markdown, number

RESULT, TABLES, TABLE = "segmentation.json", "tables.md", "table.csv"

_SCORES = (
    "IoU in per cent, mean ± standard deviation over the seeds. Confusion matrices are summed over "
    "the scenes before IoU is computed; a class that no label shows has no IoU (-) and is left out "
    "of mIoU. The best two are marked."
)
_DIFFERENCES = (
    "Difference of mIoU in points, with 95 % intervals: over trainings (Student's t over the "
    "seeds, paired) and over test scenes (paired bootstrap, with these networks)."
)


@dataclass(frozen=True)
class SegmentationResult:
    """A finished comparison.

    Attributes:
        sources: Names of the sources, in order.
        seeds: Seeds of the trainings.
        settings: Settings of the networks and their training, as JSON values.
        rows: IoU by part and source.
        differences: Differences by part and two sources.
        sheet: Picture of scenes, labels and predictions.
    """

    sources: Sequence[str]
    seeds: Sequence[int]
    settings: Mapping[str, Any]
    rows: Sequence[SourceScores]
    differences: Sequence[SourceScores]
    sheet: Path

    def tables(self) -> list[Table]:
        """Return a table for each part of the test scenes, like Table 4 of the paper."""
        return [self._table(part) for part in dict.fromkeys(row.part for row in self.rows)]

    def blocks(self) -> list[Block]:
        """Return all tables and their explanations."""
        blocks: list[Block] = [*self.tables(), Text(_SCORES, note=True)]
        if self.differences:
            header = ["sources", "part", "difference", "over trainings", "over scenes"]
            rows = [_difference(each) for each in self.differences]
            blocks += [Table(header, rows, "Differences"), Text(_DIFFERENCES, note=True)]
        return blocks

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values; NaN becomes null."""
        rows = for_json(self.rows)
        for row in rows:
            del row["against"]
        return {
            "sources": list(self.sources),
            "seeds": list(self.seeds),
            "settings": dict(self.settings),
            "rows": rows,
            "differences": for_json(self.differences),
            "sheet": str(self.sheet.name),
        }

    def write(self, output: Path) -> None:
        """Write `segmentation.json`, `tables.md` and `table.csv`.

        Raises:
            OutputError: If a file cannot be written.
        """
        document = Document("Segmentation", sections=[Section("Scores", self.blocks())])
        write_bytes(output / RESULT, json_text(self.as_json()).encode())
        write_bytes(output / TABLES, markdown(document).encode())
        write_bytes(output / TABLE, self._csv().encode())

    def _table(self, part: str) -> Table:
        rows = [row for row in self.rows if row.part == part]
        cells: list[list[str | Cell]] = [[row.source] for row in rows]
        for name in COLUMNS:
            marked = marks({row.source: row.scores[name].mean for row in rows}, higher=True)
            for row, line in zip(rows, cells, strict=True):
                score = row.scores[name]
                spread = "" if math.isnan(score.std) else percent(score.std)
                line.append(Cell(percent(score.mean), spread, mark=marked.get(row.source, "")))
        scenes = "1 scene" if rows[0].scenes == 1 else f"{rows[0].scenes} scenes"
        title = f"{'All' if part == 'all' else f'By {part}'}: {scenes}"
        return Table(["source", *COLUMNS], cells, title)

    def _csv(self) -> str:
        """Return a record for each part, source and score, as shares of 1; differences too."""
        header = ("part", "scenes", "source", "against", "score", "mean", "std")
        ends = ("seeds_low", "seeds_high", "scenes_low", "scenes_high")
        records = (
            (each.part, each.scenes, each.source, each.against, name, score.mean, score.std)
            + (*score.interval95_seeds, *score.interval95_scenes)
            for each in (*self.rows, *self.differences)
            for name, score in each.scores.items()
        )
        return csv_text((*header, *ends), records)


def percent(value: float, *, signed: bool = False) -> str:
    """Return a share of 1 in per cent; a dash for NaN."""
    return number(100 * value, 1, signed=signed)


def interval(ends: Interval) -> str:
    """Return an interval of a difference in per cent; a dash for NaN."""
    return "-" if math.isnan(ends[0]) else " to ".join(percent(end, signed=True) for end in ends)


def _difference(each: SourceScores) -> list[str]:
    score = each.scores["mIoU"]
    return [
        f"{each.source} - {each.against}",
        each.part,
        percent(score.mean, signed=True),
        interval(score.interval95_seeds),
        interval(score.interval95_scenes),
    ]


COLOURS = np.array([(40, 40, 40), (90, 140, 255), (255, 80, 60), (90, 220, 90)], np.uint8)
"""RGB colours of background, vehicle, person and bicycle."""
_IGNORED = (200, 200, 200)


def draw_sheet(
    test: LabelledSet,
    inputs: Sequence[NetworkInput],
    predicted: Mapping[str, Path],
    others: Literal["ignore", "background"],
    count: int,
) -> NDArray[np.uint8]:
    """Draw scenes: infrared, visible, labels, and each source under the predicted classes.

    There are as many by day as by night if the light is known. `predicted` holds the folder of the
    predicted classes of each source.
    """
    rows = []
    pairs = {pair.stem: pair for pair in test.data.pairs}
    for stem in choose_stems(test.stems, test.data.lights, count):
        row = {
            "infrared": read_picture(pairs[stem].infrared, infrared=True),
            "visible": read_picture(pairs[stem].visible),
            "labels": coloured(read_label(test.labels[stem], others)),
        }
        for source in inputs:
            shown = read_picture(source.files[test.data.name][stem], infrared=source.is_infrared)
            classes = read_image(predicted[source.name] / f"{stem}.png").astype(np.uint8)
            row[f"from {source.name}"] = laid_over(shown, classes)
        rows.append(row)
    return contact_sheet(rows)


def coloured(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return labels as RGB, H x W x 3; ignored pixels are grey."""
    table = np.full((256, 3), 0, np.uint8)
    table[: len(COLOURS)] = COLOURS
    table[IGNORED] = _IGNORED
    return table[labels]


def laid_over(picture: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, H x W x 3, with the colours of its classes over it, except background."""
    shown = (labels > 0)[..., None]
    mixed = 0.35 * picture + 0.65 * coloured(labels)
    return np.where(shown, np.rint(mixed), picture).astype(np.uint8)
