"""Training pairs in memory as uint8, and batches that depend on the seed and step alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from piafusion.datasets.folders import dataset_pairs, is_day
from piafusion.errors import TrainingError
from piafusion.imaging.arrays import Image, from_unit, to_unit
from piafusion.imaging.colour import LUMA_WEIGHTS
from piafusion.imaging.io import read_pair

Sampling = Literal["random", "grid"]


@dataclass(frozen=True)
class Batch:
    """Crops of aligned pairs: N x 1 (infrared) and N x 3 (visible RGB) x S x S in [0, 1]."""

    infrared: Tensor
    visible: Tensor
    is_day: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.infrared.to(device), self.visible.to(device), self.is_day.to(device))

    @property
    def luminance(self) -> Tensor:
        """BT.601 luminance of the visible crops, N x 1 x S x S."""
        weights = self.visible.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
        return (self.visible * weights).sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class TrainingPairs:
    """All pairs of a dataset folder, uint8: 1 x H x W and 3 x H x W; sizes may differ."""

    infrared: list[Tensor]
    visible: list[Tensor]
    is_day: Tensor
    stems: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.infrared)


def load_training_pairs(root: Path) -> TrainingPairs:
    """Read `root/ir` and `root/vi` into memory; stems end in D (day) or N (night).

    Raises:
        UsageError: If the folders or pairs are missing.
        ImageError: If a picture cannot be used or a pair's sizes differ.
        TrainingError: If a stem does not say day or night.
    """
    infrared, visible, days, stems = [], [], [], []
    for pair in dataset_pairs(root).pairs:
        day = is_day(pair.stem)
        if day is None:
            raise TrainingError(
                f"{pair.visible}: expected a name that ends in D (day) or N (night), "
                f"found {pair.stem!r}; rename the pair"
            )
        ir, vi = map(_as_uint8, read_pair(pair.infrared, pair.visible))
        colour = vi if vi.ndim == 3 else np.repeat(vi[..., None], 3, axis=2)
        infrared.append(torch.from_numpy(ir[None].copy()))
        visible.append(torch.from_numpy(colour.transpose(2, 0, 1).copy()))
        days.append(float(day))
        stems.append(pair.stem)
    return TrainingPairs(infrared, visible, torch.tensor(days), stems)


def _as_uint8(image: Image) -> Image:
    return image if image.dtype == np.uint8 else from_unit(to_unit(image), np.dtype(np.uint8))


class CropSampler:
    """Draws square crops; batch number `step` is the same in every run with the same seed.

    Because nothing is carried from step to step, a resumed run sees the very batches that an
    uninterrupted one would have seen.
    """

    def __init__(
        self, pairs: TrainingPairs, *, size: int, batch: int, seed: int, sampling: Sampling
    ) -> None:
        """Prepare the sampler.

        Args:
            pairs: Where to crop.
            size: Side of the crops in pixels.
            batch: Crops per batch.
            seed: Any integer.
            sampling: "random": anywhere, with random flips. "grid": the paper's patches,
                `size` apart, each once per epoch, in random order, not flipped.

        Raises:
            TrainingError: If a picture is smaller than a crop, or one epoch than a batch.
        """
        for stem, image in zip(pairs.stems, pairs.infrared, strict=True):
            if min(image.shape[1:]) < size:
                raise TrainingError(
                    f"{stem}: {image.shape[2]}x{image.shape[1]} is smaller than the crop of "
                    f"{size}x{size}; choose a smaller crop or leave the pair out"
                )
        self._pairs, self._size, self._batch = pairs, size, batch
        self._seed, self._sampling = seed, sampling
        self._grid = [
            (index, top, left)
            for index, image in enumerate(pairs.infrared)
            for top in range(0, image.shape[1] - size + 1, size)
            for left in range(0, image.shape[2] - size + 1, size)
        ]
        self.steps_per_epoch = len(self._grid) // batch
        if self.steps_per_epoch == 0:
            raise TrainingError(
                f"expected at least {batch} patches for one batch, found {len(self._grid)}; "
                "choose a smaller batch or add pairs"
            )
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def __call__(self, step: int) -> Batch:
        """Return batch number `step`, counted from 0."""
        crops = self._random(step) if self._sampling == "random" else self._from_grid(step)
        infrared, visible, days = [], [], []
        for index, top, left, flip_rows, flip_columns in crops:
            window = (
                slice(None),
                slice(top, top + self._size),
                slice(left, left + self._size),
            )
            flips = [axis for axis, flip in ((1, flip_rows), (2, flip_columns)) if flip]
            infrared.append(self._pairs.infrared[index][window].flip(flips))
            visible.append(self._pairs.visible[index][window].flip(flips))
            days.append(self._pairs.is_day[index])
        return Batch(
            torch.stack(infrared).float() / 255,
            torch.stack(visible).float() / 255,
            torch.stack(days),
        )

    def _random(self, step: int) -> list[tuple[int, int, int, bool, bool]]:
        generator = np.random.default_rng((self._seed, step))
        crops = []
        for index in generator.integers(len(self._pairs), size=self._batch):
            _, height, width = self._pairs.infrared[index].shape
            top, left = generator.integers((height - self._size + 1, width - self._size + 1))
            rows, columns = generator.random(2) < 0.5
            crops.append((int(index), int(top), int(left), bool(rows), bool(columns)))
        return crops

    def _from_grid(self, step: int) -> list[tuple[int, int, int, bool, bool]]:
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = np.random.default_rng((self._seed, epoch))
            self._order = (epoch, generator.permutation(len(self._grid)))
        chosen = self._order[1][position * self._batch :][: self._batch]
        return [(*self._grid[index], False, False) for index in chosen]
