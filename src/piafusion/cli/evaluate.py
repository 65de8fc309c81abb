"""`piafusion evaluate`: compare methods on data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import piafusion
from piafusion.cli.options import (
    PAPER_METRICS,
    ConventionOption,
    DeviceOption,
    JsonOption,
    MatchOption,
    MetricsOption,
    method_names,
    metric_names,
    option,
)
from piafusion.cli.printing import print_table, say, say_json, warn
from piafusion.cli.progress import ProgressDisplay
from piafusion.errors import UsageError
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from piafusion.lab.evaluation.methods import GivenPictures, Method
    from piafusion.lab.evaluation.results import DataSetResult
    from piafusion.lab.evaluation.sets import DataSet, Failure

SETTINGS = "evaluation.json"
STEPS = ("predict", "score")
METRICS = f"{PAPER_METRICS},bleach,CIEDE2000,targets,restless,jumps,pumping"


def evaluate(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]ROOT...",
            help="Data sets: folders with ir/ and vi/, of pictures or clips.",
        ),
    ],
    output: Annotated[Path, option("Folder of the evaluation.", None, "--output", "-o")],
    method: Annotated[
        list[str] | None,
        option(
            "A model, a comparison method, an exported file, NAME=FOLDER or "
            f"NAME@DATASET=FOLDER of fused images; repeatable, {DEFAULT_MODEL} by default. "
            "average, maximum and visible are always included.",
            None,
            "--method",
            "-m",
        ),
    ] = None,
    comparison: Annotated[
        str | None,
        option(
            "Names of `piafusion methods` beside those of --method, such as gtf,wavelet, or all.",
            None,
            "--methods",
            metavar="NAMES",
        ),
    ] = None,
    names: MetricsOption = METRICS,
    convention: ConventionOption = "float",
    against: Annotated[
        str | None,
        option("Method that the others are tested against; the first --method by default."),
    ] = None,
    only: Annotated[
        str | None, option("Do one step only: predict or score.", metavar="STEP")
    ] = None,
    limit: Annotated[
        int | None, option("Most pairs to take from each data set; they are spread evenly.", min=1)
    ] = None,
    jobs: Annotated[
        int | None,
        option("Number of processes that score; one per usable core by default.", min=1, max=4096),
    ] = None,
    match: MatchOption = None,
    scenes: Annotated[
        int, option("Number of scenes of each data set in the report.", min=0, max=1000)
    ] = 4,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Fuse data sets with several methods, score the results and report on them."""
    from piafusion.lab.data.folders import claim_folder
    from piafusion.lab.evaluation.methods import read_methods
    from piafusion.lab.evaluation.sets import read_sets
    from piafusion.metrics import CLIP_SPECS, check_names

    if only not in (None, *STEPS):
        raise UsageError(f"--only: expected {' or '.join(STEPS)}, found {only!r}")
    metrics = [*metric_names(names), *(CLIP_SPECS if names == "all" else ())]
    check_names([name for name in metrics if name not in CLIP_SPECS], convention)
    if only != "predict":
        from piafusion.lab.evaluation import report as _  # noqa: F401 - fails early without the extra
    sets = read_sets(data, limit, match)
    chosen = method or [DEFAULT_MODEL]
    more = method_names(comparison) if comparison is not None else []
    chosen = [*chosen, *(name for name in more if name not in chosen)]
    methods = read_methods(chosen, sets, device)
    rival = _rival(against, [each.name for each in methods])
    claim_folder(output, SETTINGS, "evaluation")
    _save_settings(output, sets, methods, metrics, convention)

    from piafusion.lab.evaluation.run import fuse_sets, score_sets

    failures = [failure for each in sets for failure in each.failures]
    if only != "score":
        with ProgressDisplay() as display:
            failures += fuse_sets(sets, methods, output, display)
    if only == "predict":
        _print(failures, None, [], f"fused images: {output / 'fused'}", as_json=as_json)
        return

    from piafusion.lab.evaluation.report import write_report

    with ProgressDisplay() as display:
        done = score_sets(
            sets,
            methods,
            output,
            metrics=metrics,
            convention=convention,
            against=rival,
            jobs=jobs,
            known=failures,
            progress=display,
        )
    if done.results:
        write_report(
            done, output, metrics=metrics, convention=convention, against=rival, scenes=scenes
        )
    report = output / "report.html" if done.results else None
    last = f"report: {report}" if done.results else "nothing could be scored"
    _print(done.failures, report, done.results, last, as_json=as_json)


def _rival(against: str | None, methods: Sequence[str]) -> str:
    if against is None:
        from piafusion.lab.evaluation.methods import BASELINES

        others = [name for name in methods if name not in BASELINES]
        return others[0] if others else "maximum"
    if against not in methods:
        raise UsageError(
            f"--against: expected a method of {', '.join(methods)}, found {against!r}; "
            "add it with --method"
        )
    return against


def _save_settings(
    output: Path,
    sets: Sequence[DataSet],
    methods: Sequence[Method | GivenPictures],
    metrics: Sequence[str],
    convention: str,
) -> None:
    from piafusion.files import write_json
    from piafusion.lab.evaluation.methods import Method

    settings = {
        "piafusion": piafusion.__version__,
        "convention": convention,
        "metrics": list(metrics),
        "data": {each.name: [pair.stem for pair in each.pairs] for each in sets},
        "methods": {
            each.name: dict(each.settings)
            if isinstance(each, Method)
            else {name: str(folder) for name, folder in each.folders.items()}
            for each in methods
        },
    }
    write_json(output / SETTINGS, settings)


def _print(
    failures: Sequence[Failure],
    report: Path | None,
    results: Sequence[DataSetResult],
    last: str,
    *,
    as_json: bool,
) -> None:
    """Print the results, list the failures, and exit with 1 if there are any."""
    for failure in failures:
        warn(f"piafusion: {failure}")
    if as_json:
        summary: dict[str, Any] = {
            "report": str(report) if report else None,
            "data": [result.as_json() for result in results],
            "problems": [vars(failure) for failure in failures],
        }
        say_json(summary, allow_nan=False)
    else:
        for result in results:
            table = result.scores.table(only_means=True)
            say(f"{result.scores.title}: means of {result.scores.size}")
            print_table(table.header, table.rows)
            say()
        say(last)
    if failures:
        raise typer.Exit(1)
