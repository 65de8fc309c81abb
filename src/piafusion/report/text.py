"""Texts of a report: Markdown without pictures, tables as plain text and LaTeX, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from piafusion.report.document import Block, Bullets, Cell, Document, Table, Text

_AROUND = {"best": "**", "second": "*", "": ""}


def markdown(document: Document) -> str:
    """Return a document as Markdown: the best in bold, the second best in italics."""
    lines = [f"# {document.title}", *_blocks(document.introduction)]
    for section in document.sections:
        lines += ["", f"## {section.title}", *_blocks(section.blocks)]
    return "\n".join([*lines, ""])


def markdown_table(table: Table) -> list[str]:
    """Return the lines of a table."""
    rows = [[_cell(cell) for cell in row] for row in table.cells]
    return [f"| {' | '.join(row)} |" for row in (table.header, ["---"] * len(table.header), *rows)]


def _blocks(blocks: Sequence[Block]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Text) and not block.about_pictures:
            content = [block.text]
        elif isinstance(block, Bullets):
            content = [f"- {item}" for item in block.items]
        elif isinstance(block, Table):
            content = markdown_table(block)
        else:
            continue
        if block.title:
            lines += ["", f"### {block.title}"]
        lines += ["", *content]
    return lines


def _cell(cell: Cell) -> str:
    parts = [f"{_AROUND[cell.mark]}{cell.text}{_AROUND[cell.mark]}"]
    if cell.spread:
        parts.append(f"± {cell.spread}")
    if cell.detail:
        parts.append(cell.detail if "(" in cell.detail else f"({cell.detail})")
    return " ".join(parts)


_NUMBER = re.compile(r"[-+]?[\d.,]+|[-∞]|inf|")


def plain(table: Table) -> list[str]:
    """Return the lines of a table; columns of numbers are aligned right, others left."""
    rows = [list(table.header), *([cell.text for cell in row] for row in table.cells)]
    columns = []
    for header, *texts in zip(*rows, strict=True):
        width = max(map(len, (header, *texts)))
        numbers = all(_NUMBER.fullmatch(text) for text in texts)
        columns.append([f"{text:{'>' if numbers else '<'}{width}}" for text in (header, *texts)])
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


_SYMBOLS = {
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_MARKED = {"best": r"\mathbf{%s}", "second": r"\underline{%s}", "": "%s"}


def latex(tables: Iterable[Table], notes: Iterable[str]) -> str:
    r"""Return tables: the best in bold, the second best underlined; details are left out.

    Args:
        tables: Cells with a spread are numbers.
        notes: Comments at the top.
    """
    lines = [r"% Needs \usepackage{booktabs}. Best in bold, second best underlined."]
    lines += [f"% {note}" for note in notes]
    for table in tables:
        first, *others = map(_escaped, table.header)
        lines += [
            "",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_escaped(table.title)}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(others)}}}",
            r"    \toprule",
            rf"    {' & '.join([first.capitalize(), *others])} \\",
            r"    \midrule",
            *(rf"    {' & '.join(map(_latex_cell, row))} \\" for row in table.cells),
            *(r"    \bottomrule", r"  \end{tabular}", r"\end{table}"),
        ]
    return "\n".join([*lines, ""])


def _latex_cell(cell: Cell) -> str:
    if not cell.spread:
        return "--" if cell.text == "-" else _escaped(cell.text)
    text, spread = (each.replace("∞", r"\infty") for each in (cell.text, cell.spread))
    return rf"${_MARKED[cell.mark] % text} \pm {spread}$"


def _escaped(text: str) -> str:
    return "".join(_SYMBOLS.get(character, character) for character in text)


def number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """Return a number as tables show it; a dash stands for None and NaN.

    >>> number(2.5, 2), number(2.5, 1, signed=True), number(float("nan"), 1), number(math.inf, 1)
    ('2.50', '+2.5', '-', '∞')
    """
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{'+' if signed else ''}.{decimals}f}" if math.isfinite(value) else "∞"


def decimals(values: Iterable[float]) -> int:
    """Return how many decimals show three or four digits of the largest of some values.

    >>> decimals([0.0123, 0.001]), decimals([43.7]), decimals([4321.0])
    (4, 2, 1)
    """
    sizes = (abs(value) for value in values)
    largest = max((size for size in sizes if math.isfinite(size) and size > 0), default=1.0)
    power = math.floor(math.log10(largest))
    return min(6, max(1, 3 - power - (power < 0)))


def for_json(value: Any) -> Any:  # noqa: ANN401 - whatever a report holds
    """Return a value as JSON takes it: records become objects, NaN null, infinity "inf"."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): for_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return str(value) if isinstance(value, Path) else value


def json_text(value: Any) -> str:  # noqa: ANN401 - whatever a report holds
    """Return a value as the text of a JSON file."""
    return json.dumps(for_json(value), indent=2, allow_nan=False) + "\n"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return records as CSV; None and NaN become empty cells."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if each is None or each != each else each for each in row])
    return stream.getvalue()
