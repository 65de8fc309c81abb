"""Decoded frames as arrays: upright, the infrared grey, sixteen bits kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image

Layout = Literal["side-by-side", "top-bottom"]

# A palette or the visible video colours much of a picture; overlays and compression only a little.
_COLOURED = 24  # levels of 255 between the channels
_COLOURED_SHARE = 0.1  # of the pixels
_THUMBNAIL = 32  # pixels a side
_STRIDE = 8  # one pixel out of so many is enough to notice a palette


@dataclass(frozen=True)
class Frame:
    """A picture and its time, in seconds from the start of its source."""

    image: Image
    time: Fraction
    duration: Fraction


@dataclass(frozen=True)
class FramePair:
    """An infrared and a visible picture of one moment; the times are the visible's."""

    infrared: Image
    visible: Image
    time: Fraction
    duration: Fraction


Convert = Callable[[VideoFrame], Image]


def to_visible() -> Convert:
    """Return a function that turns frames of one source into upright H x W x 3 RGB uint8 arrays."""
    reformatter = VideoReformatter()

    def convert(frame: VideoFrame) -> Image:
        return _upright(reformatter.reformat(frame, format="rgb24", threads=1), frame.rotation)

    return convert


def to_infrared() -> Convert:
    """Return a function that turns frames of one source into upright grey H x W arrays.

    They are uint16 if the source has more than 8 bits, else uint8. Luminance of limited range is
    scaled to full range. The function raises `ImageError` if the first frame is coloured.
    """
    reformatter, checked = VideoReformatter(), False

    def convert(frame: VideoFrame) -> Image:
        nonlocal checked
        if not checked:
            small = frame.reformat(_THUMBNAIL, _THUMBNAIL, "rgb24").to_ndarray()
            refuse_palette(small)
            checked = True
        deep = frame.format.components[0].bits > 8
        grey = "gray16le" if deep else "gray"
        return _upright(reformatter.reformat(frame, format=grey, threads=1), frame.rotation)

    return convert


def split_halves(image: Image, layout: Layout, *, infrared_first: bool) -> tuple[Image, Image]:
    """Split a picture that shows both cameras.

    Args:
        image: H x W x 3 RGB uint8; the middle line of an odd side belongs to neither half.
        layout: Where the halves lie.
        infrared_first: Whether the infrared half is the left or upper one.

    Returns:
        The infrared, grey, and the visible, RGB, of one size.

    Raises:
        ImageError: If the infrared half is coloured.
    """
    if layout == "side-by-side":
        half = image.shape[1] // 2
        first, second = image[:, :half], image[:, image.shape[1] - half :]
    else:
        half = image.shape[0] // 2
        first, second = image[:half], image[image.shape[0] - half :]
    infrared, visible = (first, second) if infrared_first else (second, first)
    refuse_palette(infrared[::_STRIDE, ::_STRIDE])
    grey = cv2.cvtColor(np.ascontiguousarray(infrared), cv2.COLOR_RGB2GRAY)
    return grey, np.ascontiguousarray(visible)


def refuse_palette(image: Image) -> None:
    """Raise `ImageError` if much of an infrared picture, H x W x 3 uint8, is coloured."""
    coloured = float(np.mean(np.ptp(image, axis=2) > _COLOURED))
    if coloured > _COLOURED_SHARE:
        raise ImageError(
            f"expected grey infrared frames, found colours in {coloured:.0%} of the picture; "
            "record it without a palette, or swap the two if this is the visible video"
        )


def scale_to(infrared: Image, visible: Image) -> Image:
    """Scale an infrared picture to the height and width of the visible one.

    Raises:
        ImageError: If their aspect ratios differ by more than 2 %: then they cannot show the
            same view.
    """
    (height, width), (vi_height, vi_width) = infrared.shape[:2], visible.shape[:2]
    if (height, width) == (vi_height, vi_width):
        return infrared
    if abs(width * vi_height / (height * vi_width) - 1) > 0.02:
        raise ImageError(
            f"expected frames of one aspect ratio to resize, found infrared {width}x{height} and "
            f"visible {vi_width}x{vi_height}; align them instead"
        )
    shrinks = width > vi_width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(infrared, (vi_width, vi_height), interpolation=how)


def _upright(frame: VideoFrame, rotation: int) -> Image:
    """Return the array of a frame, turned anticlockwise by `rotation` degrees (multiples of 90)."""
    image: Image = frame.to_ndarray()
    quarters = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image
