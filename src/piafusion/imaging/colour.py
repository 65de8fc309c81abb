"""Colour as the field fuses it: the network works on luminance, chroma is kept.

Full-range BT.601 (the JPEG matrix) in floating point: Y = 0.299 R + 0.587 G + 0.114 B,
Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.floating[Any]]

LUMA_WEIGHTS = (0.299, 0.587, 0.114)


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
