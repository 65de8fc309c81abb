"""What a step of the reproduction tells: blocks for a page, and verdicts on claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from piafusion.lab.evaluation.tables import Table
from piafusion.lab.paper.published import SECTIONS

Verdict = Literal["holds", "does not hold", "cannot be tested here"]


@dataclass(frozen=True)
class Claim:
    """Something that the paper says, and what was found.

    Attributes:
        section: Of the paper.
        text: What it says.
        verdict: Whether that is so here.
        evidence: The numbers, or what is missing.
        data: What it was tested on; empty if it could not be.
    """

    section: str
    text: str
    verdict: Verdict
    evidence: str
    data: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; a soft one is a note."""

    text: str
    soft: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: the header, then rows; a cell's second line is shown small."""

    rows: list[list[str]]
    title: str = ""


@dataclass(frozen=True)
class Scores:
    """Methods with means, intervals and marks."""

    table: Table
    title: str


@dataclass(frozen=True)
class Sheet:
    """Pictures of one scene side by side, H x W x 3 RGB, by their captions."""

    title: str
    cells: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Drawing:
    """SVG elements, and the legend that they share."""

    title: str
    svgs: list[str]
    legend: str


Block: TypeAlias = Text | Grid | Scores | Sheet | Drawing


@dataclass(frozen=True)
class Section:
    """What a step found.

    Attributes:
        name: Of the step.
        blocks: What was measured.
        claims: Of the paper, judged.
        deviations: Where this differs from what the paper did.
        values: The numbers, as JSON knows them.
    """

    name: str
    blocks: list[Block] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    deviations: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is about."""
        return SECTIONS[self.name][0]

    @property
    def paper(self) -> str:
        """What the paper says about it, in short."""
        return SECTIONS[self.name][1]


def untested(section: str, text: str, why: str) -> Claim:
    """Return a claim that nothing here can judge."""
    return Claim(section, text, "cannot be tested here", why)
