"""Scoring fused files, many of them at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import cv2

from piafusion.errors import ImageError, PiafusionError, TooSmallError
from piafusion.imaging.arrays import as_visible
from piafusion.imaging.io import read_image
from piafusion.lab.evaluation.triples import Triple
from piafusion.metrics import evaluate

_POOL_PAYS = 8  # fewer triples are scored before a second process has started


@dataclass(frozen=True)
class Score:
    """What came of one triple.

    Attributes:
        triple: The files.
        values: By metric.
        error: Why there are no values.
        undefined: Why some metrics have none: the pictures are too small for them.
    """

    triple: Triple
    values: dict[str, float]
    error: str = ""
    undefined: str = ""


def score_files(
    triple: Triple, *, metrics: Sequence[str], convention: str = "float"
) -> dict[str, float]:
    """Read three files and score the fused one.

    Args:
        triple: The files; grey or colour, of 8 or 16 bits.
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.

    Returns:
        A value for each name.

    Raises:
        TooSmallError: The pictures are too small for some of the metrics.
        ImageError: A file cannot be read or the sizes differ; the message names the file.
        UsageError: Unknown metric or convention.
    """
    paths = (triple.infrared, triple.visible, triple.fused)
    infrared, visible, fused = (read_image(path, check=as_visible) for path in paths)
    try:
        return evaluate(infrared, visible, fused, metrics=metrics, convention=convention)
    except TooSmallError as error:
        raise TooSmallError(f"{triple.fused}: {error}", error.metrics) from error
    except ImageError as error:
        raise type(error)(f"{triple.fused}: {error}") from error


def score_all(
    triples: Sequence[Triple],
    *,
    metrics: Sequence[str],
    convention: str = "float",
    processes: int | None = None,
) -> Iterator[Score]:
    """Score triples of files, on all processor cores if there are enough of them.

    Args:
        triples: The files of each scene.
        metrics: Names out of `piafusion.metrics.SPECS`.
        convention: ``"float"`` or ``"uint8"``.
        processes: How many work at a time; by default as many as there are cores.

    Yields:
        A score per triple, in their order. One that fails carries its message and stops none; one
        whose pictures are too small for some of the metrics has values of the others.
    """
    work = partial(_score, metrics=tuple(metrics), convention=convention)
    processes = processes or os.cpu_count() or 1
    if processes == 1 or len(triples) < _POOL_PAYS:
        yield from map(work, triples)
        return
    # Started afresh: a forked process would inherit OpenCV's threads in an unknown state.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        yield from pool.map(work, triples)


def _score(triple: Triple, *, metrics: Sequence[str], convention: str) -> Score:
    try:
        try:
            return Score(triple, score_files(triple, metrics=metrics, convention=convention))
        except TooSmallError as error:
            others = [name for name in metrics if name not in error.metrics]
            if not others:
                raise
            values = score_files(triple, metrics=others, convention=convention)
            return Score(triple, values, undefined=str(error))
    except PiafusionError as error:
        return Score(triple, {}, str(error))
