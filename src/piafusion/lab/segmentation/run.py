"""A whole comparison: train the same network on each source with each seed, then score it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import piafusion
from piafusion.errors import UsageError
from piafusion.files import write_json
from piafusion.imaging.io import write_image
from piafusion.lab.data.folders import claim_folder, dataset_name
from piafusion.lab.segmentation.inputs import MODALITIES, fuse, read_sources
from piafusion.lab.segmentation.learning import PREDICTED, Trainings
from piafusion.lab.segmentation.pictures import LabelledSet, read_splits
from piafusion.lab.segmentation.result import SegmentationResult, draw_sheet
from piafusion.lab.segmentation.scores import Counts, source_scores
from piafusion.lab.segmentation.settings import SegmentationSettings, as_json, resolve
from piafusion.run.progress import Progress, silent
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
    progress: Progress = silent,
) -> SegmentationResult:
    """Train and test a network on each source with each seed, and compare the sources.

    Each finished training is recorded; the same call continues with the missing ones. Sources and
    seeds may be added later; other data or settings are refused.

    Args:
        root: Folder with `train` and `test`, each with `ir`, `vi` and `label`.
        sources: "infrared", "visible", a model, a comparison method, or `NAME=FOLDER`.
        seeds: Seeds of the trainings, not negative. With one seed, the networks of all sources
            start from the same parameters and see the same places in the same order.
        output: Folder for all files.
        settings: Settings of the network and its training; the preset `short` by default.
        against: Sources that the others are compared with; infrared and visible by default.
        scenes: Number of scenes on the sheet.
        device: Device of the models that fuse; the device of the training is a setting.
        progress: Shows the progress.

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
    names = [each.name for each in given]
    rivals = _rivals(against, names)
    claim_folder(output, SETTINGS, "comparison")
    trainings = Trainings(settings, *splits, output, progress, len(names) * len(seeds))
    about: dict[str, Any] = {
        "piafusion": piafusion.__version__,
        "data": dataset_name(root),
        "sources": names,
        "seeds": list(seeds),
        "settings": as_json(settings),
    }
    write_json(output / SETTINGS, about)
    inputs = fuse(given, sets, output, progress)
    found: dict[str, list[Counts]] = {name: [] for name in names}
    for seed in seeds:
        for source in inputs:
            found[source.name].append(trainings(source, seed))
    counts = {name: np.stack(each) for name, each in found.items()}
    rows, differences = source_scores(counts, _parts(splits[1]), rivals)
    predicted = {name: trainings.folder(name, seeds[0]) / PREDICTED for name in names}
    drawn = draw_sheet(splits[1], inputs, predicted, settings.others, scenes)
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


def _parts(test: LabelledSet) -> dict[str, list[int]]:
    """Return the positions of all scenes and, if it is known, of day and of night scenes."""
    parts = {"all": list(range(len(test.stems)))}
    lights = test.data.lights
    for light in ("day", "night"):
        places = [index for index, stem in enumerate(test.stems) if lights.get(stem) == light]
        if places:
            parts[light] = places
    return parts
