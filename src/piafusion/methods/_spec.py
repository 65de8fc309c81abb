"""What the registry says of a method, and what a method is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from piafusion.engines.cores import usable_cores

Plane: TypeAlias = NDArray[np.float32]
Rule: TypeAlias = Callable[[Plane, Plane], Plane]
"""Takes infrared and luminance, H x W in [0, 1] each, at least 8 x 8, and gives the fused
luminance, H x W; what leaves [0, 1] is clipped later."""

Kind = Literal["baseline", "multi-scale", "optimisation", "learned"]


@dataclass(frozen=True)
class MethodSpec:
    """One method of the registry.

    Attributes:
        name: What it is chosen by.
        title: What it is called in tables and texts.
        paper: Where it comes from: authors, title, journal, year.
        kind: What sort of method it is.
        departures: Where ours is not the paper's, one sentence each.
        needs: The extra of piafusion that it needs to run, or None.
        packages: What that extra brings for it, as it is imported.
        weights: The format of its shipped weights, or None if nothing in it is learned.
        rule: Makes the method ready; None if its weights are a network.
    """

    name: str
    title: str
    paper: str
    kind: Kind
    departures: tuple[str, ...] = ()
    needs: str | None = None
    packages: tuple[str, ...] = ()
    weights: Literal["onnx", "npz"] | None = None
    rule: Callable[[], Rule] | None = None


class RuleEngine:
    """A rule as an engine: what `Fuser` puts in the place of a network."""

    device = "cpu"

    def __init__(self, rule: Rule, threads: int | None = None) -> None:
        """Wrap a rule.

        Args:
            rule: What fuses two planes.
            threads: Of the processor; one for each usable core by default.
        """
        self.threads = threads or usable_cores()
        self._rule = rule

    def __call__(self, *inputs: Plane) -> Plane:
        """Fuse N x 1 x H x W infrared and luminance."""
        infrared, luminance = inputs
        planes = zip(infrared[:, 0], luminance[:, 0], strict=True)
        return np.stack([self._rule(ir, y) for ir, y in planes])[:, None]
