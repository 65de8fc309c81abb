"""Pictures as arrays: checks, and the maps between dtypes and [0, 1].

The dtype decides the range, never the values: all of it for uint8 and uint16, [0, 1] for
floats.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, SizeMismatchError

Image = NDArray[Any]

# Largest difference between channels that still counts as grey: JPEG rounds them apart.
_GREY_TOLERANCE = 8 / 255
COLOURED_SHARE = 0.1
"""Share of a grey picture's pixels that may be coloured, as spot meters and scales are."""


def as_visible(image: Image) -> Image:
    """Check a visible image and return it as H x W or H x W x 3, its dtype unchanged.

    Args:
        image: H x W, H x W x 1, H x W x 3 RGB or H x W x 4 with an alpha that is opaque
            everywhere; uint8, uint16, or float in [0, 1].

    Raises:
        ImageError: If shape, dtype or values are anything else.
    """
    _check_dtype(image)
    image = _one_picture(image)
    _check_values(image)
    return image


def as_raw_visible(image: Image) -> Image:
    """Check a visible image of any range and return it as H x W or H x W x 3, dtype unchanged.

    Args:
        image: H x W, H x W x 1 or H x W x 3 RGB; uint8, uint16 or finite floats.

    Raises:
        ImageError: If shape, dtype or values are anything else.
    """
    _check_dtype(image)
    image = _one_picture(image)
    _check_finite(image)
    return image


def as_infrared(image: Image) -> Image:
    """Check an infrared image and return it as H x W, its dtype unchanged.

    Args:
        image: As for `as_visible`; three channels have to be equal, up to JPEG's rounding, but
            for a tenth of the pixels: green counts there.

    Raises:
        ImageError: If it is not grey, or shape, dtype or values are not those of `as_visible`.
    """
    return as_raw_infrared(as_visible(image))


def as_raw_infrared(image: Image) -> Image:
    """Check an infrared image of any range and return it as H x W, its dtype unchanged.

    Args:
        image: Shapes as for `as_infrared`; integers or floats, which may hold NaN and infinity.

    Raises:
        ImageError: If it is not grey, not numbers or of another shape.
    """
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "iuf":
        found = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"expected a NumPy array of integers or floats, found {found}; convert it")
    image = _one_picture(image)
    if image.ndim == 2:
        return image
    if image.dtype in (np.uint8, np.uint16):
        planes, scale = np.ma.getdata(image), float(full_scale(image.dtype))
    else:
        with np.errstate(invalid="ignore"):  # a signalling NaN is one like any other
            planes = np.nan_to_num(np.ma.getdata(image).astype(np.float64), posinf=0, neginf=0)
        scale = float(np.ptp(planes)) or 1.0
    red, green, blue = cv2.split(planes)
    differences = ((red, green), (green, blue), (blue, red))
    limit = _GREY_TOLERANCE * scale
    if max(cv2.norm(*two, cv2.NORM_INF) for two in differences) > limit:
        share = float(np.mean(np.ptp(planes, axis=2) > limit))
        if share > COLOURED_SHARE:
            raise ImageError(
                f"expected a grey infrared image, found colours in {share:.0%} of the picture; "
                "add --palette auto for a false-colour palette, or swap the arguments if this is "
                "the visible image"
            )
    return image[..., 1]


