"""Draw the training curves of a run: every term of the loss, and the validation by light.

    python benchmarks/curves.py RUN OUT.png

RUN is the folder of a training run; its log/metrics.csv is read. Needs the extra `eval`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

SMOOTH = 9  # logged steps


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()

    log = pd.read_csv(options.run / "log" / "metrics.csv").set_index("step")
    validation = sorted(column for column in log if column.startswith("validation/"))
    names = [c for c in log if c != "epoch" and c not in validation]
    titles = names + sorted({column.rsplit("/", 1)[1] for column in validation})
    columns = 3
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for place, title in enumerate(titles):
        axes = figure.add_subplot(rows, columns, place + 1, title=title, xlabel="step")
        if title in names:
            values = log[title].dropna()
            axes.plot(values.index, values, alpha=0.25, linewidth=0.8)
            axes.plot(values.index, values.rolling(SMOOTH, center=True, min_periods=1).median())
            axes.set_yscale("log" if (values > 0).all() else "linear")
        for column in (c for c in validation if c.rsplit("/", 1)[1] == title):
            values = log[column].dropna()
            light = column.split("/")[1] if column.count("/") == 2 else "both"
            axes.plot(values.index, values, marker=".", label=light)
            axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(options.output, dpi=90)


if __name__ == "__main__":
    main()
