"""The mean of both sources: what every method has to beat."""

from __future__ import annotations

import numpy as np

from piafusion.methods._spec import MethodSpec, Plane


def average(infrared: Plane, luminance: Plane) -> Plane:
    """Return the mean of two planes, H x W."""
    return np.asarray((infrared + luminance) / 2, np.float32)


SPEC = MethodSpec(
    name="average",
    create=lambda _: average,
    title="Average",
    paper="no paper: the mean of the sources",
    kind="baseline",
)
