"""The two cameras: fog, glare, exposure and noise of the visible, and the thermal picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.scenes import library
from piafusion.scenes.canvas import Canvas
from piafusion.scenes.hour import Hour
from piafusion.scenes.texture import Array

CLEAR, THICK = 3000.0, 45.0
"""Visibility in metres for a fog of 0 and 1."""
INFRARED_SHARE = 0.4
"""How much of what fog takes from the visible it takes from the infrared picture."""
_WHITE = 4.0  # exposed light that is still told apart from more
_STEPS = 4096


def visible_camera(
    canvas: Canvas, hour: Hour, fog: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The colour camera's picture, `H x W x 3` RGB."""
    through = cv2.exp(canvas.depth * np.float32(-3.912 / _visibility(fog)))
    airlight = 0.55 * hour.horizon + 0.35 * hour.skylight + 0.02 * hour.lamps * fog
    light: list[Array] = list(cv2.split(canvas.pixels)[:3])
    for plane, veil in zip(light, airlight.tolist(), strict=True):
        plane -= np.float32(veil)
        plane *= through
        plane += np.float32(veil)
        plane *= np.float32(hour.exposure)
    _add_glare(light, (0.05 + 0.20 * hour.lamps) * (1 + 1.5 * fog))
    # Photon noise is even in square roots; the picture goes through its tone curve from there.
    height, width = through.shape
    part = _noise_part(rng, height, width)
    levels = []
    for plane, noise in zip(light, library.sensor_noise(), strict=True):
        root: Array = cv2.sqrt(np.maximum(plane, 0, out=plane))
        root += np.float32(hour.grain) * part(noise)
        root *= np.float32((_STEPS - 1) / np.sqrt(_WHITE))
        steps = np.clip(root, 0, _STEPS - 1, out=root).astype(np.uint16)
        levels.append(np.take(_tone_curve(), steps))
    return np.asarray(cv2.merge(levels), np.uint8)


def infrared_camera(
    canvas: Canvas, hour: Hour, fog: float, warp: Array, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The thermal camera's picture, `H x W`.

    Args:
        canvas: The street.
        hour: Sets the air's temperature and with it the range that is shown.
        fog: In [0, 1].
        warp: Homography `3 x 3` from columns and rows of the colour picture to those of this one.
        rng: For noise.
    """
    warm: Array = np.ascontiguousarray(canvas.pixels[..., 3])
    through = cv2.exp(canvas.depth * np.float32(-INFRARED_SHARE * 3.912 / _visibility(fog)))
    warm = hour.air + (warm - np.float32(hour.air)) * through
    height, width = warm.shape
    if not np.array_equal(warp, np.eye(3)):
        warm = cv2.warpPerspective(
            warm, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    # What a surface sends goes with the fourth power of its temperature.
    low, high = ((np.float32(t) + 273.15) ** 4 for t in (hour.air - 15.0, 34.5))
    radiance = np.square(np.square(warm + np.float32(273.15)))
    shown = np.clip((radiance - low) * np.float32(1 / (high - low)), 0, 1)
    shown = cv2.pow(shown, 1.25) * np.float32(250.0)
    unit = height / 480
    soft = cv2.GaussianBlur(shown, (0, 0), float(np.clip(0.8 * unit, 0.35, 3.0)))
    columns = rng.standard_normal((1, width), np.float32)
    noise = _noise_part(rng, height, width)(library.sensor_noise()[0])
    soft += np.float32(0.45) * columns + np.float32(1.1) * noise
    return np.asarray(np.clip(np.rint(soft), 0, 255), np.uint8)


def _visibility(fog: float) -> float:
    return float(CLEAR * (THICK / CLEAR) ** fog)


def _add_glare(light: list[Array], strength: float) -> None:
    """Add to each plane the halo of bright lights and faint rays to the sides."""
    height, width = light[0].shape
    size = (max(1, width // 4), max(1, height // 4))
    unit = max(height, width) / 640
    for plane in light:
        small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        bright = np.clip(small - np.float32(0.9), 0, 40)
        if not bright.any():
            continue
        rays = cv2.GaussianBlur(bright, (0, 0), sigmaX=9 * unit, sigmaY=0.35)
        halo = np.float32(0.16 * strength) * rays
        for sigma, share in ((0.8, 0.34), (2.4, 0.24), (8.0, 0.22)):
            blurred = cv2.GaussianBlur(bright, (0, 0), max(0.3, sigma * unit))
            halo += np.float32(share * strength) * blurred
        plane += cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=1)
def _tone_curve() -> NDArray[np.uint8]:
    """Film-like curve and display gamma over the square roots of exposed light."""
    x = np.square(np.linspace(0, np.sqrt(_WHITE), _STEPS))
    curve = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return np.rint(255 * np.clip(curve, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def _noise_part(rng: np.random.Generator, height: int, width: int) -> Callable[[Array], Array]:
    """Draw which part of the noise is taken; the noise is repeated for large pictures."""
    side = library.NOISE_SIDE
    rows, columns = -(-height // side), -(-width // side)
    top = int(rng.integers(rows * side - height + 1))
    left = int(rng.integers(columns * side - width + 1))

    def part(noise: Array) -> Array:
        tiled = noise if rows == columns == 1 else np.tile(noise, (rows, columns))
        return np.asarray(tiled[top : top + height, left : left + width])

    return part
