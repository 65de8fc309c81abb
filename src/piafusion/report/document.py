"""The parts of a report. Each module beside this one writes them in one format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:  # the command line prints tables without NumPy
    import numpy as np
    from numpy.typing import NDArray

Mark = Literal["best", "second", ""]
LineStyle = tuple[str, str]
"""Colour and dash pattern of a curve."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: The content.
        spread: A standard deviation, written after the content and a plus-minus sign.
        detail: A second, smaller line, such as an interval.
        mark: Whether the cell is the best or the second best of its column.
    """

    text: str
    spread: str = ""
    detail: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row names the row.

    Attributes:
        header: The title of each column.
        rows: Cells, as many as the header has.
        title: Stands above the table.
        prose: The cells hold sentences: they are aligned left and wrapped.
        folded: On a web page the table is hidden until the reader opens it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    title: str = ""
    prose: bool = False
    folded: bool = False

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows with every cell as a `Cell`."""
        return [[Cell(each) if isinstance(each, str) else each for each in r] for r in self.rows]


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: The content.
        note: It explains a block beside it and is shown in a softer colour.
        title: Stands above the paragraph.
        about_pictures: It explains pictures: formats without pictures leave it out.
    """

    text: str
    note: bool = False
    title: str = ""
    about_pictures: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]
    title: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, H x W x 3 RGB uint8 or H x W, by their captions."""

    pictures: Mapping[str, NDArray[np.uint8]]
    title: str = ""


@dataclass(frozen=True)
class Curves:
    """Drawings of curves as SVG elements, and the line styles of their legend by name."""

    drawings: Sequence[str]
    legend: Mapping[str, LineStyle]
    title: str = ""


Block: TypeAlias = Text | Bullets | Table | Pictures | Curves


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: The heading.
        blocks: The content.
        link: The short name in the list of sections; the title by default.
    """

    title: str
    blocks: Sequence[Block]
    link: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report: a title, an introduction and sections."""

    title: str
    introduction: Sequence[Block] = ()
    sections: Sequence[Section] = field(default_factory=list)
