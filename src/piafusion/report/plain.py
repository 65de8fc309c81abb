"""A table as lines of plain text, for a file, a pipe or a log."""

from __future__ import annotations

import re

from piafusion.report.document import Table

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
