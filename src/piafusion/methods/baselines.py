"""The mean and the maximum of both sources, and the visible one: what every method has to beat.

The maximum, and by day the visible picture, beat most published methods on many metrics.
"""

from __future__ import annotations

import numpy as np

from piafusion.methods._spec import MethodSpec, Plane


def average(infrared: Plane, luminance: Plane) -> Plane:
    """Return the mean of two planes, H x W."""
    return np.asarray((infrared + luminance) / 2, np.float32)


def maximum(infrared: Plane, luminance: Plane) -> Plane:
    """Return the larger value at each pixel of two planes, H x W."""
    return np.maximum(infrared, luminance)


def visible(infrared: Plane, luminance: Plane) -> Plane:
    """Return the luminance of the visible picture, H x W, as it is."""
    del infrared
    return luminance


AVERAGE = MethodSpec(
    name="average",
    create=lambda _: average,
    title="Average",
    paper="no paper: the mean of the sources",
    kind="baseline",
)
MAXIMUM = MethodSpec(
    name="maximum",
    create=lambda _: maximum,
    title="Maximum",
    paper="no paper: the pixelwise maximum of the sources",
    kind="baseline",
)
VISIBLE = MethodSpec(
    name="visible",
    create=lambda _: visible,
    title="Visible alone",
    paper="no paper: the visible picture as it is",
    kind="baseline",
)