class Shaped(Protocol):
    """An array, or a file that has the shape of one."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102


def check_same_size(
    infrared: Shaped, visible: Shaped, names: tuple[str, str] = ("infrared", "visible")
) -> None:
    """Raise `SizeMismatchError`, naming both sizes, unless height and width agree."""
    if infrared.shape[:2] != visible.shape[:2]:
        (ir_height, ir_width), (vi_height, vi_width) = infrared.shape[:2], visible.shape[:2]
        raise SizeMismatchError(
            f"expected two pictures of one size, found {names[0]} with {ir_width}x{ir_height} "
            f"and {names[1]} with {vi_width}x{vi_height} pixels; add --align auto, or estimate an "
            "alignment with `piafusion align` and fuse with it"
        )


def check_minimum(image: Shaped, side: int, name: str = "picture") -> None:
    """Raise `ImageError`, naming the picture, unless it has at least `side` x `side` pixels."""
    height, width = image.shape[:2]
    if min(height, width) < side:
        raise ImageError(
            f"{name}: expected at least {side}x{side} pixels, found {width}x{height}; "
            "use a larger one"
        )


def native(image: Image) -> Image:
    """Return an array in the byte order of this machine."""
    return image if image.dtype.isnative else image.astype(image.dtype.newbyteorder("="))


def turned(image: Image, orientation: int) -> Image:
    """Return a picture turned and mirrored as an orientation of EXIF and TIFF, 1 to 8, says."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def to_unit(image: Image, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Map a checked image to float32 in [0, 1], same shape.

    Args:
        image: uint8, uint16 or float in [0, 1].
        out: Array for the result; not used for float32, which is returned as it is.
    """
    if image.dtype.kind == "f":
        return image.astype(np.float32, copy=False)
    return np.multiply(image, 1 / full_scale(image.dtype), out=out, dtype=np.float32)


def from_unit(image: NDArray[np.float32], dtype: np.dtype[Any]) -> Image:
    """Clip to [0, 1] and map to a dtype, rounding to the nearest level; same shape."""
    clipped = np.clip(image, 0, 1)
    if dtype.kind == "f":
        return clipped.astype(dtype, copy=False)
    levels: Image = np.rint(clipped * np.float32(full_scale(dtype))).astype(dtype)
    return levels


def to_uint8(image: Image) -> Image:
    """Return a checked picture in 8 bits, rounded to the nearest level; same shape."""
    return image if image.dtype == np.uint8 else from_unit(to_unit(image), np.dtype(np.uint8))


def to_rgb8(image: Image) -> NDArray[np.uint8]:
    """Return a checked picture as H x W x 3 RGB in 8 bits; grey gets three equal channels."""
    levels = to_uint8(image)
    return np.asarray(levels if levels.ndim == 3 else cv2.cvtColor(levels, cv2.COLOR_GRAY2RGB))


def full_scale(dtype: np.dtype[Any]) -> int:
    """Return the value that means 1: 255, 65535, or 1 for floats."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def _one_picture(image: Image) -> Image:
    """Return H x W or H x W x 3, or raise `ImageError`."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[2] == 4:
        if image.dtype.kind not in "uif" or (image[..., 3] != full_scale(image.dtype)).any():
            raise ImageError(_describe_fourth_channel(image[..., 3]))
        image = np.ascontiguousarray(image[..., :3])
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or image.size == 0:
        raise ImageError(
            f"expected H x W or H x W x 3, found the shape {image.shape}; "
            "pass one picture, channels last"
        )
    return image


def _check_dtype(image: Image) -> None:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"expected a NumPy array, found {type(image).__name__}; convert it")
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
        raise ImageError(
            f"expected uint8, uint16 or float in [0, 1], found {image.dtype}; convert it, so "
            "that the dtype tells the range"
        )


def _check_values(image: Image) -> None:
    if image.dtype.kind != "f":
        return
    low, high = _check_finite(image)
    if low < 0 or high > 1:
        raise ImageError(
            f"expected floats in [0, 1], found {low:g} to {high:g}; scale them by the sensor's "
            "full range"
        )


def _check_finite(image: Image) -> tuple[float, float]:
    """Return the smallest and largest value."""
    low, high = float(image.min()), float(image.max())  # either is NaN if any value is
    if not np.isfinite([low, high]).all():
        count = int(np.count_nonzero(~np.isfinite(image)))
        raise ImageError(f"expected finite values, found {count} NaN or infinite; replace them")
    return low, high


def _describe_fourth_channel(fourth: Image) -> str:
    """Tell transparency from thermal data: transparency is a few flat levels, a picture many."""
    if len(np.unique(fourth)) > 32:
        return (
            "expected grey or RGB, found 4 channels whose fourth is a picture itself: it looks "
            "like RGB and thermal in one file, as MFNet stores them; save the first three "
            "channels as the visible and the fourth as the infrared image"
        )
    return (
        "expected grey or RGB, found transparent pixels (4 channels, alpha below its full value); "
        "flatten the picture and save it without transparency"
    )
