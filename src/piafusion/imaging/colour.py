"""Colour as the field fuses it: the network works on luminance, chroma is kept.

Full-range BT.601 (the JPEG matrix) in floating point: Y = 0.299 R + 0.587 G + 0.114 B,
Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402.

`split_luminance` and `join_luminance` do what `luminance` and `replace_luminance` say in two
lines, fast: a channel at a time, in the picture's own integers, in memory that is used again.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, full_scale, to_unit
from piafusion.imaging.buffers import Buffers

FloatImage = NDArray[np.floating[Any]]

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
# Green's weight beside red, then blue's beside both, to 16 bits: times a byte that is exact in
# float32, so three equal channels give their value to the last bit.
_GREEN_OF_TWO = round(0.587 / 0.886 * 2**16) / 2**16
_BLUE_OF_THREE = round(0.114 * 2**16) / 2**16


def luminance(image: FloatImage) -> FloatImage:
    """Return the BT.601 luminance of a grey or colour image.

    Args:
        image: H x W or H x W x 3 RGB, float32 or float64.

    Returns:
        H x W of the same dtype. A grey image comes back as it is, and so does, to the last bit, the
        one channel of a colour image whose three channels are equal.
    """
    if image.ndim == 2:
        return image
    # As R plus weighted differences, the weights' rounding cannot tint a grey picture.
    red, green, blue = cv2.split(image)
    _, of_green, of_blue = LUMA_WEIGHTS
    return np.asarray(red + of_green * (green - red) + of_blue * (blue - red))


def replace_luminance(image: FloatImage, old: FloatImage, new: FloatImage) -> FloatImage:
    """Give an image a new luminance and keep its chroma.

    In YCbCr this would be: convert, put `new` in the place of Y, convert back. Since the way
    back is linear and adds Y to each of R, G and B alike, the whole round trip is the same as
    adding `new - old` to each channel, exactly and without the chroma's rounding.

    Args:
        image: H x W or H x W x 3 RGB, float.
        old: Its luminance, H x W.
        new: The luminance to give it, H x W.

    Returns:
        The shape and dtype of `image`. Not clipped: a bright saturated colour may leave [0, 1].
    """
    change = new - old
    return new if image.ndim == 2 else np.asarray(image + change[..., None])


def split_luminance(image: Image, channels: list[Image], y: NDArray[np.float32]) -> None:
    """Split a picture into its channels and its luminance.

    Args:
        image: H x W or H x W x 3 RGB; uint8, uint16 or float in [0, 1].
        channels: One or three, H x W each of the same dtype, float32 for floats; receive them.
        y: Receives the luminance, H x W in [0, 1]; of bytes, within 1e-5 of `luminance`'s.
    """
    if image.dtype.kind == "f":
        image = to_unit(image)
    if image.ndim == 2:
        np.copyto(channels[0], image)
        np.multiply(image, 1 / full_scale(image.dtype), out=y, dtype=np.float32)
        return
    cv2.split(image, channels)
    red, green, blue = channels
    scale = 1 / full_scale(image.dtype)
    if image.dtype == np.uint8:
        np.copyto(y, red)
        cv2.accumulateWeighted(green, y, _GREEN_OF_TWO)
        cv2.accumulateWeighted(blue, y, _BLUE_OF_THREE)
        np.multiply(y, scale, out=y, dtype=np.float32)
        return
    # As `luminance` has it: red plus weighted differences, which are 0 in a grey picture.
    np.multiply(red, scale, out=y, dtype=np.float32)
    for channel, weight in zip((green, blue), LUMA_WEIGHTS[1:], strict=True):
        change = cv2.addWeighted(channel, 1, red, -1, 0, dtype=cv2.CV_32F)
        cv2.scaleAdd(change, weight * scale, y, dst=y)


def join_luminance(
    channels: list[Image],
    old: NDArray[np.float32],
    new: NDArray[np.float32],
    buffers: Buffers,
    fused: Image,
) -> None:
    """Give the channels of a picture a new luminance, keeping its chroma.

    The change is rounded to whole levels once and is the same for all channels: grey stays grey.

    Args:
        channels: As `split_luminance` gives them; their memory is used.
        old: Their luminance, H x W in [0, 1].
        new: The luminance to give them, H x W in [0, 1].
        buffers: Memory for intermediate results.
        fused: Receives the result, H x W or H x W x 3, clipped to the range of its dtype.
    """
    dtype = channels[0].dtype
    if dtype.kind == "f":
        change = cv2.subtract(new, old, dst=buffers("change", old.shape, np.float32))
        for channel in channels:
            np.clip(cv2.add(channel, change, dst=channel), 0, 1, out=channel)
    else:
        # Unsigned levels saturate at both ends, so one of the two is 0 at each pixel.
        full, depth = full_scale(dtype), cv2.CV_8U if dtype == np.uint8 else cv2.CV_16U
        levels = buffers("levels", old.shape, dtype)
        cv2.addWeighted(new, full, old, -full, 0, dst=levels, dtype=depth)
        for channel in channels:
            cv2.add(channel, levels, dst=channel)
        cv2.addWeighted(old, full, new, -full, 0, dst=levels, dtype=depth)
        for channel in channels:
            cv2.subtract(channel, levels, dst=channel)
    if fused.dtype == dtype and len(channels) > 1:
        cv2.merge(channels, dst=fused)
    else:
        fused[...] = channels[0] if fused.ndim == 2 else cv2.merge(channels)
