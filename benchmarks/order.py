"""Compare the order of methods here with their order in a published sheet of scores.

    python benchmarks/order.py EVALUATION SHEET --data tno [--metrics MI,VIF,Qabf] [--pair paper=X]

EVALUATION is the folder of `piafusion evaluate DATA --convention uint8`, by which published sheets
are computed. SHEET is a CSV file with a row for each image and method (columns `image`, `method`
and metrics), or for each method (no `image`). Methods go by their names, whatever the case;
`--pair OURS=THEIRS` adds one that is called something else there. For each metric the table has
the means of both and Spearman's correlation of the two orders.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

Means = dict[str, dict[str, float]]  # method -> metric -> mean


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--metrics", default="MI,VIF,Qabf")
    parser.add_argument("--pair", action="append", default=[], metavar="OURS=THEIRS")
    options = parser.parse_args()
    metrics = options.metrics.split(",")
    theirs, images = _sheet(options.sheet, metrics)
    ours = _evaluation(options.evaluation / "per-image.csv", options.data, metrics, images)
    names = {name: name for name in theirs if name in ours}
    names |= {ours_: theirs_.lower() for ours_, theirs_ in (p.split("=") for p in options.pair)}
    print(table(ours, theirs, names, metrics))


def table(ours: Means, theirs: Means, names: dict[str, str], metrics: list[str]) -> str:
    """Return the means of both and the correlations as a table in Markdown.

    Args:
        ours: Scores of the methods here.
        theirs: Scores of the published sheet.
        names: What those of ours that are compared are called there.
        metrics: The columns.
    """
    heads = [f"{metric}, {whose}" for metric in metrics for whose in ("ours", "theirs")]
    lines = [f"| method | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
    for name, other in names.items():
        both = (ours[name], theirs[other])
        cells = (f"{means[metric]:.3f}" for metric in metrics for means in both)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    correlations = []
    for metric in metrics:
        here = [ours[name][metric] for name in names]
        there = [theirs[other][metric] for other in names.values()]
        correlations += ["", f"{spearman(here, there):.2f}"]
    return "\n".join([*lines, f"| Spearman | {' | '.join(correlations)} |"])


def spearman(one: Iterable[float], other: Iterable[float]) -> float:
    """Return the correlation of the ranks of values that all differ."""
    ranks = [np.argsort(np.argsort(np.array(list(values)))) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def _sheet(path: Path, metrics: list[str]) -> tuple[Means, set[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = {Path(row["image"]).stem for row in rows if row.get("image")}
    return _means(rows, metrics), images


def _evaluation(path: Path, data: str, metrics: list[str], images: set[str]) -> Means:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == data]
    return _means([row for row in rows if not images or row["stem"] in images], metrics)


def _means(rows: list[dict[str, str]], metrics: list[str]) -> Means:
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups[row["method"].lower()].append(row)
    return {
        name: {metric: float(np.mean([float(row[metric]) for row in group])) for metric in metrics}
        for name, group in groups.items()
    }


if __name__ == "__main__":
    main()
