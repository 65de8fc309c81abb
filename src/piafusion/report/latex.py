r"""Tables as LaTeX for the package `booktabs`."""

from __future__ import annotations

from collections.abc import Iterable

from piafusion.report.document import Cell, Table

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
            *(rf"    {' & '.join(map(_cell, row))} \\" for row in table.cells),
            *(r"    \bottomrule", r"  \end{tabular}", r"\end{table}"),
        ]
    return "\n".join([*lines, ""])


def _cell(cell: Cell) -> str:
    if not cell.spread:
        return "--" if cell.text == "-" else _escaped(cell.text)
    text, spread = (each.replace("∞", r"\infty") for each in (cell.text, cell.spread))
    return rf"${_MARKED[cell.mark] % text} \pm {spread}$"


def _escaped(text: str) -> str:
    return "".join(_SYMBOLS.get(character, character) for character in text)
