"""Which three files belong together: the two sources and the picture fused from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.imaging.pairs import images_by_stem


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
    folders = (infrared, visible, fused)
    if fused.resolve() in (infrared.resolve(), visible.resolve()):
        raise UsageError(f"{fused}: is a folder of sources; give the folder of fused pictures")
    by_stem = {folder: images_by_stem(folder) for folder in dict.fromkeys(folders)}
    problems = {}
    for folder, stems in by_stem.items():
        for stem, paths in stems.items():
            without = [str(other) for other in by_stem if stem not in by_stem[other]]
            if without:
                message = (
                    f"no counterpart: expected {stem}.* in {' and '.join(without)}, found none"
                )
                problems.update(dict.fromkeys(paths, f"{message}; add it or remove this one"))
            elif len(paths) > 1:
                names = ", ".join(path.name for path in paths)
                message = f"expected one file per stem in {folder}, found {names}; keep one of them"
                problems.update(dict.fromkeys(paths, message))
    triples = [
        Triple(stem, *(by_stem[folder][stem][0] for folder in folders))
        for stem in sorted(by_stem[fused])
        if all(len(by_stem[folder].get(stem, ())) == 1 for folder in folders)
    ]
    if not triples:
        examples = ", ".join(next(iter(stems.values()))[0].name for stems in by_stem.values())
        raise UsageError(
            f"{infrared}, {visible} and {fused}: expected files that share a stem, found none "
            f"(for example {examples}); give the three files of a scene the same name"
        )
    return TripleList(triples, problems)
