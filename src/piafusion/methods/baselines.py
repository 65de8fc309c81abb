"""The mean and the maximum of both sources, and the visible one: what every method has to beat.

The maximum, and by day the visible picture, beat most published methods on many metrics.
"""

from __future__ import annotations

import numpy as np

from piafusion.methods._spec import MethodSpec, Plane, Rule


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


def _baseline(name: str, rule: Rule, title: str, paper: str) -> MethodSpec:
    return MethodSpec(
        name=name,
        create=lambda _: rule,
        title=title,
        paper=f"no paper: {paper}",
        kind="baseline",
    )


AVERAGE = _baseline("average", average, "Average", "the mean of the sources")
MAXIMUM = _baseline("maximum", maximum, "Maximum", "the pixelwise maximum of the sources")
VISIBLE = _baseline("visible", visible, "Visible alone", "the visible picture as it is")
