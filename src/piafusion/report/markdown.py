"""A report as Markdown, without its pictures."""

from __future__ import annotations

from collections.abc import Sequence

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
