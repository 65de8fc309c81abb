"""`piafusion metrics`: score fused pictures against the pairs they were made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from piafusion.cli.options import (
    PAPER_METRICS,
    ConventionOption,
    JsonOption,
    MatchOption,
    MetricsOption,
    metric_names,
)
from piafusion.cli.printing import print_table, say, say_json, warn
from piafusion.cli.progress import track
from piafusion.errors import UsageError

if TYPE_CHECKING:
    from piafusion.lab.evaluation.scoring import Triple, TripleScores

_ARROWS = {"higher": "↑", "lower": "↓"}


def metrics(
    infrared: Annotated[
        Path, typer.Argument(metavar="IR", help="Infrared image, folder or video.")
    ],
    visible: Annotated[Path, typer.Argument(metavar="VI", help="Visible image, folder or video.")],
    fused: Annotated[Path, typer.Argument(metavar="FUSED", help="Fused image, folder or video.")],
    names: MetricsOption = PAPER_METRICS,
    convention: ConventionOption = "float",
    match: MatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a fused image against its sources, or three folders matched by file name.

    Three videos are measured in time, too: how restless the fused one is beside its sources. The
    metrics of single pictures are then means over every tenth frame.
    """
    triples, failed = _plan(infrared, visible, fused, match)

    from piafusion.lab.data.clips import VIDEOS
    from piafusion.lab.evaluation.scoring import score_all
    from piafusion.metrics import CLIP_SPECS, check_names
    from piafusion.report.text import for_json

    wanted = metric_names(names)
    own = list(CLIP_SPECS) if infrared.suffix.lower() in VIDEOS else []
    wanted += {"all": own, PAPER_METRICS: own[:3]}.get(names, [])
    check_names([name for name in wanted if name not in own], convention)
    scores = score_all(triples, metrics=wanted, convention=convention)
    scored = list(track(scores, "scoring", total=len(triples)))
    good = [score for score in scored if not score.error]
    failed += [
        {"fused": str(score.triple.fused), "error": score.error or score.undefined}
        for score in scored
        if score.error or score.undefined
    ]
    for failure in failed:
        warn(f"piafusion: {failure['error']}")
    if as_json:
        say_json(for_json(_report(wanted, convention, good, failed)), allow_nan=False)
    elif good:
        _print(wanted, good)
        if len(triples) > 1:
            say(f"scored {len(good)} of {len(triples)} triples, convention {convention}")
    if failed:
        raise typer.Exit(1)


def _plan(
    infrared: Path, visible: Path, fused: Path, match: str | None
) -> tuple[list[Triple], list[dict[str, str]]]:
    """Return the triples to score, and the files of folders that have no counterparts."""
    from piafusion.lab.evaluation.scoring import list_triples, triple_of

    paths = (infrared, visible, fused)
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: expected an image or a folder, found nothing there")
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        return [triple_of(fused.stem, *paths)], []
    if len(folders) < len(paths):
        file = next(path for path in paths if not path.is_dir())
        raise UsageError(
            f"expected three files or three folders, found the folder {folders[0]} "
            f"and the file {file}"
        )
    found, problems = list_triples(*paths, match)
    failed = [{"file": str(path), "error": f"{path}: {why}"} for path, why in problems.items()]
    return found, failed


def _print(names: Sequence[str], scores: Sequence[TripleScores]) -> None:
    """Print a row for each triple, and below several rows their mean and standard deviation."""
    from piafusion.metrics import ALL_SPECS
    from piafusion.report.text import number

    rows = [[s.triple.stem, *(number(s.values.get(name), 4) for name in names)] for s in scores]
    if len(scores) > 1:
        means, deviations = zip(*(_mean_and_deviation(scores, n) for n in names), strict=True)
        rows.append(["mean", *(number(mean, 4) for mean in means)])
        rows.append(["std", *(number(deviation, 4) for deviation in deviations)])
    print_table(["", *(f"{name} {_ARROWS[ALL_SPECS[name].direction]}" for name in names)], rows)


def _report(
    names: Sequence[str],
    convention: str,
    scores: Sequence[TripleScores],
    failed: Sequence[dict[str, str]],
) -> dict[str, Any]:
    """Return the results for --json; an undefined value is null."""
    from piafusion.metrics import ALL_SPECS

    statistics = {name: _mean_and_deviation(scores, name) for name in names}
    return {
        "convention": convention,
        "metrics": {
            name: {
                "direction": ALL_SPECS[name].direction,
                "unit": ALL_SPECS[name].arithmetic(convention).unit,
                "mean": statistics[name][0],
                "std": statistics[name][1],
            }
            for name in (names if scores else ())
        },
        "scored": [
            {
                "infrared": str(score.triple.infrared),
                "visible": str(score.triple.visible),
                "fused": str(score.triple.fused),
                "values": {name: score.values.get(name) for name in names},
            }
            for score in scores
        ],
        "failed": list(failed),
    }


def _mean_and_deviation(
    scores: Sequence[TripleScores], name: str
) -> tuple[float | None, float | None]:
    """Mean and population standard deviation; infinite values make both infinite, none None."""
    values = [score.values[name] for score in scores if name in score.values]
    if not values:
        return None, None
    if math.inf in values:
        return math.inf, math.inf
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
