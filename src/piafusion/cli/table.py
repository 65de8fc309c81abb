"""Tables: drawn on a terminal, plain columns in a file or pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from piafusion.cli.printing import say, visible


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of one width under a header; the last column may be long."""
    rows = [[visible(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text  # a name may look like markup

        table = Table(*header, box=None)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())
