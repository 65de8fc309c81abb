"""The mean of both sources: what every method has to beat."""

from __future__ import annotations

from piafusion.methods._spec import MethodSpec, Plane


def average(infrared: Plane, luminance: Plane) -> Plane:
    """Return the mean of two planes, H x W."""
    fused: Plane = (infrared + luminance) / 2
    return fused


SPEC = MethodSpec(
    name="average",
    title="Average",
    paper="no paper: the mean of the sources",
    kind="baseline",
    rule=lambda: average,
)
