"""Labelled pictures: find them, read them, and draw batches of crops by seed and step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from piafusion.errors import ImageError, TrainingError, UsageError
from piafusion.imaging.arrays import as_visible, to_uint8
from piafusion.imaging.io import read_image, read_infrared
from piafusion.imaging.pairs import images_by_stem
from piafusion.lab.data.check import CLASSES as MFNET_CLASSES
from piafusion.lab.evaluation.sets import DataSet, read_sets
from piafusion.lab.segmentation.scores import IGNORED
from piafusion.scenes.synthetic import CLASSES

SPLITS = ("train", "test")

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class LabelledSet:
    """Pairs with labels.

    The name of the data is that of the split; labels are files by stem.
    """

    data: DataSet
    labels: Mapping[str, Path]

    @property
    def stems(self) -> list[str]:
        """Their names, sorted."""
        return [pair.stem for pair in self.data.pairs]


def read_splits(root: Path) -> tuple[LabelledSet, LabelledSet]:
    """Find `train` and `test` of a data set, each with `ir`, `vi` and `label`.

    Raises:
        UsageError: If a folder is missing, or pairs or labels have no counterpart.
    """
    missing = [name for name in SPLITS if not (root / name).is_dir()]
    if missing:
        raise UsageError(
            f"{root}: expected the folders train and test, each with ir, vi and label, found no "
            f"{' and no '.join(missing)}; check the path"
        )
    train, test = (
        _labelled(root / data.name, data)
        for data in read_sets([f"{name}={root / name}" for name in SPLITS])
    )
    return train, test


def _labelled(folder: Path, data: DataSet) -> LabelledSet:
    if data.failures:
        raise UsageError(data.failures[0].message)
    labels = images_by_stem(folder / "label")
    bad = [pair.stem for pair in data.pairs if len(labels.get(pair.stem, ())) != 1]
    if bad:
        found = len(labels.get(bad[0], ()))
        raise UsageError(
            f"{folder / 'label'}: expected one label for each pair, found {found} for {bad[0]} "
            f"({len(bad)} of {len(data.pairs)} pairs are wrong); add or remove labels or pairs"
        )
    return LabelledSet(data, {pair.stem: labels[pair.stem][0] for pair in data.pairs})


def read_label(path: Path, others: Literal["ignore", "background"] = "ignore") -> Bytes:
    """Read the label of a picture.

    Args:
        path: Grey picture of 8 bits: 0 background, 1 vehicle, 2 person, 3 bicycle, 4 to 8 the
            further classes of MFNet and MSRS, 255 pixels without a label.
        others: Whether 4 to 8 become `IGNORED` or background.

    Returns:
        H x W, 0 to 3 or `IGNORED`.

    Raises:
        ImageError: If the file cannot be used.
    """
    label = read_image(path)
    if label.ndim != 2 or label.dtype != np.uint8:
        found = f"{label.dtype} of {'x'.join(map(str, label.shape))}"
        raise ImageError(f"{path}: expected a grey label of 8 bits, found {found}; make it again")
    wrong = label[(label >= MFNET_CLASSES) & (label != IGNORED)]
    if wrong.size:
        raise ImageError(
            f"{path}: expected labels from 0 to {MFNET_CLASSES - 1}, or {IGNORED}, found "
            f"{wrong[0]}; map them"
        )
    further = (label >= len(CLASSES)) & (label != IGNORED)
    return np.where(further, IGNORED if others == "ignore" else 0, label).astype(np.uint8)


def read_picture(path: Path, *, infrared: bool = False) -> Bytes:
    """Read a picture for a network, H x W x 3: RGB, or one grey plane three times.

    Raises:
        ImageError: If the file cannot be used.
    """
    picture = to_uint8(read_infrared(path) if infrared else read_image(path, check=as_visible))
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def read_labelled(
    path: Path, label: Path, others: Literal["ignore", "background"], *, infrared: bool = False
) -> tuple[Bytes, Bytes]:
    """Read a picture, H x W x 3, and its label, H x W.

    Raises:
        ImageError: If a file cannot be used or their sizes differ.
    """
    picture, labels = read_picture(path, infrared=infrared), read_label(label, others)
    if picture.shape[:2] != labels.shape:
        here, there = ("x".join(map(str, each.shape[:2])) for each in (picture, labels))
        raise ImageError(f"{label}: expected the size of {path}, {here}, found {there}")
    return picture, labels


@dataclass(frozen=True)
class LabelledBatch:
    """Crops: N x 3 x S x T in [0, 1], and their labels, N x S x T int64."""

    pictures: Tensor
    labels: Tensor


class LabelledSampler:
    """Draws crops, half of them mirrored; a batch depends on the seed and the step alone.

    So the networks of all sources see the same places in the same order for one seed.
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        labels: Sequence[Tensor],
        stems: Sequence[str],
        *,
        crop: tuple[int, int] | None,
        batch: int,
        seed: int,
        sought: float = 0.0,
    ) -> None:
        """Prepare the sampler.

        Args:
            pictures: uint8, H x W x 3 each.
            labels: uint8, H x W each.
            stems: Names of the pictures.
            crop: Height and width; None takes the largest size that fits into every picture.
            batch: Number of crops in a batch.
            seed: Any integer, not negative.
            sought: Share of the crops that contain a class other than background. For these, a
                class is drawn, then a picture that shows it, then a place that contains one of
                its pixels. All other crops are cut anywhere.

        Raises:
            TrainingError: If a picture is smaller than a crop.
        """
        height, width = (min(label.shape[axis] for label in labels) for axis in (0, 1))
        self._crop = crop or (height, width)
        if self._crop[0] > height or self._crop[1] > width:
            raise TrainingError(
                f"expected pictures of at least {self._crop[0]}x{self._crop[1]} for the crops, "
                f"found {height}x{width}; choose a smaller crop"
            )
        self._pictures, self._labels, self._stems = list(pictures), list(labels), stems
        self._batch, self._seed, self._sought = batch, seed, sought
        self._maps = [label.numpy() for label in labels]  # what the draws need stays on the CPU
        shown = [set(np.unique(each).tolist()) for each in self._maps]
        self._kinds = [kind for kind in range(1, len(CLASSES)) if any(kind in s for s in shown)]
        self._showing = [
            [index for index, kinds in enumerate(shown) if kind in kinds] for kind in self._kinds
        ]

    @property
    def counts(self) -> list[int]:
        """Pixels of each class in all pictures."""
        count = len(CLASSES)
        each = (np.bincount(label.ravel(), minlength=256)[:count] for label in self._maps)
        return [int(number) for number in np.sum(list(each), axis=0)]

    def to(self, device: torch.device) -> None:
        """Move the pictures to a device; batches are then made there."""
        self._pictures = [picture.to(device) for picture in self._pictures]
        self._labels = [label.to(device) for label in self._labels]

    def describe(self, step: int) -> str:
        """Return the pictures of a batch in words."""
        return ", ".join(self._stems[index] for index, *_ in self._draw(step))

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> LabelledBatch:
        """Return batch number `step`, counted from 0, or the share of one of several ranks."""
        pictures, labels = [], []
        for index, top, left, mirrored in self._draw(step)[rank::ranks]:
            place = (slice(top, top + self._crop[0]), slice(left, left + self._crop[1]))
            picture, label = self._pictures[index][place], self._labels[index][place]
            pictures.append(picture.flip(1) if mirrored else picture)
            labels.append(label.flip(1) if mirrored else label)
        return LabelledBatch(to_network(torch.stack(pictures)), torch.stack(labels).long())

    def _draw(self, step: int) -> list[tuple[int, int, int, bool]]:
        generator = np.random.default_rng((self._seed, step))
        return [self._draw_one(generator) for _ in range(self._batch)]

    def _draw_one(self, generator: np.random.Generator) -> tuple[int, int, int, bool]:
        """Return picture, top, left, and whether the crop is mirrored."""
        if self._showing and generator.random() < self._sought:
            kind = int(generator.integers(len(self._showing)))
            index = int(generator.choice(self._showing[kind]))
            pixels = np.flatnonzero(self._maps[index] == self._kinds[kind])
            held = np.unravel_index(generator.choice(pixels), self._maps[index].shape)
        else:
            index, held = int(generator.integers(len(self._maps))), None
        corner = []
        for axis, side in enumerate(self._crop):
            first, last = 0, self._maps[index].shape[axis] - side
            if held is not None:
                first, last = max(first, held[axis] - side + 1), min(last, held[axis])
            corner.append(int(generator.integers(first, last + 1)))
        return index, corner[0], corner[1], bool(generator.random() < 0.5)


def to_network(pictures: Tensor) -> Tensor:
    """Return uint8 pictures of N x H x W x 3 as a network takes them, N x 3 x H x W in [0, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 255
