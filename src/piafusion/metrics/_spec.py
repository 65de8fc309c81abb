"""The description of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from piafusion.metrics._inputs import Greys

FUSED: tuple[str, ...] = ("fused",)
ALL: tuple[str, ...] = ("infrared", "visible", "fused")


@dataclass(frozen=True)
class Arithmetic:
    """A metric in one convention.

    Attributes:
        function: Computes the value from three grey pictures.
        range: Smallest and largest value that the definition allows, in `unit`.
        unit: Unit of the value, or an empty string for a pure number.
    """

    function: Callable[[Greys], float]
    range: tuple[float, float]
    unit: str = ""


@dataclass(frozen=True)
class MetricSpec:
    """One fusion metric: how to compute it and how to read its value.

    Attributes:
        name: The name that `evaluate` takes and that tables show.
        direction: The better direction, ``"higher"`` or ``"lower"``.
        inputs: The pictures that the value depends on.
        reference: The paper that defined the metric.
        float: The metric in the float convention.
        uint8: The metric in the uint8 convention, where its arithmetic or its unit differs;
            None where both conventions are the same on whole grey levels.
        minimum_size: Least height and least width, in pixels, on which it is defined.
        needs: Property that a picture must have beside its size, or it has no value: NaN.
    """

    name: str
    direction: Literal["higher", "lower"]
    inputs: tuple[str, ...]
    reference: str
    float: Arithmetic
    uint8: Arithmetic | None = None
    minimum_size: int = 1
    needs: str = ""

    def arithmetic(self, convention: str) -> Arithmetic:
        """Return the metric in the convention ``"float"`` or ``"uint8"``."""
        return self.uint8 if convention == "uint8" and self.uint8 else self.float
