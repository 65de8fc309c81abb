"""What the registry knows of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from piafusion.metrics._inputs import Greys


@dataclass(frozen=True)
class MetricSpec:
    """One fusion metric: how to compute it and how to read its value.

    Attributes:
        name: The name that `evaluate` takes and that tables show.
        direction: Which way is better, ``"higher"`` or ``"lower"``.
        range: Smallest and largest value that the definition allows, in the metric's own unit.
        unit: Unit of the value, or an empty string for a pure number.
        reference: Where the metric was defined.
        function: Computes the value from three grey pictures in the float convention.
        minimum_size: Least height and least width, in pixels, on which it is defined.
    """

    name: str
    direction: Literal["higher", "lower"]
    range: tuple[float, float]
    unit: str
    reference: str
    function: Callable[[Greys], float]
    minimum_size: int = 1
