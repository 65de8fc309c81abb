"""Stretching, and filtering by the eye's contrast sensitivity, for Qcb and Qcv."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._spec import Grey, Greys, Single

Sensitivity = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def stretched(greys: Greys) -> list[Single]:
    """Stretch each of the three pictures by itself."""
    return [_stretch(plane) for plane in greys.planes]


def _stretch(grey: Grey) -> Single:
    """Stretch a picture to 0..255 and round to whole levels, halves up, as Z. Liu's toolbox does.

    A constant picture stays as it is; there that code divides 0 by 0.
    """
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        return grey.astype(np.float32)
    levels = np.arange(256.0) if grey.dtype == np.float32 else grey  # float32 is whole levels
    nearest = np.floor((levels - low) * (255.0 / (high - low)) + 0.5).astype(np.float32)
    if grey.dtype == np.float32:
        return np.asarray(cv2.LUT(grey.astype(np.uint8), nearest), dtype=np.float32)
    return nearest


def filter_by_sensitivity(picture: Single, sensitivity: Sensitivity, pixels: float) -> Single:
    """Multiply a picture's spectrum by a sensitivity to spatial frequencies.

    Args:
        picture: ``H x W``, float32, continued periodically.
        sensitivity: Factor at each frequency, in cycles per degree; a function at module level,
            since its values for one size are kept.
        pixels: Pixels in the unit that frequencies are counted in: the highest one along an axis
            of n pixels is ``n / pixels``.

    Returns:
        The filtered picture, ``H x W``, float32.
    """
    spectrum = np.asarray(cv2.dft(picture))
    product = cv2.mulSpectrums(spectrum, _packed(sensitivity, pixels, picture.shape), 0)
    return np.asarray(cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE), dtype=np.float32)


@lru_cache(maxsize=4)
def _packed(sensitivity: Sensitivity, pixels: float, shape: tuple[int, int]) -> Single:
    """Sensitivity at the frequencies of a picture size, in OpenCV's packed order."""
    height, width = shape
    vertical = np.fft.fftfreq(height) * (2.0 * height / pixels)
    horizontal = np.fft.rfftfreq(width) * (2.0 * width / pixels)
    factors = sensitivity(np.hypot(vertical[:, None], horizontal))
    kernel = np.fft.irfft2(factors, s=shape).astype(np.float32)
    return np.asarray(cv2.dft(kernel), dtype=np.float32)
