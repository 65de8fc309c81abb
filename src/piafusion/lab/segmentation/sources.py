"""What is segmented: infrared, visible, and what any model or method fuses from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import ImageError, UsageError
from piafusion.lab.evaluation.methods import BASELINES, Method, Pictures, read_methods
from piafusion.lab.evaluation.predict import fused_files, predict
from piafusion.lab.evaluation.sets import DataSet, Problem, told

MODALITIES = ("infrared", "visible")


@dataclass(frozen=True)
class Source:
    """Pictures of both splits under one name.

    Attributes:
        name: As tables show it.
        files: By split and stem.
    """

    name: str
    files: dict[str, dict[str, Path]]

    @property
    def is_infrared(self) -> bool:
        """Whether the files are infrared pictures."""
        return self.name == "infrared"


def read_sources(
    texts: Sequence[str], sets: Sequence[DataSet], device: str = "cpu"
) -> list[str | Method | Pictures]:
    """Return what names stand for; nothing is fused yet.

    Args:
        texts: "infrared", "visible", or what `read_methods` takes: a model, a comparison method,
            an exported file, `NAME=FOLDER` of fused pictures with a sub-folder for each split.
        sets: The splits.
        device: Of the models.

    Raises:
        UsageError: If one is unknown, there is none, or two have one name.
        WeightsError: If weights are missing or damaged.
        MissingExtraError: If a method needs a package that is not installed.
    """
    if not texts:
        raise UsageError("sources: expected one or more, found none; try infrared,visible")
    given: list[str | Method | Pictures] = [text for text in texts if text in MODALITIES]
    fused = [text for text in texts if text not in MODALITIES]
    if fused:
        unasked = set(BASELINES) - set(fused)
        given += [each for each in read_methods(fused, sets, device) if each.name not in unasked]
    names = [name_of(each) for each in given]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"sources: expected different names, found {twice[0]!r} twice")
    return given


def name_of(source: str | Method | Pictures) -> str:
    """Return the name of a source."""
    return source if isinstance(source, str) else source.name


def fuse(
    given: Sequence[str | Method | Pictures],
    sets: Sequence[DataSet],
    output: Path,
    track: Callable[[Iterable[Problem | None], int], Iterable[Problem | None]],
) -> list[Source]:
    """Fuse what was not fused before, and return the files of each source.

    Args:
        given: What `read_sources` returned.
        sets: The splits.
        output: Fused pictures become `fused/SOURCE/SPLIT/STEM.png` in it.
        track: Shows how far it is, given what is done and how much there is to do.

    Raises:
        ImageError: If a pair cannot be fused; a comparison needs all of them.
        OutputError: If a file cannot be written.
    """
    methods = [each for each in given if isinstance(each, Method)]
    total = len(methods) * sum(len(each.pairs) for each in sets)
    for problem in track(predict(methods, sets, output), total):
        if problem:
            raise ImageError(told(problem))
    return [Source(name_of(each), _files(each, sets, output)) for each in given]


def _files(
    source: str | Method | Pictures, sets: Sequence[DataSet], output: Path
) -> dict[str, dict[str, Path]]:
    files: dict[str, dict[str, Path]] = {}
    for data in sets:
        if isinstance(source, str):
            files[data.name] = {
                pair.stem: pair.infrared if source == "infrared" else pair.visible
                for pair in data.pairs
            }
            continue
        files[data.name], problems = fused_files(source, data, output)
        missing = [pair.stem for pair in data.pairs if pair.stem not in files[data.name]]
        if missing:
            raise ImageError(told(problems[0]))
    return files
