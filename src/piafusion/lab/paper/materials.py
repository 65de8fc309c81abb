"""What a reproduction works on: the pairs that were given, or synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.lab.data.writing import Recipe, write_scenes
from piafusion.lab.evaluation.sets import DataSet, read_sets

NAMES = ("msrs", "roadscene", "tno")

_SIZE = (240, 320)  # of synthetic scenes: height and width


@dataclass(frozen=True)
class Materials:
    """Where the pictures are.

    Attributes:
        tests: The data sets to score, by the paper's name for them; "synthetic" for our scenes.
        training: Folder with pairs to train on, by day and by night, or None.
        published: Folder with fused pictures of others for `tno`, a sub-folder each, or None.
        labelled: Folder with `train` and `test`, which have labels too, or None.
    """

    tests: dict[str, DataSet]
    training: Path | None = None
    published: Path | None = None
    labelled: Path | None = None

    @property
    def lit(self) -> DataSet | None:
        """The test set by day and by night."""
        return self.tests.get("msrs") or self.tests.get("synthetic")


def find_materials(roots: dict[str, Path], limit: int | None = None) -> Materials:
    """Find the pairs of the paper's data sets.

    Args:
        roots: By name out of `NAMES`; a folder with `ir` and `vi`, or with `test` and, for
            training, `train`, which have them.
        limit: Take so many pairs of each, evenly spread.

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
    return Materials(tests, training, published, labelled)


def paint_materials(folder: Path) -> Materials:
    """Make small synthetic scenes, half of them by night, to train on and to score.

    Args:
        folder: Where they go; those that are there are taken.
    """
    _paint(folder, {"train": (0, 16), "test": (1000, 12)})
    (data,) = read_sets([f"synthetic={folder / 'test'}"])
    return Materials({"synthetic": data}, folder / "train", None, folder)


def paint_labelled(folder: Path) -> Path:
    """Make synthetic scenes with labels, half of them by night, and return their folder.

    Args:
        folder: Where they go; those that are there are taken.
    """
    _paint(folder, {"train": (20_000, 240), "test": (90_000, 120)})
    return folder


def _paint(folder: Path, parts: dict[str, tuple[int, int]]) -> None:
    """Make a number of scenes from a first seed on, for each part that is not there."""
    for part, (seed, count) in parts.items():
        if not (folder / part).is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            write_scenes(folder / part, count, Recipe(seed, *_SIZE, nights=0.5))
