"""Finds the two pictures of each scene by one rule, for folders, data sets and zips.

Two names are a pair if they are equal without the suffix. If each camera adds something of its own
to the name, a pattern tells it: `*_ir=*_vi`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar
from unicodedata import normalize

from piafusion.errors import UsageError
from piafusion.imaging.formats import find_photo_reader, is_readable, known_suffixes
from piafusion.imaging.places import is_url

Item = TypeVar("Item")

# Marks that cameras and data sets put before or behind the name that a pair shares.
INFRARED_MARKS = ("ir", "i", "t", "th", "thermal", "infrared", "lwir", "tir", "flir")
VISIBLE_MARKS = ("vi", "vis", "v", "w", "rgb", "visible", "visual", "color", "colour", "z", "eo")
_SEPARATORS = ("_", "-", ".", " ", "")
_FIRST = 20  # files of a folder that tell whether it holds photos of both cameras
_MOST_LOOKED_AT = 500  # infrared names, to find a pattern


@dataclass(frozen=True)
class Pair:
    """The two files of one scene; the stem names the fused picture."""

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


@dataclass(frozen=True)
class Match:
    """How the two names of a pair differ; by default they do not.

    Attributes:
        infrared: Pattern of infrared names without the suffix; each `*` is a part that both share.
        visible: Pattern of visible names.
    """

    infrared: str = "*"
    visible: str = "*"

    @classmethod
    def parse(cls, text: str | None) -> Match:
        """Return what a text such as `*_ir=*_vi` says; nothing says that the names are equal.

        Raises:
            UsageError: If it is no such text.
        """
        if not text:
            return cls()
        halves = normalize("NFC", text).split("=")
        counts = {half.count("*") for half in halves}
        if len(halves) != 2 or len(counts) > 1 or 0 in counts:
            raise UsageError(
                "match: expected IR=VI, such as *_ir=*_vi, with a * for each part that both names "
                f"share, found {text!r}"
            )
        return cls(*halves)

    def __str__(self) -> str:
        return f"{self.infrared}={self.visible}"

    def keys(self, stems: Iterable[str], side: int) -> dict[str, str]:
        """Return what each stem shares with its counterpart, without those that fit no pattern.

        Args:
            stems: Names without the suffix; an accent may be a part of its letter or a sign of
                its own, as the systems differ in that.
            side: 0 for infrared, 1 for visible.
        """
        parts = map(re.escape, (self.infrared, self.visible)[side].split("*"))
        fits = re.compile("(.*)".join(parts), re.IGNORECASE | re.DOTALL)
        found = ((stem, fits.fullmatch(normalize("NFC", stem))) for stem in stems)
        return {stem: "*".join(shared.groups()) for stem, shared in found if shared}

    def name(self, key: str, side: int) -> str:
        """Return the stem of a key."""
        parts = iter(key.split("*"))
        return re.sub(r"\*", lambda _: next(parts), (self.infrared, self.visible)[side])


def find_match(infrared: Iterable[str], visible: Iterable[str]) -> Match | None:
    """Return the pattern of usual marks by which most of the stems would pair; None without one.

    >>> print(find_match(["00001i", "00002i"], ["00001v", "00002v"]))
    *i=*v
    """
    theirs: dict[str, list[str]] = {}
    for stem in visible:
        for key, pattern in _marked(stem, VISIBLE_MARKS):
            theirs.setdefault(key, []).append(pattern)
    counts: Counter[tuple[str, str]] = Counter()
    for stem in list(infrared)[:_MOST_LOOKED_AT]:
        for key, pattern in _marked(stem, INFRARED_MARKS):
            counts.update((pattern, other) for other in set(theirs.get(key, ())))
    del counts["*", "*"]
    if not counts:
        return None
    return Match(*max(counts, key=lambda pair: (counts[pair], len(pair[0]) + len(pair[1]), pair)))


def advise_match(infrared: Iterable[str], visible: Iterable[str]) -> str:
    """Return the next step for names that do not pair."""
    found = find_match(infrared, visible)
    if found is None:
        return "give all files of a scene the same name, or say how they differ with --match IR=VI"
    return f"pair them with --match '{found}'"


def _marked(stem: str, words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield what a stem shares with its counterpart if it bears a usual mark, and its pattern."""
    stem = normalize("NFC", stem)
    yield stem, "*"
    folded = stem.lower()
    for word, separator in product(words, _SEPARATORS):
        length = len(word + separator)
        if length <= len(stem) == len(folded):
            if folded.endswith(separator + word):
                yield stem[:-length], f"*{stem[-length:]}"
            if folded.startswith(word + separator):
                yield stem[length:], f"{stem[:length]}*"


def list_pairs(infrared: Path, visible: Path, pattern: str | None = None) -> PairList:
    """Match the pictures of two folders, or of one with a pattern.

    Args:
        infrared: Folder of infrared pictures.
        visible: Folder of visible pictures.
        pattern: A text as `Match.parse` takes it; files that do not fit it are passed over. By
            default the names are equal without the suffix.

    Raises:
        UsageError: If a folder is missing or empty, one is given twice without a pattern, the
            pattern is none, or no pair is found.
    """
    matches, problems = match(infrared, visible, pattern=pattern)
    return PairList([Pair(stem, *paths) for stem, paths in matches.items()], problems)


