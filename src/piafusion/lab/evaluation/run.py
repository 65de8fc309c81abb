"""An evaluation from end to end: predict, score, sum up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piafusion.lab.evaluation.methods import Method, Pictures
from piafusion.lab.evaluation.predict import predict
from piafusion.lab.evaluation.score import Row, Scoring
from piafusion.lab.evaluation.sets import DataSet, Problem

if TYPE_CHECKING:
    from piafusion.lab.evaluation.results import DataResult

Track = Callable[..., Iterator[Any]]
"""Passes items on and shows how far it is: takes them, a label, and their number as `total`."""


def untracked(items: Iterable[Any], label: str, *, total: int | None = None) -> Iterator[Any]:
    """Pass the items on and show nothing."""
    del label, total
    return iter(items)


@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Attributes:
        results: By data set; one that nothing could be scored of is left out.
        rows: All scored pictures.
        problems: What is missing.
        files: Fused pictures by method, data set and stem.
    """

    results: list[DataResult]
    rows: list[Row]
    problems: list[Problem]
    files: Mapping[tuple[str, str, str], Path]


def fuse_sets(
    sets: Sequence[DataSet],
    methods: Sequence[Method | Pictures],
    output: Path,
    track: Track = untracked,
) -> list[Problem]:
    """Fuse what was not fused yet; return what could not be.

    Raises:
        PiafusionError: If a method cannot be loaded or a result cannot be written.
    """
    running = sum(isinstance(each, Method) for each in methods)
    total = sum(len(each.pairs) for each in sets) * running
    done = track(predict(methods, sets, output), "fusing", total=total)
    return [problem for problem in done if problem]


def score_sets(
    sets: Sequence[DataSet],
    methods: Sequence[Method | Pictures],
    output: Path,
    *,
    metrics: Sequence[str],
    convention: str,
    against: str,
    jobs: int | None = None,
    known: Sequence[Problem] = (),
    track: Track = untracked,
) -> Evaluation:
    """Score what was fused, and sum it up.

    Args:
        sets: The data sets.
        methods: All methods.
        output: Folder of the evaluation.
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.
        against: The method that the others are tested against.
        jobs: Processes that score; by default one for each core.
        known: Problems of the step before; they are not told twice.
        track: Shows how far it is.

    Raises:
        MissingExtraError: If the packages of the extra `eval` are not installed.
    """
    from piafusion.lab.evaluation.results import sum_up  # fusing alone needs nothing of the extra

    scoring = Scoring.plan(methods, sets, output, metrics, convention)
    told = {(each.data, each.method, stem) for each in known for stem in each.stems}
    problems = [
        each
        for each in scoring.problems
        if not each.stems or {(each.data, each.method, stem) for stem in each.stems} - told
    ]
    problems += [each for each in track(scoring.run(jobs), "scoring", total=len(scoring)) if each]
    rows = scoring.rows()
    results = []
    for each in sets:
        own = [row for row in rows if row.data == each.name]
        if own:
            results.append(sum_up(each, own, methods, metrics, against, output))
    return Evaluation(results, rows, [*known, *problems], scoring.files)
