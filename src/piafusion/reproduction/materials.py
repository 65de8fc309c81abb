"""What a reproduction works on: the pairs that were given, or synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piafusion.datasets.folders import whole_folder
from piafusion.datasets.synthetic import labelled_scene
from piafusion.errors import UsageError
from piafusion.evaluation.sets import DataSet, read_sets
from piafusion.imaging.io import write_image

NAMES = ("msrs", "roadscene", "tno")

_PAINTED = {"train": (0, 16), "test": (1000, 12)}  # the first seed, and how many
_SIZE = (240, 320)


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
    """Make small synthetic scenes, half by day and half by night, to train on and to score.

    Args:
        folder: Where they go; those that are there are taken.
    """
    for part, (first, count) in _PAINTED.items():
        if not (folder / part).is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            with whole_folder(folder / part) as work:
                for index in range(count):
                    _paint(work, first + index, is_day=index % 2 == 0)
    (data,) = read_sets([f"synthetic={folder / 'test'}"])
    train = folder / "train"
    return Materials({"synthetic": data}, train, None, folder)


def _paint(root: Path, seed: int, *, is_day: bool) -> None:
    height, width = _SIZE
    scene = labelled_scene(seed, daylight=float(is_day), height=height, width=width)
    pictures = {"ir": scene.infrared, "vi": scene.visible, "label": scene.labels}
    for name, picture in pictures.items():
        write_image(root / name / f"{seed:05d}{'D' if is_day else 'N'}.png", picture)
