"""The paper's crops: 64x64 patches at stride 64, with their light where it is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.arrays import Image, as_visible
from piafusion.imaging.io import read_image, read_pair
from piafusion.imaging.pairs import list_images
from piafusion.lab.data.folders import dataset_pairs, is_day

SIZE, STRIDE = 64, 64
"""Pixels: 70 patches of a pair of 480 x 640, as in section 4.3 of the paper."""
_LIGHTS = {"day": (1.0, 0.0), "night": (0.0, 1.0)}


@dataclass(frozen=True)
class Patch:
    """A crop of a pair; views, so copy them to keep them.

    Attributes:
        name: The stem of its file: the pair's stem, row and column, and last the letter of the
            light, as in MSRS.
        infrared: `size x size`, in its file's dtype.
        visible: `size x size` or `size x size x 3` RGB.
        day: True, False, or None if the stem does not tell.
    """

    name: str
    infrared: Image
    visible: Image
    day: bool | None


@dataclass(frozen=True)
class LightPatch:
    """A crop of a visible picture of known light.

    Attributes:
        name: As `Patch.name`.
        visible: `size x size` or `size x size x 3` RGB, a view.
        target: One-hot, float32 `2`: [1, 0] by day, [0, 1] by night.
    """

    name: str
    visible: Image
    target: NDArray[np.float32]


def corners(
    height: int, width: int, size: int = SIZE, stride: int = STRIDE
) -> list[tuple[int, int]]:
    """Return row and column of the left top corner of each crop that fits.

    >>> len(corners(480, 640))
    70

    Raises:
        UsageError: If size or stride is not positive.
    """
    if size < 1 or stride < 1:
        raise UsageError(f"expected size and stride of 1 or more, found {size} and {stride}")
    return [
        (top, left)
        for top in range(0, height - size + 1, stride)
        for left in range(0, width - size + 1, stride)
    ]


def iter_patches(root: Path, size: int = SIZE, stride: int = STRIDE) -> Iterator[Patch]:
    """Yield the crops of the pairs of `root/ir` and `root/vi`, one pair in memory at a time.

    Raises:
        UsageError: If the folders or pairs are missing.
        ImageError: If a picture cannot be used, a pair's sizes differ, or it is too small.
    """
    for pair in dataset_pairs(root).pairs:
        infrared, visible = read_pair(pair.infrared, pair.visible)
        for top, left in _fitting(pair.visible, visible, size, stride):
            block = (slice(top, top + size), slice(left, left + size))
            name = _name(pair.stem, top, left)
            yield Patch(name, infrared[block], visible[block], is_day(pair.stem))


def iter_illumination(root: Path, size: int = SIZE, stride: int = STRIDE) -> Iterator[LightPatch]:
    """Yield crops with their light: from `root/day` and `root/night`, or from `root/vi` by letter.

    Raises:
        UsageError: If there is neither, or a picture in `vi` ends in neither D nor N.
        ImageError: If a picture cannot be used or is too small.
    """
    for path, light in _lit_images(root):
        visible = read_image(path, check=as_visible)
        target = np.array(_LIGHTS[light], np.float32)
        for top, left in _fitting(path, visible, size, stride):
            stem = path.stem if is_day(path.stem) is not None else path.stem + light[0].upper()
            block = (slice(top, top + size), slice(left, left + size))
            yield LightPatch(_name(stem, top, left), visible[block], target)


def is_illumination_set(root: Path) -> bool:
    """Tell whether `root` is sorted by light, into `day` and `night`."""
    return all((root / light).is_dir() for light in _LIGHTS)


def _lit_images(root: Path) -> list[tuple[Path, str]]:
    if is_illumination_set(root):
        return [(path, light) for light in _LIGHTS for path in list_images(root / light)]
    if not (root / "vi").is_dir():
        raise UsageError(f"{root}: expected day and night, or vi, found none; check the path")
    lit = []
    for path in list_images(root / "vi"):
        day = is_day(path.stem)
        if day is None:
            raise UsageError(
                f"{path}: expected a name that ends in D or N, found {path.stem!r}; rename it, or "
                "sort the pictures into day and night"
            )
        lit.append((path, "day" if day else "night"))
    return lit


def _fitting(path: Path, image: Image, size: int, stride: int) -> list[tuple[int, int]]:
    height, width = image.shape[:2]
    found = corners(height, width, size, stride)
    if not found:
        raise ImageError(
            f"{path}: expected at least {size}x{size} pixels, found {width}x{height}; "
            "choose a smaller --size"
        )
    return found


def _name(stem: str, top: int, left: int) -> str:
    """Insert the place before the last letter, which tells day from night."""
    letter = stem[-1:] if is_day(stem) is not None else ""
    return f"{stem.removesuffix(letter) if letter else stem}_{top:04d}_{left:04d}{letter}"
