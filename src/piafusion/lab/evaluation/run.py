"""A whole evaluation: fuse, score, sum up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from piafusion.lab.evaluation.methods import GivenPictures, Method
from piafusion.lab.evaluation.predict import predict
from piafusion.lab.evaluation.scoring import PictureScores, Scoring
from piafusion.lab.evaluation.sets import DataSet, Failure
from piafusion.run.progress import Progress, counted, silent

if TYPE_CHECKING:
    from piafusion.lab.evaluation.results import DataSetResult


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation.

    Attributes:
        results: Results by data set; a data set without any score is left out.
        scores: The scores of all pictures.
        failures: Everything that is missing.
        files: Fused pictures by method, data set and stem.
    """

    results: list[DataSetResult]
    scores: list[PictureScores]
    failures: list[Failure]
    files: Mapping[tuple[str, str, str], Path]

    def scored_files(self, result: DataSetResult) -> dict[str, dict[str, Path]]:
        """Return the fused pictures of a data set that have scores, by method and stem."""
        return {
            method: {stem: self.files[method, result.data.name, stem] for stem in by_stem}
            for method, by_stem in result.values.items()
        }


def fuse_and_score(
    data: DataSet,
    methods: Sequence[Method | GivenPictures],
    output: Path,
    *,
    metrics: Sequence[str],
    convention: str,
    against: str,
    progress: Progress = silent,
) -> Evaluation:
    """Do both steps for one data set; see `fuse_sets` and `score_sets`."""
    return score_sets(
        [data],
        methods,
        output,
        metrics=metrics,
        convention=convention,
        against=against,
        known=fuse_sets([data], methods, output, progress),
        progress=progress,
    )


def fuse_sets(
    sets: Sequence[DataSet],
    methods: Sequence[Method | GivenPictures],
    output: Path,
    progress: Progress = silent,
) -> list[Failure]:
    """Fuse the missing pairs, and return the failures.

    Raises:
        PiafusionError: If a method cannot be loaded or a result cannot be written.
    """
    running = sum(isinstance(each, Method) for each in methods)
    total = sum(len(each.pairs) for each in sets) * running
    done = counted(predict(methods, sets, output), "fusing", progress, total)
    return [failure for failure in done if failure]


def score_sets(
    sets: Sequence[DataSet],
    methods: Sequence[Method | GivenPictures],
    output: Path,
    *,
    metrics: Sequence[str],
    convention: str,
    against: str,
    jobs: int | None = None,
    known: Sequence[Failure] = (),
    progress: Progress = silent,
) -> Evaluation:
    """Score the fused pictures and sum the scores up.

    Args:
        sets: The data sets.
        methods: All methods.
        output: Folder of the evaluation.
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.
        against: The method that the others are tested against.
        jobs: Number of processes; by default one for each usable core.
        known: Failures of the step before; they are not reported twice.
        progress: Shows the progress.

    Raises:
        MissingExtraError: If the packages of the extra `eval` are not installed.
    """
    from piafusion.lab.evaluation.results import sum_up  # fusing alone needs nothing of the extra

    scoring = Scoring.plan(methods, sets, output, metrics, convention)
    reported = {(each.data, each.method, stem) for each in known for stem in each.stems}
    failures = [
        each
        for each in scoring.failures
        if not each.stems or {(each.data, each.method, stem) for stem in each.stems} - reported
    ]
    done = counted(scoring.run(jobs), "scoring", progress, len(scoring))
    failures += [failure for failure in done if failure]
    scores = scoring.scores()
    results = []
    for each in sets:
        own = [score for score in scores if score.data == each.name]
        if own:
            results.append(sum_up(each, own, methods, metrics, against, output))
    return Evaluation(results, scores, [*known, *failures], scoring.files)
