"""The description of a comparison method, and the engine that runs one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from piafusion.engines import Tensor
from piafusion.reach import Reach

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the methods' weights, with a manifest like that of the models."""

Plane: TypeAlias = NDArray[np.float32]
Rule: TypeAlias = Callable[[Plane, Plane], Plane]
"""Takes infrared and luminance, H x W in [0, 1] each, at least 8 x 8, and gives the fused
luminance, H x W; what leaves [0, 1] is clipped later."""

Kind = Literal["baseline", "multi-scale", "optimisation", "network", "plug-in"]


@dataclass(frozen=True)
class MethodSpec:
    """One method of the registry.

    Attributes:
        name: The name that users choose it by.
        create: Returns the rule, prepared for that many threads of the processor.
        title: Its name in tables and texts.
        paper: Its source: authors, title, journal, year.
        kind: The family of the method.
        departures: Differences from the paper, one sentence each.
        needs: The extra of piafusion that it needs to run, or None.
        packages: Packages of that extra that it imports.
        weights: The format of its shipped weights, or None if nothing in it is learned.
        trained_as: The name of its training in `piafusion train method`.
    """

    name: str
    create: Callable[[int], Rule]
    title: str
    paper: str
    kind: Kind
    departures: tuple[str, ...] = ()
    needs: str | None = None
    packages: tuple[str, ...] = ()
    weights: Literal["npz", "onnx"] | None = None
    trained_as: str | None = None


class RuleEngine:
    """A rule as an engine: `Fuser` uses it in the place of a network.

    Attributes:
        device: Always the processor.
        precision: Always float.
        threads: Number of threads that the rule was prepared for.
        reach: None; a rule fuses pictures as a whole.
        context_side: None; a rule judges nothing.
    """

    device = "cpu"
    precision = "float"
    reach: Reach | None = None
    context_side: int | None = None

    def __init__(self, rule: Rule, threads: int) -> None:
        """Wrap a rule."""
        self.threads = threads
        self._rule = rule

    def encode(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Raise `NotImplementedError`: a rule has no gate, and is never asked for tiles."""
        raise NotImplementedError("a rule has no gate")

    def judge(self, thumbnails: Tensor) -> Tensor:
        """Raise `NotImplementedError`: a rule has no context network."""
        raise NotImplementedError("a rule has no context network")

    def fuse(self, infrared: Tensor, luminance: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the fused luminance of N x 1 x H x W planes; the share is not used."""
        del share
        planes = zip(infrared[:, 0], luminance[:, 0], strict=True)
        return np.stack([self._rule(ir, y) for ir, y in planes])[:, None]
