"""Patterns that surfaces are made of: seamless noise, lettering, colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

NOISE_TILE = 512


class Noise:
    """Two seamless tiles of unit-variance noise: cloudy (1/f) and grainy (white)."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the tiles from `rng`."""
        white = rng.standard_normal((NOISE_TILE, NOISE_TILE))
        frequency = np.hypot(
            np.fft.fftfreq(NOISE_TILE)[:, None], np.fft.rfftfreq(NOISE_TILE)[None, :]
        )
        frequency[0, 0] = np.inf
        cloudy = np.fft.irfft2(np.fft.rfft2(white) / frequency**1.35, s=white.shape)
        self._cloudy = _wrapped(cloudy / cloudy.std())
        self._grainy = _wrapped(white)

    def cloudy(self, a: Array, b: Array, texels: float) -> Array:
        """Smooth noise at positions `a`, `b` (same shape, metres), `texels` per metre."""
        return _sample(self._cloudy, a, b, texels)

    def grainy(self, a: Array, b: Array, texels: float) -> Array:
        """Rough noise at positions `a`, `b` (same shape, metres), `texels` per metre."""
        return _sample(self._grainy, a, b, texels)


def _wrapped(tile: Array) -> Array:
    return np.pad(tile.astype(np.float32), ((0, 1), (0, 1)), mode="wrap")


def _sample(tile: Array, a: Array, b: Array, texels: float) -> Array:
    a, b = np.broadcast_arrays(a, b)
    scale = np.float32(texels)
    size = np.float32(NOISE_TILE)
    u, v = (np.asarray(axis, np.float32) * (scale / size) for axis in (a, b))
    u, v = (u - np.floor(u)) * size, (v - np.floor(v)) * size
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR)


def smoothstep(low: float, high: float, value: Array | float) -> Array:
    """Ease from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour as float32, so that arithmetic with it stays in float32."""
    return np.array([red, green, blue], np.float32)


def lettering(lines: Sequence[str]) -> Array:
    """Ink of some lines of text as a float32 mask in [0, 1], tightly framed."""
    font, scale = cv2.FONT_HERSHEY_DUPLEX, 1.2
    pitch = int(44 * scale)
    widths = [cv2.getTextSize(line, font, scale, 2)[0][0] for line in lines]
    ink = np.zeros((pitch * len(lines) + int(14 * scale), max(widths) + 24), np.uint8)
    for row, line in enumerate(lines):
        place = ((ink.shape[1] - widths[row]) // 2, int(pitch * (row + 0.85)))
        cv2.putText(ink, line, place, font, scale, 255, 2, cv2.LINE_AA)
    return ink.astype(np.float32) / 255.0


def stamp(tile: Array, across: Array, down: Array) -> Array:
    """Read `tile` at relative positions `across`, `down` in [0, 1]; 0 outside."""
    u = (across * tile.shape[1] - 0.5).astype(np.float32)
    v = (down * tile.shape[0] - 0.5).astype(np.float32)
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
