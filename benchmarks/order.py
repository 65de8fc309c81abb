"""Compare methods here with published scores or pictures: their means, ratios and order.

    python benchmarks/order.py EVALUATION SHEET --data tno [--metrics MI,VIF,Qabf] [--pair paper=X]
    python benchmarks/order.py EVALUATION --data tno --pair densefuse=DenseFuse --pair pmgi=PMGI

EVALUATION is the folder of `piafusion evaluate`. SHEET is a CSV file with a row for each image and
method (columns `image`, `method` and metrics), or for each method (no `image`); published sheets
need an evaluation with `--convention uint8`. Methods go by their names, whatever the case;
`--pair OURS=THEIRS` adds one that is called something else there. Without SHEET, each pair names
two methods of the evaluation, of which the second is a folder of published pictures; it is compared
on the images that this folder has. For each metric the table has both means and ours divided by
theirs; below it Spearman's correlation of the two orders.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

Scores = dict[str, float]  # metric -> mean
Means = dict[str, Scores]  # method -> its scores
Rows = list[dict[str, str]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("sheet", type=Path, nargs="?")
    parser.add_argument("--data", required=True)
    parser.add_argument("--metrics", default="MI,VIF,Qabf")
    parser.add_argument("--pair", action="append", default=[], metavar="OURS=THEIRS")
    options = parser.parse_args()
    metrics = options.metrics.split(",")
    rows = [
        row
        for row in _read(options.evaluation / "per-image.csv")
        if row["dataset"] == options.data and all(row[metric] for metric in metrics)
    ]
    pairs = [(ours, theirs.lower()) for ours, theirs in (p.split("=") for p in options.pair)]
    compared: list[tuple[str, Scores, Scores]] = []
    if options.sheet:
        sheet = _read(options.sheet)
        images = {Path(row["image"]).stem for row in sheet if row.get("image")}
        theirs = _means(sheet, metrics)
        ours = _means([row for row in rows if not images or row["stem"] in images], metrics)
        names = {name: name for name in theirs if name in ours} | dict(pairs)
        compared = [(name, ours[name], theirs[other]) for name, other in names.items()]
    else:
        for name, other in pairs:
            images = {row["stem"] for row in rows if row["method"].lower() == other}
            means = _means([row for row in rows if row["stem"] in images], metrics)
            compared.append((name, means[name], means[other]))
    print(table(compared, metrics))


def table(compared: list[tuple[str, Scores, Scores]], metrics: list[str]) -> str:
    """Return the means of both, their ratios and the correlations as a table in Markdown.

    Args:
        compared: Methods here, each with its means and the published ones.
        metrics: The columns.
    """
    heads = [f"{metric}, {whose}" for metric in metrics for whose in ("ours", "theirs", "ratio")]
    lines = [f"| method | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
    for name, ours, theirs in compared:
        cells = []
        for metric in metrics:
            here, there = ours[metric], theirs[metric]
            cells += [f"{here:.3f}", f"{there:.3f}", f"{here / there:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    correlations = []
    for metric in metrics:
        orders = ([each[side][metric] for each in compared] for side in (1, 2))
        correlations += ["", f"{spearman(*orders):.2f}", ""]
    return "\n".join([*lines, f"| Spearman | {' | '.join(correlations)} |"])


def spearman(one: Iterable[float], other: Iterable[float]) -> float:
    """Return the correlation of the ranks of values that all differ."""
    ranks = [np.argsort(np.argsort(np.array(list(values)))) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def _read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _means(rows: Rows, metrics: list[str]) -> Means:
    groups: dict[str, Rows] = defaultdict(list)
    for row in rows:
        groups[row["method"].lower()].append(row)
    return {
        name: {metric: float(np.mean([float(row[metric]) for row in group])) for metric in metrics}
        for name, group in groups.items()
    }


if __name__ == "__main__":
    main()
