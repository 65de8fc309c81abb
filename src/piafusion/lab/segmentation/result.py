"""What a comparison says: rows, and the same as JSON, Markdown and CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from piafusion.files import write_bytes
from piafusion.lab.evaluation.tables import marks, pipes
from piafusion.lab.segmentation.confusion import COLUMNS
from piafusion.lab.segmentation.scores import Difference, Row, Score

RESULT, TABLES, TABLE = "segmentation.json", "tables.md", "table.csv"

NOTE = (
    "IoU in per cent, mean ± standard deviation over the seeds. Confusion matrices are summed over "
    "the scenes before IoU is taken; a class that no label shows has none (-) and is left out of "
    "mIoU."
)
DIFFERENCES = (
    "Difference of mIoU in points, with 95 % intervals: over trainings (Student's t over the "
    "seeds, paired) and over test scenes (paired bootstrap, with these very networks)."
)


@dataclass(frozen=True)
class SegmentationResult:
    """A finished comparison.

    Attributes:
        sources: What was segmented, in order.
        seeds: Of the trainings.
        settings: Of the networks and their training, as JSON knows them.
        rows: IoU by part and source.
        differences: By part and two sources.
        sheet: Picture of scenes, labels and predictions.
    """

    sources: Sequence[str]
    seeds: Sequence[int]
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    differences: Sequence[Difference]
    sheet: Path

    @property
    def parts(self) -> list[str]:
        """The parts of the test scenes that there are."""
        return list(dict.fromkeys(row.part for row in self.rows))

    def part(self, name: str) -> list[Row]:
        """Return the rows of a part."""
        return [row for row in self.rows if row.part == name]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON knows it; NaN becomes null."""
        return {
            "sources": list(self.sources),
            "seeds": list(self.seeds),
            "settings": dict(self.settings),
            "rows": [_entry(row) for row in self.rows],
            "differences": [_entry(difference) for difference in self.differences],
            "sheet": str(self.sheet.name),
        }

    def markdown(self) -> str:
        """Return a table for each part, as Table 4 of the paper, and one of the differences."""
        lines = ["# Segmentation", "", f"{NOTE} Best in bold, second best in italics."]
        for name in self.parts:
            lines += ["", f"## {heading(self.part(name))}", ""]
            lines += pipes([["source", *COLUMNS], *self.cells(name, "**", "*")])
        if self.differences:
            lines += ["", "## Differences", "", DIFFERENCES, ""]
            rows = [["sources", "part", "difference", "over trainings", "over scenes"]]
            for each in self.differences:
                score = each.scores["mIoU"]
                sources = f"{each.source} - {each.against}"
                mean = percent(score.mean, signed=True)
                ends = (interval(ends, signed=True) for ends in (score.seeds, score.scenes))
                rows.append([sources, each.part, mean, *ends])
            lines += pipes(rows)
        return "\n".join([*lines, ""])

    def cells(self, part: str, best: str = "", second: str = "") -> list[list[str]]:
        """Return a part's table as text: a row for each source, a column for each score.

        Args:
            part: One of `parts`.
            best: Goes around the best of a column.
            second: Goes around the second best.
        """
        rows = self.part(part)
        around = {"best": best, "second": second, "": ""}
        table = [[row.source] for row in rows]
        for name in COLUMNS:
            means = {row.source: row.scores[name].mean for row in rows}
            means = {source: mean for source, mean in means.items() if not math.isnan(mean)}
            marked = marks(means, higher=True)
            for row, line in zip(rows, table, strict=True):
                mark = around[marked.get(row.source, "")]
                line.append(_around(row.scores[name], mark))
        return table

    def frame(self) -> pd.DataFrame:
        """Return a row for each part, source and score, as shares of 1; differences too."""
        records = []
        both: list[Row | Difference] = [*self.rows, *self.differences]
        for row in both:
            against = row.against if isinstance(row, Difference) else ""
            for name, each in row.scores.items():
                ends = (*each.seeds, *each.scenes)
                where = (row.part, row.scenes, row.source, against, name)
                records.append((*where, each.mean, each.std, *ends))
        columns = ["part", "scenes", "source", "against", "score", "mean", "std"]
        columns += ["seeds_low", "seeds_high", "scenes_low", "scenes_high"]
        return pd.DataFrame(records, columns=columns)

    def write(self, output: Path) -> None:
        """Write `segmentation.json`, `tables.md` and `table.csv`.

        Raises:
            OutputError: If a file cannot be written.
        """
        text = json.dumps(self.as_json(), indent=2, allow_nan=False)
        write_bytes(output / RESULT, f"{text}\n".encode())
        write_bytes(output / TABLES, self.markdown().encode())
        write_bytes(output / TABLE, self.frame().to_csv(index=False).encode())


def heading(rows: Sequence[Row]) -> str:
    """Return what a part is, in words."""
    scenes = "1 scene" if rows[0].scenes == 1 else f"{rows[0].scenes} scenes"
    return f"{'By ' if rows[0].part != 'all' else ''}{rows[0].part}: {scenes}".capitalize()


def percent(value: float, *, signed: bool = False) -> str:
    """Return a share of 1 in per cent; a dash for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:{'+' if signed else ''}.1f}"


def interval(ends: tuple[float, float], *, signed: bool = False) -> str:
    """Return an interval in per cent; a dash for NaN."""
    if math.isnan(ends[0]):
        return "-"
    return " to ".join(percent(end, signed=signed) for end in ends)


def _around(score: Score, mark: str) -> str:
    mean = f"{mark}{percent(score.mean)}{mark}"
    return mean if math.isnan(score.std) else f"{mean} ± {percent(score.std)}"


def _entry(row: Row | Difference) -> dict[str, Any]:
    scores = {
        name: {
            "mean": _number(each.mean),
            "std": _number(each.std),
            "interval95_seeds": [_number(end) for end in each.seeds],
            "interval95_scenes": [_number(end) for end in each.scenes],
        }
        for name, each in row.scores.items()
    }
    return {**vars(row), "scores": scores}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
