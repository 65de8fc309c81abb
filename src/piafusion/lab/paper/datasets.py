"""The data sets of a reproduction: given by the user, or synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.lab.data.writing import Recipe, write_scenes
from piafusion.lab.evaluation.sets import DataSet, read_sets

NAMES = ("msrs", "roadscene", "tno")

_SIZE = (240, 320)  # height and width of synthetic scenes


@dataclass(frozen=True)
class PaperData:
    """The data sets of a reproduction.

    Attributes:
        tests: The data sets to score, by their short names; "synthetic" for our own scenes.
        training: Folder with pairs to train on, by day and by night, or None.
        published: Folder with fused pictures of others for `tno`, a sub-folder each, or None.
        labelled: Folder with `train` and `test` that have labels, or None.
    """

    tests: dict[str, DataSet]
    training: Path | None = None
    published: Path | None = None
    labelled: Path | None = None

    @property
    def day_and_night(self) -> DataSet | None:
        """The test set with pairs by day and by night."""
        return self.tests.get("msrs") or self.tests.get("synthetic")


def find_data(roots: dict[str, Path], limit: int | None = None) -> PaperData:
    """Find the pairs of the paper's data sets.

    Args:
        roots: Folders by name out of `NAMES`. A folder holds `ir` and `vi`, or it holds `test`
            and perhaps `train`, each with `ir` and `vi`.
        limit: Largest number of pairs of each data set; they are spread evenly.

    Raises:
        UsageError: If a folder or its pairs are not there.
    """
    tests, training, published, labelled = {}, None, None, None
    for name in NAMES:
        if name not in roots:
            continue
        root = roots[name]
        if not root.is_dir():
            raise UsageError(f"--{name}: expected a folder, found none at {root}; check the path")
        split = not (root / "ir").is_dir() and (root / "test").is_dir()
        test = root / "test" if split else root
        (tests[name],) = read_sets([f"{name}={test}"], limit)
        if name == "msrs" and split and (root / "train" / "ir").is_dir():
            training = root / "train"
            if (training / "label").is_dir() and (test / "label").is_dir():
                labelled = root
        if name == "tno" and (root / "published").is_dir():
            published = root / "published"
    return PaperData(tests, training, published, labelled)


def paint_data(folder: Path) -> PaperData:
    """Make small synthetic scenes, half of them by night, to train on and to score.

    Existing scenes are used again.
    """
    _paint(folder, {"train": (0, 16), "test": (1000, 12)})
    (data,) = read_sets([f"synthetic={folder / 'test'}"])
    return PaperData({"synthetic": data}, folder / "train", None, folder)


def paint_labelled(folder: Path) -> Path:
    """Make synthetic scenes with labels, half of them by night, and return their folder.

    Existing scenes are used again.
    """
    _paint(folder, {"train": (20_000, 240), "test": (90_000, 120)})
    return folder


def _paint(folder: Path, parts: dict[str, tuple[int, int]]) -> None:
    """Make the scenes of each part that does not exist, from a first seed on."""
    for part, (seed, count) in parts.items():
        if not (folder / part).is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            write_scenes(folder / part, count, Recipe(seed, *_SIZE, nights=0.5))