def list_photos(folder: Path) -> PairList:
    """Return the files of a folder that hold both pictures each, as pairs with themselves.

    Raises:
        UsageError: If the folder is missing or empty, or the first files are no such photos.
    """
    matches, problems = match(folder)
    first = [path for (path,) in matches.values()][:_FIRST]
    if not any(find_photo_reader(path.read_bytes(), plug_ins=True) for path in first):
        raise UsageError(
            f"{folder}: expected photos of a thermal camera that hold both pictures, found none; "
            'give the visible folder as well, or this folder twice and --match "*_T=*_W"'
        )
    return PairList([Pair(stem, *paths, *paths) for stem, paths in matches.items()], problems)


def match(
    *folders: Path, pattern: str | None = None
) -> tuple[dict[str, list[Path]], dict[Path, str]]:
    """Match the pictures of several folders.

    Args:
        folders: The infrared and the visible one, and others in which files are called like the
            visible ones or by what both names share.
        pattern: As for `list_pairs`.

    Returns:
        By the stem of the visible picture, sorted, the files of a scene in the order of the
        folders; and what is wrong with the files that are left.

    Raises:
        UsageError: As for `list_pairs`.
    """
    names = Match.parse(pattern)
    stems = [images_by_stem(folder) for folder in folders]
    one_folder = len(folders) > 1 and is_same(*folders[:2])
    if one_folder and names == Match():
        raise UsageError(
            f"{folders[0]}: expected a folder of infrared and another one of visible pictures, "
            f"found one for both; {advise_match(*stems[:2])}"
        )
    scenes = by_key(names, stems, one_folder=one_folder)
    problems: dict[Path, str] = {}
    matches: dict[str, list[Path]] = {}
    for key, files in scenes.items():
        if [len(each) for each in files] != [1] * len(folders):
            problems.update(_problems(key, names, folders, files))
        elif len(files) > 1 and is_same(files[0][0], files[1][0]):
            problems[files[0][0]] = f"is the infrared and the visible picture of {key}; give two"
        else:
            matches[normalize("NFC", files[:2][-1][0].stem)] = [each[0] for each in files]
    if not any(all(files) for files in scenes.values()):
        examples = ", ".join(next(iter(each.values()))[0].name for each in stems)
        wanted = "that share a stem" if names == Match() else f"that fit {names}"
        raise UsageError(
            f"{' and '.join(map(str, folders))}: expected files {wanted}, found none (for example "
            f"{examples}); {advise_match(*stems[:2])}"
        )
    return dict(sorted(matches.items())), problems


def by_key(
    names: Match, stems: Sequence[Mapping[str, list[Item]]], *, one_folder: bool = False
) -> dict[str, list[list[Item]]]:
    """Bring what belongs to one scene together.

    Args:
        names: How names differ.
        stems: By stem, what the infrared folder holds, what the visible one holds, and what others
            hold; see `match`.
        one_folder: Whether the first two are one: then a stem that fits both patterns belongs to
            the longer one.

    Returns:
        By what the names share, sorted, a list for each folder, empty if nothing is there.
    """
    fitting = [names.keys(each, min(side, 1)) for side, each in enumerate(stems)]
    for side, each in enumerate(stems[2:], 2):
        fitting[side] = {stem: fitting[side].get(stem, stem) for stem in each}
    if one_folder:
        longer = int(len(names.visible) > len(names.infrared))
        for stem in fitting[longer]:
            fitting[1 - longer].pop(stem, None)
    scenes: dict[str, list[list[Item]]] = {}
    for side, (keys, each) in enumerate(zip(fitting, stems, strict=True)):
        for stem, key in keys.items():
            scenes.setdefault(key, [[] for _ in stems])[side].extend(each[stem])
    return dict(sorted(scenes.items()))


def _problems(
    key: str, names: Match, folders: Sequence[Path], files: Sequence[list[Path]]
) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with each file of a scene that is not complete or has too many."""
    missing: dict[str, list[str]] = {}
    for side, (folder, paths) in enumerate(zip(folders, files, strict=True)):
        if not paths:
            missing.setdefault(names.name(key, min(side, 1)), []).append(str(folder))
    wanted = " and ".join(f"{name}.* in {' and '.join(at)}" for name, at in missing.items())
    for folder, paths in zip(folders, files, strict=True):
        found = ", ".join(path.name for path in paths)
        for path in paths:
            if wanted:
                yield path, f"no counterpart: expected {wanted}, found none; add it or remove this"
            elif len(paths) > 1:
                yield path, f"expected one file per stem in {folder}, found {found}; keep one"


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths are one file or folder."""
    if one == other or is_url(one) or is_url(other):
        return one == other
    try:
        return one.samefile(other)
    except OSError:  # one is missing
        return False


def images_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of a folder by stem, which several files may share.

    Raises:
        UsageError: If the folder is missing or empty.
    """
    stems: dict[str, list[Path]] = {}
    for path in list_images(folder):
        stems.setdefault(normalize("NFC", path.stem), []).append(path)
    return stems
