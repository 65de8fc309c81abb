"""Compare the uint8 convention with a sheet that the authors of PIAFusion published.

    python benchmarks/conformance.py DATA [--write]

DATA holds the sources in `ir` and `vi`, the authors' fused images in `published/METHOD`, and
`published_metrics.csv` with a row for each image and method. The table has, for each metric of the
sheet, the largest absolute deviation over all images that are there. `--write` puts it into
docs/metrics.md.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

from piafusion.cli.progress import track
from piafusion.lab.evaluation.scoring import Triple, score_all
from piafusion.metrics import SPECS

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
BEGIN, END = "<!-- conformance: begin -->", "<!-- conformance: end -->"


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = agreement(options.data)
    print(table)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        _, after = rest.split(END)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def agreement(data: Path) -> str:
    """Return a Markdown table of the largest deviations, and what it was made of."""
    with (data / "published_metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    metrics = [name for name in SPECS if name in rows[0]]
    triples, published = [], []
    for row in rows:
        fused = data / "published" / row["method"] / row["image"]
        if fused.exists():
            sources = (data / folder / row["image"] for folder in ("ir", "vi"))
            triples.append(Triple(Path(row["image"]).stem, *sources, fused))
            published.append(row)
    scores = score_all(triples, metrics=metrics, convention="uint8")
    deviations: dict[str, list[tuple[float, float, str]]] = {name: [] for name in metrics}
    for score, row in zip(track(scores, "scoring", total=len(triples)), published, strict=True):
        if score.error:
            raise SystemExit(score.error)
        for name, value in score.values.items():
            expected = float(row[name])
            where = f"{row['method']} {row['image']}"
            deviations[name].append((abs(value - expected), abs(expected), where))
    lines = ["| metric | largest deviation | on | of values up to |", "| --- | --- | --- | --- |"]
    for name, found in deviations.items():
        largest, _, where = max(found)
        lines.append(f"| {name} | {largest:.0e} | {where} | {max(v for _, v, _ in found):.4g} |")
    counts = Counter(row["method"] for row in published)
    images = ", ".join(f"{count} of {method}" for method, count in sorted(counts.items()))
    return "\n".join([*lines, "", f"{len(triples)} images: {images}."])


if __name__ == "__main__":
    main()
