"""Make the table of the README: all methods on MSRS and RoadScene.

    python -m benchmarks.readme_table MSRS ROADSCENE --output OUTPUT [--method NAME...]

MSRS and ROADSCENE are folders with `ir` and `vi`, MSRS with `boxes/infrared`. Means of MI, SD, VIF
and Qabf (float convention) and of people's contrast by day and by night on MSRS, of bleach and of
CIEDE2000 on RoadScene. What OUTPUT holds of an earlier run is used again; `report.html` there has
all of it, with intervals. The column of times is left empty: `piafusion bench` measures them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from piafusion.lab.evaluation.methods import read_methods
from piafusion.lab.evaluation.report import write_report
from piafusion.lab.evaluation.results import MethodScores
from piafusion.lab.evaluation.run import fuse_sets, score_sets
from piafusion.lab.evaluation.sets import read_sets
from piafusion.report.text import number
from piafusion.weights import DEFAULT_MODEL

FIELD = ("MI", "SD", "VIF", "Qabf")
EYE = ("bleach", "CIEDE2000")
DECIMALS = {"MI": 2, "VIF": 3, "Qabf": 3}
NAMES = {
    "average": "average of the sources",
    "maximum": "pixelwise maximum",
    "visible": "visible picture alone",
    DEFAULT_MODEL: f"`{DEFAULT_MODEL}` (default)",
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("msrs", type=Path)
    parser.add_argument("roadscene", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--method", action="append", metavar="NAME")
    options = parser.parse_args()

    sets = read_sets([f"msrs={options.msrs}", f"roadscene={options.roadscene}"])
    chosen = options.method or [DEFAULT_MODEL]
    methods = read_methods(chosen, sets)
    scored = {"metrics": (*FIELD, *EYE, "targets"), "convention": "float", "against": chosen[0]}
    known = fuse_sets(sets, methods, options.output)
    done = score_sets(sets, methods, options.output, known=known, **scored)
    write_report(done, options.output, scenes=4, **scored)

    msrs, road = done.results
    parts = {part.title: part for part in msrs.parts}
    day, night = (parts.get(f"msrs by {light}") for light in ("day", "night"))
    header = [
        "method",
        *FIELD,
        "people by day",
        "by night",
        *(f"{each}, RoadScene" for each in EYE),
    ]
    print(f"| {' | '.join(header)} | 640x480, two CPU cores |")
    print(f"| {' | '.join(['---'] * (len(header) + 1))} |")
    for method in msrs.values:
        cells = [_mean(msrs.scores, method, name) for name in FIELD]
        cells += [_mean(part, method, "targets") for part in (day, night)]
        cells += [_mean(road.scores, method, name) for name in EYE]
        print(f"| {' | '.join([NAMES.get(method, f'`{method}`'), *cells])} | |")
    for failure in done.failures:
        print(failure)


def _mean(scores: MethodScores | None, method: str, metric: str) -> str:
    if scores is None or method not in scores.means or metric not in scores.metrics:
        return "-"
    mean = scores.means[method][scores.metrics.index(metric)].mean
    return number(mean, DECIMALS.get(metric, 1))


if __name__ == "__main__":
    main()
