"""The two methods that every method has to beat: average and maximum of the sources."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import (
    Image,
    as_infrared,
    as_visible,
    check_same_size,
    from_unit,
    to_unit,
)
from piafusion.imaging.colour import luminance, replace_luminance

Plane = NDArray[np.float32]


def average(infrared: Image, visible: Image) -> Image:
    """Return the mean of infrared and luminance, with the chroma of the visible picture.

    Args:
        infrared: As `Fuser` takes it.
        visible: As `Fuser` takes it.

    Raises:
        ImageError: If a picture cannot be used.
        SizeMismatchError: If the sizes differ.
    """
    return _by_luminance(_mean, infrared, visible)


def maximum(infrared: Image, visible: Image) -> Image:
    """Return the pixelwise larger of infrared and luminance; all else as `average`."""
    return _by_luminance(np.maximum, infrared, visible)


def _mean(infrared: Plane, y: Plane) -> Plane:
    return np.asarray((infrared + y) / 2, dtype=np.float32)


def _by_luminance(rule: Callable[[Plane, Plane], Plane], infrared: Image, visible: Image) -> Image:
    ir, vi = to_unit(as_infrared(infrared)), to_unit(as_visible(visible))
    check_same_size(ir, vi)
    y = np.asarray(luminance(vi), dtype=np.float32)
    fused = np.asarray(replace_luminance(vi, y, rule(ir, y)), dtype=np.float32)
    return from_unit(fused, visible.dtype).reshape(visible.shape)
