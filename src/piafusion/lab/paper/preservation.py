"""Measures of how much of each source a fused picture preserves; the paper judges it by eye."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance
from piafusion.metrics import evaluate

MEASURES = ("targets", "infrared edges", "visible edges")

_WINDOW = 8  # surroundings extend over this part of the picture's sides
_STANDS_OUT = 2.0  # standard deviations
_FEWEST = 16  # pixels of all targets


def preservation(infrared: Image, visible: Image, fused: Image) -> dict[str, float]:
    """Measure how much of each source a fused picture preserves.

    - targets: thermal targets are pixels whose infrared value is more than two standard deviations
      above the mean around them. The value is the contrast of these pixels with their surroundings
      in the fused picture, divided by their contrast in the infrared. Missing without targets.
    - infrared edges, visible edges: Qabf with one source in the place of both.

    Args:
        infrared: H x W.
        visible: H x W or H x W x 3 RGB.
        fused: Has the shape of `visible`.
        All uint8, uint16 or float in [0, 1].
    """
    thermal = np.asarray(to_unit(infrared), np.float32)
    y, result = (np.asarray(luminance(to_unit(image)), np.float32) for image in (visible, fused))
    values = {
        f"{name} edges": evaluate(source, source, result, metrics=["Qabf"])["Qabf"]
        for name, source in (("infrared", thermal), ("visible", y))
    }
    targets = _targets(thermal)
    if targets.sum() >= _FEWEST:
        values["targets"] = _contrast(result, targets) / _contrast(thermal, targets)
    return values


def _targets(thermal: NDArray[np.float32]) -> NDArray[np.bool_]:
    excess = thermal - _surroundings(thermal)
    return np.asarray(excess > _STANDS_OUT * thermal.std(), dtype=np.bool_)


def _contrast(picture: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return float((picture - _surroundings(picture))[where].mean())


def _surroundings(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = picture.shape
    size = (max(1, width // _WINDOW), max(1, height // _WINDOW))
    return np.asarray(cv2.blur(picture, size), dtype=np.float32)
