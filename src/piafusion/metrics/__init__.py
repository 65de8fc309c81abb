"""Fusion metrics, each with its direction, range and source.

>>> import numpy as np
>>> from piafusion.metrics import SPECS, evaluate
>>> picture = np.array([[0, 255], [0, 255]], dtype=np.uint8)
>>> evaluate(picture, picture, picture, metrics=["MI", "SD"])
{'MI': 2.0, 'SD': 127.5}
>>> SPECS["MI"].direction, SPECS["MI"].float.unit
('higher', 'bit')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from piafusion.errors import TooSmallError, UsageError
from piafusion.metrics import (
    correlation,
    difference,
    fmi,
    information,
    nabf,
    natural,
    qabf,
    qcb,
    qcv,
    qw,
    qy,
    ssim,
    statistics,
    vif,
)
from piafusion.metrics._spec import MetricSpec, read_greys
from piafusion.metrics.natural import Box, read_boxes
from piafusion.metrics.temporal import CLIP_SPECS, evaluate_clip

__all__ = [
    "ALL_SPECS",
    "CLIP_SPECS",
    "CONVENTIONS",
    "SPECS",
    "Box",
    "MetricSpec",
    "check_names",
    "evaluate",
    "evaluate_clip",
    "read_boxes",
]

CONVENTIONS: tuple[str, ...] = ("float", "uint8")
"""Arithmetic that `evaluate` can follow: that of later papers' code, and MATLAB's on uint8."""

_FAMILIES = (
    information,
    statistics,
    correlation,
    difference,
    ssim,
    vif,
    qabf,
    nabf,
    fmi,
    qcb,
    qcv,
    qw,
    qy,
    natural,
)

SPECS: Mapping[str, MetricSpec] = MappingProxyType(
    {spec.name: spec for family in _FAMILIES for spec in family.SPECS}
)
"""Every metric of a picture by its name, in the order of tables."""

ALL_SPECS: Mapping[str, MetricSpec] = MappingProxyType({**SPECS, **CLIP_SPECS})
"""Those, and the measures of clips."""


def evaluate(
    infrared: NDArray[Any],
    visible: NDArray[Any],
    fused: NDArray[Any],
    metrics: Sequence[str] = ("MI", "SD", "VIF", "Qabf"),
    convention: str = "float",
    boxes: Sequence[Box] = (),
) -> dict[str, float]:
    """Score one fused picture against the pair that it was made from.

    The dtype decides the range: uint8 is 0..255, uint16 is 0..65535, floating is [0, 1]; all are
    brought to the 0..255 scale. Colour is reduced to full-range BT.601 luminance (0.299, 0.587,
    0.114), for uint8 rounded to whole grey levels. MI, which counts levels, rounds any input.

    Args:
        infrared: ``H x W`` or ``H x W x 3`` RGB; uint8, uint16, or floating in [0, 1].
        visible: The same height and width; dtype and colour may differ.
        fused: The same height and width; dtype and colour may differ.
        metrics: Names out of `SPECS`.
        convention: ``"float"``, floating arithmetic on the 0..255 scale, or ``"uint8"``: all
            pictures are rounded to whole grey levels, and metrics whose spec says so follow the
            saturating arithmetic or the scale of the MATLAB code behind the published sheets.
        boxes: Boxes of the pair, as `piafusion.metrics.read_boxes` returns them; "targets" looks
            at the people in them.

    Returns:
        A value for each name, in the order asked for. Units, directions and ranges are in `SPECS`;
        the answers for constant pictures are explained with each metric. PSNR of three equal
        pictures is infinite. Only a metric whose spec has `needs` can be NaN: the pictures have
        no such thing.

    Raises:
        SizeMismatchError: The three heights and widths are not the same.
        TooSmallError: The pictures are too small for some of the metrics, which it names (MS-SSIM
            needs 176 x 176 pixels, VIF 41 x 41).
        ImageError: A picture has a wrong dtype, shape or value (NaN, float outside [0, 1]).
        UsageError: Unknown metric or convention.
    """
    check_names(metrics, convention)
    specs = [SPECS[name] for name in metrics]
    greys = read_greys(infrared, visible, fused, whole_levels=convention == "uint8", boxes=boxes)
    height, width = greys.fused.shape
    too_small = [spec for spec in specs if min(height, width) < spec.minimum_size]
    if too_small:
        names = ", ".join(spec.name for spec in too_small)
        least = max(spec.minimum_size for spec in too_small)
        raise TooSmallError(
            f"{names}: expected pictures of at least {least}x{least} pixels, "
            f"found {width}x{height}; leave {names} out or score a larger picture",
            [spec.name for spec in too_small],
        )
    return {spec.name: spec.arithmetic(convention).function(greys) for spec in specs}


def check_names(metrics: Sequence[str], convention: str) -> None:
    """Raise `UsageError` unless all metrics and the convention are known."""
    if isinstance(metrics, str):
        raise UsageError(
            f"expected a list of metric names, found the string {metrics!r}; "
            f"write metrics=[{metrics!r}]"
        )
    unknown = [name for name in metrics if name not in SPECS]
    if unknown:
        raise UsageError(
            f"expected metrics out of {', '.join(SPECS)}, found {', '.join(map(repr, unknown))}; "
            "check spelling and capitals"
        )
    if convention not in CONVENTIONS:
        raise UsageError(
            f"expected a convention out of {', '.join(CONVENTIONS)}, found {convention!r}; "
            "choose one of these or leave the argument out"
        )
