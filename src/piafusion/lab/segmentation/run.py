"""A comparison: the same network trained on each source with each seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import piafusion
from piafusion.errors import UsageError
from piafusion.files import write_bytes
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.data.folders import claim_folder, dataset_name
from piafusion.lab.evaluation.sets import Problem
from piafusion.lab.segmentation.cells import PREDICTED, Cells, Progress
from piafusion.lab.segmentation.pictures import LabelledSet, read_label, read_picture, read_splits
from piafusion.lab.segmentation.result import SegmentationResult
from piafusion.lab.segmentation.scores import Counts, score
from piafusion.lab.segmentation.settings import SegmentationSettings, as_json, resolve
from piafusion.lab.segmentation.sheet import choose, coloured, laid_over
from piafusion.lab.segmentation.sources import MODALITIES, Source, fuse, name_of, read_sources
from piafusion.weights import DEFAULT_MODEL

SETTINGS, SHEET = "settings.json", "sheet.png"
SOURCES = (*MODALITIES, DEFAULT_MODEL)
SEEDS = (0, 1, 2)


def segment(
    root: Path | str,
    sources: Sequence[str] = SOURCES,
    seeds: Sequence[int] = SEEDS,
    *,
    output: Path | str,
    settings: SegmentationSettings | None = None,
    against: Sequence[str] | None = None,
    scenes: int = 4,
    device: str = "cpu",
    progress: Progress = lambda what, done, total: None,
) -> SegmentationResult:
    """Train and test a network on each source with each seed, and compare the sources.

    What is done is written down after each training; the same call goes on with what is missing.
    Sources and seeds may be added later; other data or settings are refused.

    Args:
        root: Folder with `train` and `test`, each with `ir`, `vi` and `label`.
        sources: "infrared", "visible", a model, a comparison method, or `NAME=FOLDER`.
        seeds: Of the trainings, not negative. One seed shows all sources the same places in the
            same order to a network that starts from the same parameters.
        output: Folder for everything that is made.
        settings: Of the network and its training; those of the preset `short` by default.
        against: Sources that the others are compared with; infrared and visible by default.
        scenes: How many scenes the sheet shows.
        device: Of the models that fuse; that of the training is a setting.
        progress: Told how far it is.

    Returns:
        The scores, as they are written to `output` too.

    Raises:
        UsageError: If the data, a source or the folder cannot be used.
        ImageError: If a picture or label cannot be used.
        TrainingError: If a training fails.
        MissingExtraError: If a package is not installed.
        OutputError: If a file cannot be written.
    """
    root, output = Path(root), Path(output)
    settings = settings or resolve()
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UsageError(f"seeds: expected different ones, 0 or more, found {list(seeds)}")
    splits = read_splits(root)
    sets = [split.data for split in splits]
    given = read_sources(sources, sets, device)
    names = [name_of(each) for each in given]
    rivals = _rivals(against, names)
    claim_folder(output, SETTINGS, "comparison")
    cells = Cells(settings, *splits, output, progress, len(names) * len(seeds))
    about: dict[str, Any] = {
        "piafusion": piafusion.__version__,
        "data": dataset_name(root),
        "sources": names,
        "seeds": list(seeds),
        "settings": as_json(settings),
    }
    write_bytes(output / SETTINGS, f"{json.dumps(about, indent=2)}\n".encode())
    files = fuse(given, sets, output, partial(_tracked, progress))
    found: dict[str, list[Counts]] = {name: [] for name in names}
    for seed in seeds:
        for source in files:
            found[source.name].append(cells(source, seed))
    counts = {name: np.stack(each) for name, each in found.items()}
    rows, differences = score(counts, _parts(splits[1]), rivals)
    drawn = _sheet(settings, splits[1], files, cells.folder, seeds[0], scenes)
    write_image(output / SHEET, drawn, overwrite=True)
    result = SegmentationResult(
        names, list(seeds), about["settings"], rows, differences, output / SHEET
    )
    result.write(output)
    return result


def _rivals(against: Sequence[str] | None, names: Sequence[str]) -> list[str]:
    if against is None:
        return [name for name in MODALITIES if name in names]
    unknown = [name for name in against if name not in names]
    if unknown:
        raise UsageError(
            f"against: expected a source of {', '.join(names)}, found {unknown[0]!r}; add it"
        )
    return list(against)


def _tracked(
    progress: Progress, items: Iterable[Problem | None], total: int
) -> Iterator[Problem | None]:
    for done, item in enumerate(items, 1):
        progress("fusing", done, total)
        yield item


def _parts(test: LabelledSet) -> dict[str, list[int]]:
    """Return positions of all scenes and, if the names tell, of those by day and by night."""
    parts = {"all": list(range(len(test.stems)))}
    lights = test.data.lights
    for light in ("day", "night"):
        places = [index for index, stem in enumerate(test.stems) if lights.get(stem) == light]
        if places:
            parts[light] = places
    return parts


def _sheet(
    settings: SegmentationSettings,
    test: LabelledSet,
    sources: Sequence[Source],
    folder: Callable[[str, int], Path],
    seed: int,
    count: int,
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rows = []
    files = {pair.stem: pair for pair in test.data.pairs}
    for stem in choose(test.stems, test.data.lights, count):
        row = {
            "infrared": read_picture(files[stem].infrared, infrared=True),
            "visible": read_picture(files[stem].visible),
            "labels": coloured(read_label(test.labels[stem], settings.others)),
        }
        for source in sources:
            shown = read_picture(source.files[test.data.name][stem], infrared=source.is_infrared)
            predicted = read_image(folder(source.name, seed) / PREDICTED / f"{stem}.png")
            row[f"from {source.name}"] = laid_over(shown, predicted.astype(np.uint8))
        rows.append(row)
    return contact_sheet(rows)
