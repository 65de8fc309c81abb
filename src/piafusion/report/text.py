"""A report as Markdown, without its pictures; tables as plain text and as LaTeX (booktabs)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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
