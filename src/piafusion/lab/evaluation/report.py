"""What an evaluation leaves: a CSV, tables, contact sheets, and a page that holds it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import piafusion
from piafusion.files import write_bytes
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import write_image
from piafusion.lab.evaluation.figures import Style, cumulative_curves, styles
from piafusion.lab.evaluation.page import details, html_table, legend, page, score_table, sheet
from piafusion.lab.evaluation.results import DataResult
from piafusion.lab.evaluation.score import Row
from piafusion.lab.evaluation.sets import Problem, told
from piafusion.lab.evaluation.sheets import Cells, draw_scenes
from piafusion.lab.evaluation.tables import heading, per_image
from piafusion.lab.evaluation.texts import (
    CAUTION,
    NOT_RANKED,
    TESTS,
    TIMES,
    comparison_table,
    latex_document,
    markdown_document,
    processors,
    time_table,
)

_NOTES = (
    "Mean ± standard deviation over the pairs; below, the 95 % interval of the mean by bootstrap "
    "over the pairs. ↑ higher is better, ↓ lower is better. Best in bold on green, second best "
    f"underlined; {NOT_RANKED}. {CAUTION}"
)
_CURVES = "A point (x, y) says that the share x of the pairs has a value of at most y."
_SCENES = (
    "Boxes are chosen from the sources alone: red where infrared is much brighter than its "
    "surroundings and than the visible picture, green where the visible picture has most texture "
    "that infrared has not."
)


@dataclass(frozen=True)
class Report:
    """What is written, and where from.

    Attributes:
        results: By data set.
        rows: All scored pictures.
        problems: What is missing.
        convention: Of the metrics.
        metrics: The columns.
        against: The method that the others are tested against.
        files: Fused pictures by method, data set and stem.
        scenes: How many scenes of a data set are shown.
    """

    results: Sequence[DataResult]
    rows: Sequence[Row]
    problems: Sequence[Problem]
    convention: str
    metrics: Sequence[str]
    against: str
    files: Mapping[tuple[str, str, str], Path]
    scenes: int

    def write(self, output: Path) -> None:
        """Write `per-image.csv`, `tables.md`, `tables.tex`, `sheets/` and `report.html`.

        Raises:
            OutputError: If a file cannot be written.
        """
        table = per_image(self.rows, self.metrics)
        write_bytes(output / "per-image.csv", table.to_csv(index=False).encode())
        texts = markdown_document(self.results, self.problems, self.convention, self.against)
        write_bytes(output / "tables.md", texts.encode())
        write_bytes(output / "tables.tex", latex_document(self.results, self.convention).encode())
        looks = styles(list(dict.fromkeys(row.method for row in self.rows)))
        body = self._head()
        for result in self.results:
            scenes = draw_scenes(result.data, self._scored_files(result), self.scenes)
            if scenes:
                name = f"{result.data.name.replace('/', '-')}.jpg"
                drawn = contact_sheet(list(scenes.values()))
                write_image(output / "sheets" / name, drawn, overwrite=True)
            body += self._section(result, scenes, looks)
        if self.problems:
            items = "".join(f"<li>{escape(told(problem))}</li>" for problem in self.problems)
            body += ['<h2 id="problems">What is missing</h2>', f"<ul>{items}</ul>"]
        write_bytes(output / "report.html", page("Fusion methods compared", body).encode())

    def _scored_files(self, result: DataResult) -> dict[str, dict[str, Path]]:
        return {
            method: {stem: self.files[method, result.data.name, stem] for stem in rows}
            for method, rows in result.values.items()
        }

    def _head(self) -> list[str]:
        links = [(_anchor(result), result.data.name) for result in self.results]
        if self.problems:
            links.append(("problems", "what is missing"))
        anchors = "".join(f'<a href="#{anchor}">{escape(text)}</a>' for anchor, text in links)
        about = f"piafusion {piafusion.__version__}, metrics in the convention {self.convention}."
        return [
            "<h1>Fusion methods compared</h1>",
            f"<p>{escape(about)}</p>",
            f"<nav>{anchors}</nav>",
            _soft(_NOTES),
        ]

    def _section(
        self, result: DataResult, scenes: Mapping[str, Cells], looks: Mapping[str, Style]
    ) -> list[str]:
        data = result.data
        parts = [
            f'<h2 id="{_anchor(result)}">{escape(data.name)}, {result.table.size}</h2>',
            score_table(result.table),
        ]
        for table in result.parts:
            title = table.title.removeprefix(data.name).lstrip(", ")
            parts.append(details(f"{title}: {table.size}", score_table(table)))
        parts += ["<h3>Cumulative curves</h3>", _soft(_CURVES)]
        parts.append(legend({name: looks[name] for name in result.values}))
        parts.append(f'<div class="curves">{self._curves(result, looks)}</div>')
        if result.tests:
            parts += [f"<h3>Against {escape(self.against)}</h3>"]
            parts += [html_table(comparison_table(result.tests)), _soft(TESTS)]
        if result.runtimes:
            parts += ["<h3>Time per pair</h3>", html_table(time_table(result.runtimes))]
            parts.append(_soft(f"{TIMES} {processors(result.runtimes)}"))
        if scenes:
            parts += ["<h3>Scenes</h3>", _soft(_SCENES)]
        for stem, cells in scenes.items():
            parts.append(f"<h4>{escape(stem)}</h4>{sheet(cells)}")
        return parts

    def _curves(self, result: DataResult, looks: Mapping[str, Style]) -> str:
        drawings = []
        for metric in self.metrics:
            values = {
                method: [row[metric] for row in rows.values() if metric in row]
                for method, rows in result.values.items()
            }
            if any(values.values()):
                title = heading(metric)
                drawings.append(cumulative_curves(result.data.name, title, values, looks))
        return "".join(drawings)


def _anchor(result: DataResult) -> str:
    return f"data-{result.data.name.replace('/', '-')}"


def _soft(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'
