"""Means and deviations with the best two marked, as Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from piafusion.errors import needing
from piafusion.lab.evaluation.bootstrap import mean_interval
from piafusion.lab.evaluation.score import Row
from piafusion.metrics import SPECS

with needing("eval", "the tables of an evaluation"):
    import pandas as pd

Mark = Literal["best", "second", ""]

ARROWS = {"higher": "↑", "lower": "↓"}
PER_IMAGE = ("dataset", "stem", "light", "method")
"""Columns that say what was scored; those of the metrics follow."""


@dataclass(frozen=True)
class Cell:
    """One metric of one method: mean, standard deviation (of the population), 95 % interval.

    All are NaN where the metric is undefined for every pair.
    """

    mean: float
    std: float
    low: float
    high: float
    mark: Mark = ""


@dataclass(frozen=True)
class Table:
    """Methods on the same pairs.

    Attributes:
        title: What the pairs are.
        pairs: How many there are.
        metrics: The columns.
        counts: How many pairs each method has; those with fewer than all carry no mark.
        cells: By method, in the order of `metrics`.
    """

    title: str
    pairs: int
    metrics: tuple[str, ...]
    counts: dict[str, int]
    cells: dict[str, list[Cell]]

    @property
    def size(self) -> str:
        """The number of pairs in words."""
        return "1 pair" if self.pairs == 1 else f"{self.pairs} pairs"

    def decimals(self, column: int) -> int:
        """Return how many decimals show three or four digits of a column's largest mean."""
        means = [abs(row[column].mean) for row in self.cells.values()]
        largest = max((mean for mean in means if math.isfinite(mean) and mean > 0), default=1.0)
        power = math.floor(math.log10(largest))
        return min(6, max(1, 3 - power - (power < 0)))


def per_image(rows: Sequence[Row], metrics: Sequence[str]) -> pd.DataFrame:
    """Return a row for each scored picture: `PER_IMAGE`, then the metrics; undefined ones empty."""
    records = [
        (row.data, row.stem, row.light, row.method, *(row.values.get(name) for name in metrics))
        for row in rows
    ]
    return pd.DataFrame(records, columns=[*PER_IMAGE, *metrics])


def summarise(title: str, frame: pd.DataFrame, pairs: int) -> Table:
    """Sum up the rows of one data set, or of a part of it.

    Args:
        title: What the pairs are.
        frame: A row per method and pair, its columns `PER_IMAGE` and the metrics.
        pairs: How many pairs there are; a method with fewer is not ranked with the others.
    """
    metrics = tuple(name for name in frame.columns if name not in PER_IMAGE)
    groups = {
        str(method): group[list(metrics)].to_numpy(np.float64)
        for method, group in frame.groupby("method", sort=False)
    }
    cells = {method: _cells(values) for method, values in groups.items()}
    whole = [method for method, values in groups.items() if len(values) == pairs]
    for column, name in enumerate(metrics):
        means = {method: cells[method][column].mean for method in whole}
        means = {method: mean for method, mean in means.items() if not math.isnan(mean)}
        for method, mark in marks(means, higher=SPECS[name].direction == "higher").items():
            old = cells[method][column]
            cells[method][column] = Cell(old.mean, old.std, old.low, old.high, mark)
    counts = {method: len(values) for method, values in groups.items()}
    return Table(title, pairs, metrics, counts, cells)


def marks(means: dict[str, float], *, higher: bool) -> dict[str, Mark]:
    """Return who is best and second best; equal means share a mark."""
    order = sorted(set(means.values()), reverse=higher)
    places: tuple[Mark, ...] = ("best", "second")
    ranks = dict(zip(order, places, strict=False))
    return {name: ranks[mean] for name, mean in means.items() if mean in ranks}


def heading(metric: str) -> str:
    """Return a metric's name with the arrow that says which way is better."""
    return f"{metric} {ARROWS[SPECS[metric].direction]}"


def label(table: Table, method: str) -> str:
    """Return a method's name, with its number of pairs if it lacks some."""
    count = table.counts[method]
    return method if count == table.pairs else f"{method} ({count} of {table.pairs})"


def number(value: float, decimals: int) -> str:
    """Return a number as tables show it; a dash stands for NaN, a mean of no values."""
    if math.isnan(value):
        return "-"
    return f"{value:.{decimals}f}" if math.isfinite(value) else "∞"


def pipes(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, a header and rows; a cell of two lines becomes one."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return [f"| {' | '.join(line)} |".replace("\n", " ") for line in lines]


def markdown(table: Table, *, intervals: bool = False) -> str:
    """Return a Markdown table: the best in bold, the second best in italics.

    Args:
        table: What to show.
        intervals: The ends of the 95 % intervals instead of the standard deviations.
    """
    rows = [["method", *map(heading, table.metrics)]]
    for method, row in table.cells.items():
        cells = []
        for column, cell in enumerate(row):
            mean, std, low, high = _texts(table, column, cell)
            around = {"best": "**", "second": "*", "": ""}[cell.mark]
            rest = f"({low} to {high})" if intervals else f"± {std}"
            cells.append(mean if math.isnan(cell.mean) else f"{around}{mean}{around} {rest}")
        rows.append([label(table, method), *cells])
    return "\n".join(pipes(rows))


def latex(table: Table) -> str:
    r"""Return a LaTeX table for `booktabs`: best in bold, second best underlined."""
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    names = [heading(name) for name in table.metrics]
    heads = [f"{_escaped(name[:-2])} {arrows[name[-1]]}" for name in names]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_escaped(table.title)}, {table.size}: mean and standard deviation}}",
        rf"  \begin{{tabular}}{{l{'r' * len(heads)}}}",
        r"    \toprule",
        rf"    Method & {' & '.join(heads)} \\",
        r"    \midrule",
    ]
    for method, row in table.cells.items():
        cells = []
        for column, cell in enumerate(row):
            if math.isnan(cell.mean):
                cells.append("--")
                continue
            mean, std = (text.replace("∞", r"\infty") for text in _texts(table, column, cell)[:2])
            mean = {
                "best": rf"\mathbf{{{mean}}}",
                "second": rf"\underline{{{mean}}}",
                "": mean,
            }[cell.mark]
            cells.append(rf"${mean} \pm {std}$")
        lines.append(rf"    {_escaped(label(table, method))} & {' & '.join(cells)} \\")
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"])


def _cells(values: np.ndarray) -> list[Cell]:
    """Sum up N x M values; an infinite one makes its column's mean infinite, and that is all.

    NaN stands for an undefined value and is left out.
    """
    there = ~np.isnan(values)
    if not there.all():
        columns = [column[kept][:, None] for column, kept in zip(values.T, there.T, strict=True)]
        nothing = Cell(math.nan, math.nan, math.nan, math.nan)
        return [_cells(column)[0] if len(column) else nothing for column in columns]
    finite = np.isfinite(values).all(axis=0)
    safe = np.where(finite, values, 0)
    low, high = mean_interval(safe)
    sums = np.stack([safe.mean(axis=0), safe.std(axis=0), low, high], axis=1)
    sums[~finite] = np.inf
    return [Cell(mean, std, low, high) for mean, std, low, high in sums.tolist()]


def _texts(table: Table, column: int, cell: Cell) -> list[str]:
    decimals = table.decimals(column)
    return [number(value, decimals) for value in (cell.mean, cell.std, cell.low, cell.high)]


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "&%$#_{}" else character for character in text)
