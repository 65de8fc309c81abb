"""Enhancing infrared pictures by the dark channel prior, as section 4.1 of the paper does.

He, Sun, Tang: Single image haze removal using dark channel prior (TPAMI 33(12), 2011), with the
transmission refined by their guided filter. A thermal picture of low contrast is like a hazy one: a
constant warmth covers the differences. Eq. numbers are those of He et al.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, as_infrared, from_unit, to_unit
from piafusion.imaging.guided_filter import guided_filter

Plane = NDArray[Any]

PATCH = 15  # pixels: side of the neighbourhood of the dark channel
KEPT = 0.95  # how much of the veil is taken away (omega of Eq. 12)
LEAST_TRANSMISSION = 0.25  # t0 of Eq. 22; He et al. take 0.1, for less noisy pictures
BRIGHTEST = 0.001  # share of pixels that the light of the air is sought in
REFINING_RADIUS, REFINING_FLATNESS = 30, 1e-3
_NOISE_RADIUS = 2


def enhance(infrared: Image) -> Image:
    """Raise contrast and signal-to-noise of an infrared picture.

    Noise is first smoothed by a guided filter that leaves edges above the picture's own noise;
    then the veil is estimated and removed.

    Args:
        infrared: H x W; uint8, uint16 or float in [0, 1].

    Returns:
        H x W in the same dtype.

    Raises:
        ImageError: If the picture cannot be used.
    """
    source = as_infrared(infrared)
    levels = to_unit(source)
    noise = noise_level(levels)
    calm = guided_filter(levels, levels, _NOISE_RADIUS, max(4 * noise * noise, 1e-8))
    air = air_light(calm)
    transmission = 1 - KEPT * dark_channel(calm / np.float32(max(air, 1e-3)))
    refined = guided_filter(transmission, calm, REFINING_RADIUS, REFINING_FLATNESS)
    clear = (calm - air) / np.clip(refined, LEAST_TRANSMISSION, 1) + air
    return from_unit(np.asarray(clear, np.float32), source.dtype)


def dark_channel(levels: Plane) -> Plane:
    """Least level in the neighbourhood of each pixel (Eq. 5, of one channel), `H x W`."""
    return np.asarray(cv2.erode(levels, np.ones((PATCH, PATCH), np.uint8)), np.float32)


def air_light(levels: Plane) -> float:
    """Level of the veil: the highest where the dark channel is brightest (section 4.3 there)."""
    dark = dark_channel(levels)
    count = max(1, round(BRIGHTEST * dark.size))
    threshold = np.partition(dark.ravel(), -count)[-count]
    return float(levels[dark >= threshold].max())


def noise_level(levels: Plane) -> float:
    """Standard deviation of the noise: of what is left when planes and edges are differenced away.

    Immerkaer: Fast noise variance estimation (1996), with the median for the mean, which edges
    hardly move.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    left = cv2.filter2D(levels, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
    return float(np.median(np.abs(left)) / (0.6745 * 6.0))
