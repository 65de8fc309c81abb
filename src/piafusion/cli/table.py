"""Print tables: drawn on a terminal, plain columns in a file or pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from piafusion.cli.printing import say, visible

if TYPE_CHECKING:
    from piafusion.report.document import Cell


def print_table(header: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
    """Print rows of one width under a header; the last column may be long."""
    texts = [[visible(_text(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        from piafusion.report.document import Table
        from piafusion.report.plain import plain

        say(*plain(Table(header, texts)))
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text  # a name may look like markup

    table = RichTable(*header, box=None)
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def _text(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell.text} ± {cell.spread}" if cell.spread else cell.text
