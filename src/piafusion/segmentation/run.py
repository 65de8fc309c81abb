"""A comparison: the same network trained on each source with each seed, step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

import piafusion
from piafusion.datasets.folders import claim_folder, dataset_name
from piafusion.errors import UsageError
from piafusion.evaluation.journal import Entry, Journal, digest
from piafusion.evaluation.sets import Problem
from piafusion.imaging.io import read_image, write_bytes, write_image
from piafusion.imaging.sheet import contact_sheet
from piafusion.segmentation.confusion import confusion
from piafusion.segmentation.learning import predict, train
from piafusion.segmentation.pictures import (
    LabelledSampler,
    LabelledSet,
    read_label,
    read_labelled,
    read_picture,
    read_splits,
)
from piafusion.segmentation.result import SegmentationResult
from piafusion.segmentation.scores import Counts, score
from piafusion.segmentation.settings import SegmentationSettings, as_json, resolve
from piafusion.segmentation.sheet import choose, coloured, laid_over
from piafusion.segmentation.sources import MODALITIES, Source, fuse, name_of, read_sources
from piafusion.weights import DEFAULT_MODEL

SETTINGS, JOURNAL, SHEET, WEIGHTS = (
    "settings.json",
    "cells.jsonl",
    "sheet.png",
    "weights.safetensors",
)
SOURCES = (*MODALITIES, DEFAULT_MODEL)
SEEDS = (0, 1, 2)

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


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
    cells = _Cells(settings, *splits, output, progress, len(names) * len(seeds))
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


@dataclass
class _Cells:
    """The trainings of a comparison: each is done once, and written down."""

    settings: SegmentationSettings
    train: LabelledSet
    test: LabelledSet
    output: Path
    progress: Progress
    total: int
    done: int = 0

    def __post_init__(self) -> None:
        decides = {
            "settings": {k: v for k, v in as_json(self.settings).items() if k != "hardware"},
            "data": {each.data.name: _digest(each) for each in (self.train, self.test)},
        }
        self._journal = Journal(self.output / JOURNAL, decides)
        if self._journal.outdated:
            raise UsageError(
                f"{self.output}: holds a comparison with other data or settings; give the same "
                "ones or choose another folder"
            )

    def folder(self, source: str, seed: int) -> Path:
        return self.output / "runs" / source / f"seed-{seed}"

    def __call__(self, source: Source, seed: int) -> Counts:
        """Return the confusion matrix of each test scene, scenes x 4 x 4."""
        key = f"{source.name}/{seed}"
        pictures = digest(*(path for files in source.files.values() for path in files.values()))
        entry = self._journal.entries.get(key)
        if entry is None or entry["pictures"] != pictures:
            entry = {"pictures": pictures, **self._run(source, seed)}
            self._journal.add(key, entry)
        self.done += 1
        self._tell(f"{source.name}, seed {seed}", 0)
        flat = np.array([entry["counts"][stem] for stem in self.test.stems], np.int64)
        side = round(flat.shape[1] ** 0.5)
        return flat.reshape(-1, side, side)

    def _run(self, source: Source, seed: int) -> Entry:
        folder = self.folder(source.name, seed)
        pictures, labels = self._load(source)
        sampler = LabelledSampler(
            pictures,
            labels,
            self.train.stems,
            crop=self.settings.crop,
            batch=self.settings.batch,
            seed=seed,
            sought=self.settings.sought,
        )
        start, last = time.perf_counter(), [0.0]

        def on_step(step: int, loss: float) -> None:
            last[0] = loss
            self._tell(f"{source.name}, seed {seed}, loss {loss:.3f}", step)

        network = train(self.settings, sampler, seed, folder, on_step)
        seconds = time.perf_counter() - start
        self._save(network, folder / WEIGHTS)
        return {
            "counts": self._test(network, source, folder),
            "loss": last[0],
            "seconds": round(seconds, 1),
            "torch": torch.__version__,
        }

    def _load(self, source: Source) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        pairs = [
            read_labelled(
                source.files[self.train.data.name][stem],
                self.train.labels[stem],
                self.settings.others,
                infrared=source.is_infrared,
            )
            for stem in self.train.stems
        ]
        return [torch.from_numpy(each) for each, _ in pairs], [
            torch.from_numpy(label) for _, label in pairs
        ]

    def _test(self, network: nn.Module, source: Source, folder: Path) -> dict[str, list[int]]:
        counts = {}
        for stem in self.test.stems:
            picture, label = read_labelled(
                source.files[self.test.data.name][stem],
                self.test.labels[stem],
                self.settings.others,
                infrared=source.is_infrared,
            )
            predicted = predict(network, picture)
            write_image(folder / "predicted" / f"{stem}.png", predicted, overwrite=True)
            counts[stem] = confusion(label, predicted).ravel().tolist()
        return counts

    def _save(self, network: nn.Module, path: Path) -> None:
        tensors = {name: each.contiguous() for name, each in network.state_dict().items()}
        metadata = {"settings": self.settings.model_dump_json()}
        write_bytes(path, safetensors.torch.save(tensors, metadata=metadata))

    def _tell(self, what: str, step: int) -> None:
        steps = self.settings.steps
        self.progress(what, self.done * steps + step, self.total * steps)


def _digest(each: LabelledSet) -> str:
    pairs = each.data.pairs
    files = (file for p in pairs for file in (p.infrared, p.visible, each.labels[p.stem]))
    return digest(*files)


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
            predicted = read_image(folder(source.name, seed) / "predicted" / f"{stem}.png")
            row[f"from {source.name}"] = laid_over(shown, predicted.astype(np.uint8))
        rows.append(row)
    return contact_sheet(rows)
