"""The pictures to segment: infrared, visible, or fused by a model or method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import ImageError, UsageError
from piafusion.lab.evaluation.methods import BASELINES, GivenPictures, Method, read_methods
from piafusion.lab.evaluation.predict import fused_files, predict
from piafusion.lab.evaluation.sets import DataSet
from piafusion.run.progress import Progress, counted, silent

MODALITIES = ("infrared", "visible")


@dataclass(frozen=True)
class NetworkInput:
    """The pictures of one source for both splits.

    Attributes:
        name: The name of the source in tables.
        files: Picture files by split and stem.
    """

    name: str
    files: dict[str, dict[str, Path]]

    @property
    def is_infrared(self) -> bool:
        """Whether the files are infrared pictures."""
        return self.name == "infrared"


def read_sources(
    texts: Sequence[str], sets: Sequence[DataSet], device: str = "cpu"
) -> list[Method | GivenPictures]:
    """Return the sources with these names; nothing is fused yet.

    Args:
        texts: "infrared", "visible", or any text that `read_methods` takes: a model, a
            comparison method, an exported file, `NAME=FOLDER` of fused pictures with a sub-folder
            for each split.
        sets: The splits.
        device: Device of the models.

    Raises:
        UsageError: If one is unknown, there is none, or two have one name.
        WeightsError: If weights are missing or damaged.
        MissingExtraError: If a method needs a package that is not installed.
    """
    if not texts:
        raise UsageError("sources: expected one or more, found none; try infrared,visible")
    given: list[Method | GivenPictures] = [
        GivenPictures(text, {data.name: getattr(data.pairs[0], text).parent for data in sets})
        for text in texts
        if text in MODALITIES
    ]
    fused = [text for text in texts if text not in MODALITIES]
    if fused:
        unasked = set(BASELINES) - set(fused)
        given += [each for each in read_methods(fused, sets, device) if each.name not in unasked]
    names = [each.name for each in given]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"sources: expected different names, found {twice[0]!r} twice")
    return given


def fuse(
    given: Sequence[Method | GivenPictures],
    sets: Sequence[DataSet],
    output: Path,
    progress: Progress = silent,
) -> list[NetworkInput]:
    """Fuse the missing pictures, and return the files of each source.

    Fused pictures become `fused/SOURCE/SPLIT/STEM.png` in the output folder.

    Raises:
        ImageError: If a pair cannot be fused; a comparison needs all of them.
        OutputError: If a file cannot be written.
    """
    methods = [each for each in given if isinstance(each, Method)]
    total = len(methods) * sum(len(each.pairs) for each in sets)
    for failure in counted(predict(methods, sets, output), "fusing", progress, total):
        if failure:
            raise ImageError(str(failure))
    return [NetworkInput(each.name, _files(each, sets, output)) for each in given]


def _files(
    source: Method | GivenPictures, sets: Sequence[DataSet], output: Path
) -> dict[str, dict[str, Path]]:
    files: dict[str, dict[str, Path]] = {}
    for data in sets:
        files[data.name], failures = fused_files(source, data, output)
        if len(files[data.name]) < len(data.pairs):
            raise ImageError(str(failures[0]))
    return files
