"""Which three files belong together: the two sources and the picture fused from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.imaging.pairs import match


@dataclass(frozen=True)
class Triple:
    """The files of one scene."""

    stem: str
    infrared: Path
    visible: Path
    fused: Path


@dataclass(frozen=True)
class TripleList:
    """Triples sorted by stem, and what was found without counterparts or more than once."""

    triples: list[Triple]
    problems: dict[Path, str]


def list_triples(infrared: Path, visible: Path, fused: Path) -> TripleList:
    """Match the pictures of three folders by stem.

    Files that are no pictures, hidden files and subfolders are passed over.

    Raises:
        UsageError: If a folder is missing or empty, if one of the sources' folders is the folder
            of fused pictures, or if no stem occurs in all three.
    """
    if fused.resolve() in (infrared.resolve(), visible.resolve()):
        raise UsageError(f"{fused}: is a folder of sources; give the folder of fused pictures")
    matches, problems = match(infrared, visible, fused)
    return TripleList([Triple(stem, *paths) for stem, paths in matches.items()], problems)
