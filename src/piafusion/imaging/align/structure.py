"""Edges and their directions: the structure that infrared and visible pictures share.

A warm car is bright in one picture and may be dark in the other, so grey levels say nothing about
alignment, and neither does the sign of a gradient. Each pixel is described by the doubled angle of
its gradient, which does not know the sign, and by its strength, both relative to the gradients
around it. Ye et al., "Fast and Robust Matching for Multimodal Remote Sensing Image Registration"
(IEEE TGRS 57(11), 2019) match dense maps of gradient orientation in the same spirit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.strips import Strips

Array = NDArray[Any]
Size = tuple[int, int]  # height, width, as in an array's shape

_DARKS = 50.0  # log(1 + 50 x) brightens dark parts: a street at night
_NOISE = 1.0  # pixels, blur before the gradient
_SLACK = 1.5  # pixels, blur after it, so that near misses count
_AROUND = 4.0  # pixels; gradients are relative to those so far around
_LARGE = 2**20  # pixels
_BORDER = 9  # pixels beside an area without data whose gradients are its edge's


@dataclass(frozen=True)
class Picture:
    """A picture prepared for matching: its levels and a map of the pixels that have data.

    Attributes:
        levels: H x W float32, 0.5 % to 99.5 % of the values stretched over [0, 1], darks lifted.
        seen: H x W float32, 0 in black areas that touch the border, as rectified pictures have.
    """

    levels: NDArray[np.float32]
    seen: NDArray[np.float32]

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.levels.shape[0], self.levels.shape[1]

    @cached_property
    def half(self) -> Picture:
        """The picture at half its size."""
        return _resized(self, (self.size[0] // 2, self.size[1] // 2))


def prepare(image: Image) -> Picture:
    """Make a checked infrared or visible picture of any range comparable with another.

    Masked pixels have no data.
    """
    values = np.ma.getdata(image)
    grey = np.empty(values.shape[:2], np.float32)

    def take(rows: slice) -> None:
        grey[rows] = luminance(to_unit(values[rows]))

    Strips(threads=1)(take, grey.shape)
    seen = _with_data(grey)
    low, high = np.percentile(grey[:: max(1, len(grey) // 512)], (0.5, 99.5))
    levels = grey
    levels -= low
    levels /= np.float32(max(float(high - low), 1e-6))
    np.clip(levels, 0, 1, out=levels)
    levels *= np.float32(_DARKS)
    np.log1p(levels, out=levels)
    levels /= np.float32(np.log1p(_DARKS))
    mask = np.ma.getmaskarray(image)
    seen[mask if mask.ndim == 2 else mask.all(axis=2)] = 0
    return Picture(levels, seen)


def shrunk(picture: Picture, size: Size) -> Picture:
    """Return a picture at another size; large ones are halved once for all sizes."""
    while picture.levels.size > _LARGE and all(
        own >= 2 * wanted for own, wanted in zip(picture.size, size, strict=True)
    ):
        picture = picture.half
    return picture if size == picture.size else _resized(picture, size)


def _resized(picture: Picture, size: Size) -> Picture:
    smaller = size[0] < picture.size[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return Picture(
        cv2.resize(picture.levels, size[::-1], interpolation=how).astype(np.float32, copy=False),
        cv2.resize(picture.seen, size[::-1], interpolation=how).astype(np.float32, copy=False),
    )


def structure(picture: Picture, calm: float = 0.5) -> NDArray[np.float32]:
    """Describe each pixel's gradient by its doubled angle and its strength.

    Args:
        picture: The picture.
        calm: Share of the mean strength that is added to the strength around each pixel before it
            is divided by that: the less, the more faint edges count.

    Returns:
        H x W x 3 float32: cosine and sine of the doubled angle, each times the strength, and the
        strength; 0 where there is no data.
    """
    levels = cv2.GaussianBlur(picture.levels, (0, 0), _NOISE)
    x = cv2.Scharr(levels, cv2.CV_32F, 1, 0, scale=1 / 32)
    y = cv2.Scharr(levels, cv2.CV_32F, 0, 1, scale=1 / 32)
    # cv2.magnitude gives other last bits when the arrays lie elsewhere in memory.
    strength = np.sqrt(x * x + y * y) + np.float32(1e-6)
    channels = cv2.merge([(x * x - y * y) / strength, 2 * x * y / strength, strength])
    channels = cv2.GaussianBlur(channels, (0, 0), _SLACK)
    around = np.sqrt(cv2.GaussianBlur((channels**2).sum(axis=2), (0, 0), _AROUND))
    around += calm * around.mean() + np.float32(1e-6)
    seen = cv2.erode(picture.seen, np.ones((_BORDER, _BORDER), np.uint8)) > 0.5
    return np.asarray(channels * (seen / around)[..., None], np.float32)


def relative(channels: NDArray[np.float32], around: float) -> NDArray[np.float32]:
    """Subtract the strength of the surroundings, so many pixels wide, from that in `structure`."""
    channels[..., 2] -= cv2.GaussianBlur(channels[..., 2], (0, 0), around)
    return channels


def _with_data(grey: Array) -> NDArray[np.float32]:
    """Return 0 in areas of exact black that touch the border and are larger than 0.2 %."""
    black = (grey == 0).view(np.uint8)
    if not _border(black).any():
        return np.ones(grey.shape, np.float32)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(black, connectivity=4)
    at_border = np.unique(_border(labels))
    blank = np.zeros(count, bool)
    blank[at_border] = stats[at_border, cv2.CC_STAT_AREA] > 0.002 * grey.size
    blank[0] = False  # label 0 is everything that is not black
    return np.where(blank[labels], np.float32(0), np.float32(1))


def _border(plane: Array) -> Array:
    return np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
