"""Curves that map raw infrared values to [0, 1], and filling of pixels without a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image

Levels = NDArray[np.float32]

# Pixels that are enough to know a picture's range: 320 x 240. A larger one takes no longer.
_SAMPLE = 76_800

HOLE = 8
"""Pixels from its border to which a hole is filled; further inside the infrared shows nothing, and
the visible picture stays."""


@dataclass(frozen=True)
class InfraredRange:
    """The range of an infrared picture that became [0, 1].

    Attributes:
        low: The raw value that became 0, in counts or degrees as the file holds them.
        high: The raw value that became 1.
        filled: How many pixels had no value: NaN, infinite, masked, or what the file calls no data.
        advice: Advice about that range, such as a better one; empty where it fits.
    """

    low: float
    high: float
    filled: int = 0
    advice: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class ToneCurve:
    """A rising curve: raw values up to `low` become 0, from `high` on 1.

    Attributes:
        low: Raw value.
        high: Raw value, not below `low`. If both are equal, what is above them becomes 1 and
            the rest 0: a flat picture is black, as it shows nothing hot.
        levels: Levels in [0, 1] at equal distances from `low` to `high`; a value gets the
            nearest one. Without them the curve is a straight line.
    """

    low: float
    high: float
    levels: Levels | None = None

    def __call__(self, infrared: Image, out: Levels | None = None) -> Levels:
        """Map raw values without NaN to float32 in [0, 1], same shape.

        Args:
            infrared: Any integer or float dtype.
            out: Float32 array of that shape that may be used for the result.
        """
        if self.low == self.high:
            return np.greater(infrared, self.high).astype(np.float32)
        # Float32 holds 16-bit counts exactly; other values are subtracted in float64.
        exact = np.float32 if np.can_cast(infrared.dtype, np.float32) else np.float64
        last = 1 if self.levels is None else len(self.levels) - 1
        if not self._fits(exact, last):
            return self._far(infrared, last)
        with np.errstate(over="ignore"):  # values that far outside are clipped
            place = np.subtract(
                infrared, exact(self.low), out=out if exact is np.float32 else None, dtype=exact
            )
            place *= exact(last / (self.high - self.low))
        np.clip(place, 0, last, out=place)
        if self.levels is None:
            return place.astype(np.float32, copy=False)
        return np.take(self.levels, np.rint(place, out=place).astype(np.uint16))

    def _fits(self, exact: type[np.floating[Any]], last: int) -> bool:
        """Tell whether a dtype holds ends and slope, with room for what lies outside of them."""
        room = np.finfo(exact)
        width = self.high - self.low
        ends = max(abs(self.low), abs(self.high))
        return bool(
            ends < float(room.max) / 8
            and width > float(room.tiny) * last * 8
            and (exact is np.float64 or width > ends * float(room.eps))
            and np.isfinite(last / width)
        )

    def _far(self, infrared: Image, last: int) -> Levels:
        """Map by a curve whose ends or slope are extreme: no step leaves the range of float64."""
        scale = max(abs(self.low), abs(self.high))  # above 0, since the ends differ
        low, high = self.low / scale, self.high / scale
        values = np.clip(infrared.astype(np.float64), self.low, self.high) / scale
        place = np.clip((values - low) / (high - low), 0, 1) if high > low else values > low
        if self.levels is None:
            return np.asarray(place, np.float32)
        return np.take(self.levels, np.rint(np.asarray(place) * last).astype(np.uint16))

    def toward(self, other: ToneCurve, share: float) -> ToneCurve:
        """Return the curve that lies a share of the way to another one of the same kind."""
        low, high = (
            (1 - share) * mine + share * theirs
            for mine, theirs in ((self.low, other.low), (self.high, other.high))
        )
        if self.levels is None or other.levels is None:
            return ToneCurve(low, high)
        return ToneCurve(low, high, self.levels + np.float32(share) * (other.levels - self.levels))


def sampling_step(pixels: int) -> int:
    """Return how many rows and columns further the next one is that is looked at."""
    return max(1, int(np.sqrt(pixels / _SAMPLE)))


def sample(image: Image) -> NDArray[Any]:
    """Return the values of every n-th row and column, at most four times `_SAMPLE`.

    NaN, infinite and masked ones are left out.
    """
    step = sampling_step(image.size)
    values = image[::step, ::step].reshape(-1)
    if isinstance(image, np.ma.MaskedArray):
        image = image.compressed()
        values = np.ma.compressed(values) if np.ma.count(values) else image
    if image.dtype.kind != "f":
        return values
    finite = values[np.isfinite(values)]
    return finite if finite.size else image[np.isfinite(image)]


def percentiles(values: NDArray[Any], shares: tuple[float, float]) -> tuple[float, float]:
    """Return two percentiles of finite values, so far apart that differences would overflow too."""
    scale = 1.0
    if values.dtype.kind == "f" and np.abs(values).max() > np.finfo(values.dtype).max / 8:
        most = float(np.finfo(np.float64).max) / 8
        values, scale = np.clip(values.astype(np.float64) / 8, -most, most), 8.0
    low, high = np.percentile(values, shares)
    return float(low) * scale, float(high) * scale


def fill_dead(image: Image) -> tuple[Image, int]:
    """Give each pixel without a value that of the nearest one that has a value.

    Args:
        image: H x W with at least one value; NaN, infinite and masked pixels have none.

    Returns:
        The picture, the same array if nothing is missing, and how many pixels were filled. It is
        masked where the nearest value is more than `HOLE` pixels away.
    """
    given: NDArray[np.bool_] = np.asarray(np.ma.getmask(image))  # one False without a mask
    if image.dtype.kind == "f":
        given = ~np.isfinite(np.ma.getdata(image)) | given
    count = int(np.count_nonzero(given))
    if not count:
        return image, 0
    filled, far = fill(np.ma.getdata(image), given)
    return masked_like(filled, far > HOLE), count


def fill(image: Image, dead: NDArray[np.bool_]) -> tuple[Image, NDArray[np.float32]]:
    """Give each dead pixel the value of the nearest living one.

    Args:
        image: H x W or H x W x C.
        dead: H x W; at least one pixel is not dead.

    Returns:
        A copy, and how many pixels away the nearest living one is.
    """
    distances, nearest = cv2.distanceTransformWithLabels(
        dead.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.empty((int(nearest.max()) + 1, *image.shape[2:]), image.dtype)
    values[nearest[~dead]] = image[~dead]
    filled = image.copy()
    filled[dead] = values[nearest[dead]]
    return filled, np.asarray(distances, np.float32)


def filled_like(image: Image, visible: Image) -> Image:
    """Return a fused picture with the fill value of the visible one where that has no data."""
    if not np.ma.isMaskedArray(visible):
        return image
    filled: Image = np.ma.filled(masked_like(image, visible, visible.fill_value))
    return filled


def masked_like(image: Image, mask: Any, hidden: Any = None) -> Image:  # noqa: ANN401 - see there
    """Return a picture with a mask, H x W, or that of another picture; as it is without one.

    `hidden` is the value that stands for none, the fill value of the masked array.
    """
    mask = mask if isinstance(mask, np.ndarray) and mask.dtype == bool else np.ma.getmask(mask)
    if not np.any(mask):
        return image
    planes = mask if mask.ndim == image.ndim else mask[..., None]
    wide = np.broadcast_to(planes, image.shape)
    masked: Image = np.ma.masked_array(image, wide, fill_value=hidden)
    return masked
