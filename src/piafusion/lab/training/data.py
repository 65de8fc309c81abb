"""Training pairs in memory as uint8, and batches that depend on the seed and step alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from piafusion.errors import TrainingError
from piafusion.imaging.arrays import to_rgb8, to_uint8
from piafusion.imaging.colour import LUMA_WEIGHTS
from piafusion.imaging.io import read_pair
from piafusion.imaging.pairs import Pair
from piafusion.lab.data.folders import dataset_pairs, is_day, neighbours

Sampling = Literal["random", "grid"]


@dataclass(frozen=True)
class Batch:
    """Crops of aligned pairs: N x 1 (infrared) and N x 3 (visible RGB) x S x S in [0, 1]."""

    infrared: Tensor
    visible: Tensor
    is_day: Tensor

    @property
    def luminance(self) -> Tensor:
        """BT.601 luminance of the visible crops, N x 1 x S x S."""
        weights = self.visible.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
        return (self.visible * weights).sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs of any sizes in one flat uint8 buffer per modality, on the CPU or a GPU.

    Attributes:
        infrared: All pixels of all infrared pictures, row by row, P.
        visible: All pixels of all visible pictures, row by row, P x 3 RGB.
        heights: Per pair, in pixels.
        widths: Per pair, in pixels.
        is_day: Per pair, 1 by day and 0 by night.
        stems: Their names.
    """

    infrared: Tensor
    visible: Tensor
    heights: list[int]
    widths: list[int]
    is_day: Tensor
    stems: list[str]

    @classmethod
    def from_pictures(
        cls, infrared: list[Tensor], visible: list[Tensor], is_day: list[float], stems: list[str]
    ) -> TrainingPairs:
        """Lay uint8 pictures of H x W (infrared) and H x W x 3 (visible) one after another."""
        return cls(
            torch.cat([picture.reshape(-1) for picture in infrared]),
            torch.cat([picture.reshape(-1, 3) for picture in visible]),
            [picture.shape[0] for picture in infrared],
            [picture.shape[1] for picture in infrared],
            torch.tensor(is_day),
            stems,
        )

    @cached_property
    def starts(self) -> list[int]:
        """Position of each pair's first pixel, and the number of pixels at the end."""
        sizes = (h * w for h, w in zip(self.heights, self.widths, strict=True))
        return [0, *accumulate(sizes)]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.stems)

    def picture(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one pair: infrared H x W and visible H x W x 3, uint8."""
        pixels = slice(self.starts[index], self.starts[index + 1])
        shape = (self.heights[index], self.widths[index])
        return self.infrared[pixels].view(shape), self.visible[pixels].view(*shape, 3)

    def select(self, indices: list[int]) -> TrainingPairs:
        """Return some of the pairs."""
        pictures = [self.picture(index) for index in indices]
        return TrainingPairs.from_pictures(
            [infrared for infrared, _ in pictures],
            [visible for _, visible in pictures],
            [float(self.is_day[index]) for index in indices],
            [self.stems[index] for index in indices],
        )

    def to(self, device: torch.device) -> TrainingPairs:
        """Return the pairs on a device."""
        return replace(
            self,
            infrared=self.infrared.to(device),
            visible=self.visible.to(device),
            is_day=self.is_day.to(device),
        )


def load_training_pairs(root: Path) -> TrainingPairs:
    """Read `root/ir` and `root/vi` into memory; stems end in D (day) or N (night).

    Raises:
        UsageError: If the folders or pairs are missing.
        ImageError: If a picture cannot be used or a pair's sizes differ.
        TrainingError: If a stem does not end in D or N.
    """

    def with_days() -> Iterator[tuple[Pair, float]]:
        for pair in dataset_pairs(root).pairs:
            day = is_day(pair.stem)
            if day is None:
                raise TrainingError(
                    f"{pair.visible}: expected a name that ends in D (day) or N (night), "
                    f"found {pair.stem!r}; rename the pair"
                )
            yield pair, float(day)

    return read_training_pairs(with_days())


def read_training_pairs(pairs: Iterable[tuple[Pair, float]]) -> TrainingPairs:
    """Read pairs into memory; each comes with 1 for day or 0 for night.

    Raises:
        ImageError: If a picture cannot be used or a pair's sizes differ.
    """
    infrared, visible, days, stems = [], [], [], []
    for pair, day in pairs:
        ir, vi = read_pair(pair.infrared, pair.visible)
        infrared.append(torch.from_numpy(np.ascontiguousarray(to_uint8(ir))))
        visible.append(torch.from_numpy(np.ascontiguousarray(to_rgb8(vi))))
        days.append(day)
        stems.append(pair.stem)
    return TrainingPairs.from_pictures(infrared, visible, days, stems)


@dataclass(frozen=True)
class Crop:
    """Where a crop of a batch comes from."""

    pair: int
    top: int
    left: int
    flip_rows: bool = False
    flip_columns: bool = False


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
        for stem, height, width in zip(pairs.stems, pairs.heights, pairs.widths, strict=True):
            if min(height, width) < size:
                raise TrainingError(
                    f"{stem}: {width}x{height} is smaller than the crop of "
                    f"{size}x{size}; choose a smaller crop or leave the pair out"
                )
        self._pairs, self._size, self._batch = pairs, size, batch
        self._seed, self._sampling = seed, sampling
        self._grid = [
            Crop(index, top, left)
            for index, (height, width) in enumerate(zip(pairs.heights, pairs.widths, strict=True))
            for top in range(0, height - size + 1, size)
            for left in range(0, width - size + 1, size)
        ]
        self.steps_per_epoch = len(self._grid) // batch
        if self.steps_per_epoch == 0:
            raise TrainingError(
                f"expected at least {batch} patches for one batch, found {len(self._grid)}; "
                "choose a smaller batch or add pairs"
            )
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def to(self, device: torch.device) -> None:
        """Move the pairs to a device; batches are then made there."""
        self._pairs = self._pairs.to(device)

    def crops(self, step: int) -> list[Crop]:
        """Return where batch number `step`, counted from 0, is cut from."""
        return self._random(step) if self._sampling == "random" else self._from_grid(step)

    def describe(self, step: int) -> str:
        """Return the crops of a batch in words."""
        return ", ".join(
            f"{self._pairs.stems[crop.pair]} at row {crop.top} column {crop.left}"
            for crop in self.crops(step)
        )

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Return batch number `step`, counted from 0, or the share of it of one of several ranks.

        One gather per modality, wherever the pairs lie: the index of a pixel is the start of its
        picture plus row times width plus column.
        """
        crops = self.crops(step)[rank::ranks]
        along = np.arange(self._size)
        rows = np.stack([crop.top + along[:: -1 if crop.flip_rows else 1] for crop in crops])
        columns = np.stack([crop.left + along[:: -1 if crop.flip_columns else 1] for crop in crops])
        widths = np.array([self._pairs.widths[crop.pair] for crop in crops])
        starts = np.array([self._pairs.starts[crop.pair] for crop in crops])
        device = self._pairs.infrared.device
        first = torch.from_numpy(starts[:, None] + rows * widths[:, None]).to(device)
        pixels = first[:, :, None] + torch.from_numpy(columns).to(device)[:, None, :]
        infrared, visible = self._pairs.infrared[pixels], self._pairs.visible[pixels]
        chosen = torch.tensor([crop.pair for crop in crops], device=device)
        return Batch(
            infrared[:, None].float() / 255,
            visible.permute(0, 3, 1, 2).float() / 255,
            self._pairs.is_day[chosen],
        )

    def _random(self, step: int) -> list[Crop]:
        generator = np.random.default_rng((self._seed, step))
        crops = []
        for pair in generator.integers(len(self._pairs), size=self._batch):
            height, width = self._pairs.heights[pair], self._pairs.widths[pair]
            top, left = generator.integers((height - self._size + 1, width - self._size + 1))
            rows, columns = generator.random(2) < 0.5
            crops.append(Crop(int(pair), int(top), int(left), bool(rows), bool(columns)))
        return crops

    def _from_grid(self, step: int) -> list[Crop]:
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = np.random.default_rng((self._seed, epoch))
            self._order = (epoch, generator.permutation(len(self._grid)))
        chosen = self._order[1][position * self._batch :][: self._batch]
        return [self._grid[index] for index in chosen]


def hold_apart(stems: list[str], every: int) -> list[int]:
    """Return the indices of the pairs to validate on: some blocks of neighbours of each light.

    Neighbours of a recording look alike, so whole blocks are held apart. The second block of each
    group of `every` blocks is held apart; 0 holds none. Stems end in D or N.

    Raises:
        TrainingError: If a light has a single block, so that nothing would be left to train on.
    """
    if every == 0:
        return []
    held: set[str] = set()
    for light in (True, False):
        blocks = neighbours([stem for stem in stems if is_day(stem) is light])
        if len(blocks) == 1:
            raise TrainingError(
                f"expected at least 2 blocks of neighbouring stems by {'day' if light else 'night'}"
                " to validate on one of them, found 1; set validation=0"
            )
        held.update(stem for block in blocks[1::every] for stem in block)
    return [index for index, stem in enumerate(stems) if stem in held]
