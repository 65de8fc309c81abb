"""Folders of pictures: which files are the two halves of one scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.imaging.formats import is_readable, known_suffixes


@dataclass(frozen=True)
class Pair:
    """The two files of one scene."""

    stem: str
    infrared: Path
    visible: Path


@dataclass(frozen=True)
class PairList:
    """Pairs sorted by stem, and what was found without a counterpart or more than once."""

    pairs: list[Pair]
    problems: dict[Path, str]


def list_images(folder: Path) -> list[Path]:
    """Return the picture files directly in a folder, sorted by name.

    Other files, hidden files and subfolders are passed over.

    Raises:
        UsageError: If the folder is missing, is a file, or holds no picture.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise UsageError(f"{folder}: expected a folder of images, found {found}; check the path")
    images = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and is_readable(path) and path.is_file()
    )
    if not images:
        known = ", ".join(suffix[1:] for suffix in known_suffixes())
        raise UsageError(f"{folder}: expected images ({known}), found none; check the path")
    return images


def list_pairs(infrared: Path, visible: Path) -> PairList:
    """Match the pictures of two folders by stem.

    Raises:
        UsageError: If a folder is missing or empty, or no stem occurs in both.
    """
    matches, problems = match(infrared, visible)
    return PairList([Pair(stem, *paths) for stem, paths in matches.items()], problems)


def list_photos(folder: Path) -> PairList:
    """Return the files of a folder that hold both pictures each, as pairs with themselves.

    Raises:
        UsageError: If the folder is missing or empty.
    """
    matches, problems = match(folder)
    return PairList([Pair(stem, *paths, *paths) for stem, paths in matches.items()], problems)


def match(*folders: Path) -> tuple[dict[str, list[Path]], dict[Path, str]]:
    """Match the pictures of several folders by stem; a folder may be given twice.

    Returns:
        For each stem that occurs in all folders, in order, its file in each; and what is wrong
        with the files of other stems.

    Raises:
        UsageError: If a folder is missing or empty, or no stem occurs in all of them.
    """
    by_stem = {folder: images_by_stem(folder) for folder in folders}
    problems = {}
    for folder, stems in by_stem.items():
        for stem, paths in stems.items():
            without = [str(other) for other in by_stem if stem not in by_stem[other]]
            if without:
                missing = " and ".join(without)
                message = f"no counterpart: expected {stem}.* in {missing}, found none"
                problems.update(dict.fromkeys(paths, f"{message}; add it or remove this one"))
            elif len(paths) > 1:
                names = ", ".join(path.name for path in paths)
                message = f"expected one file per stem in {folder}, found {names}; keep one of them"
                problems.update(dict.fromkeys(paths, message))
    matches = {
        stem: [by_stem[folder][stem][0] for folder in folders]
        for stem in sorted(by_stem[folders[0]])
        if all(len(stems.get(stem, ())) == 1 for stems in by_stem.values())
    }
    if not matches:
        names = " and ".join(map(str, by_stem))
        examples = ", ".join(next(iter(stems.values()))[0].name for stems in by_stem.values())
        raise UsageError(
            f"{names}: expected files that share a stem, found none "
            f"(for example {examples}); give all files of a scene the same name"
        )
    return matches, problems


def images_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of a folder by stem, which several files may share.

    Raises:
        UsageError: If the folder is missing or empty.
    """
    stems: dict[str, list[Path]] = {}
    for path in list_images(folder):
        stems.setdefault(path.stem, []).append(path)
    return stems
