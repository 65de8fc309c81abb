"""What of each source a fused picture shows: measures for what the paper says in words."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance
from piafusion.metrics import evaluate

NAMES = ("targets", "infrared edges", "visible edges")

_SURROUNDINGS = 8  # a target is compared with this part of the picture's sides around it
_STANDS_OUT = 2.0  # standard deviations
_FEWEST = 16  # pixels


def traces(infrared: Image, visible: Image, fused: Image) -> dict[str, float]:
    """Measure what a fused picture shows of its sources.

    - targets: thermal targets are pixels whose infrared value is more than two standard deviations
      above the mean around them. How much brighter the fused picture is there than around, as a
      share of how much brighter the infrared picture is. Missing where there are no targets.
    - infrared edges, visible edges: Qabf with one source in the place of both.

    Args:
        infrared: H x W.
        visible: H x W or H x W x 3 RGB.
        fused: Of the shape of `visible`.
        All uint8, uint16 or float in [0, 1].
    """
    heat = np.asarray(to_unit(infrared), np.float32)
    y, result = (np.asarray(luminance(to_unit(image)), np.float32) for image in (visible, fused))
    values = {
        f"{name} edges": evaluate(source, source, result, metrics=["Qabf"])["Qabf"]
        for name, source in (("infrared", heat), ("visible", y))
    }
    targets = _targets(heat)
    if targets.sum() >= _FEWEST:
        values["targets"] = _excess(result, targets) / _excess(heat, targets)
    return values


def _targets(heat: NDArray[np.float32]) -> NDArray[np.bool_]:
    excess = heat - _around(heat)
    return np.asarray(excess > _STANDS_OUT * heat.std(), dtype=np.bool_)


def _excess(picture: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return float((picture - _around(picture))[where].mean())


def _around(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = picture.shape
    size = (max(1, width // _SURROUNDINGS), max(1, height // _SURROUNDINGS))
    return np.asarray(cv2.blur(picture, size), dtype=np.float32)
