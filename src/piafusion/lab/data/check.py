"""Check data sets for files that are missing, damaged, of a wrong kind, misaligned or double."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.align.check import UNLIKE, Residual, check_pair, is_mostly_unlike
from piafusion.imaging.arrays import Image, as_infrared, as_visible, full_scale, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_image
from piafusion.imaging.pairs import Pair, images_by_stem
from piafusion.lab.data.folders import dataset_pairs, is_day
from piafusion.run.progress import Progress, counted, silent

CLASSES = 9
"""Labels of MFNet and MSRS, 0 to 8."""

_SPLITS = ("train", "val", "test")
_BLANK = 2 / 255  # standard deviation, as a share of the range


@dataclass(frozen=True)
class Fault:
    """One fault of a data set.

    Attributes:
        kind: "unmatched", "unreadable", "channels", "size", "depth", "light", "blank", "label",
            "misaligned" or "duplicate".
        file: The file or folder.
        message: Expected, found, and the next step.
    """

    kind: str
    file: Path
    message: str


@dataclass
class Split:
    """The statistics and faults of one folder with `ir` and `vi`.

    Attributes:
        root: The folder.
        pairs: How many pairs could be read.
        sizes: Pairs by width and height of their visible picture, such as "640x480".
        depths: Pairs by dtypes, such as "uint8 + uint8".
        lights: Pairs by "day", "night" and "unknown".
        classes: Pixels by label; empty without a folder `label`.
        residuals: The shift within each pair, as far as it was measured.
        means: Mean level of infrared and visible pictures, in [0, 1].
        faults: Everything that is wrong.
    """

    root: Path
    pairs: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    depths: Counter[str] = field(default_factory=Counter)
    lights: Counter[str] = field(default_factory=Counter)
    classes: Counter[int] = field(default_factory=Counter)
    residuals: dict[str, Residual] = field(default_factory=dict)
    means: dict[str, tuple[float, float]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    hashes: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def add(self, kind: str, file: Path, message: str) -> None:
        """Record a fault."""
        self.faults.append(Fault(kind, file, message))


def find_splits(roots: Sequence[Path]) -> list[Path]:
    """Return the folders with pairs: the roots themselves, or their `train`, `val` and `test`.

    Raises:
        UsageError: If a root is missing or holds neither.
    """
    found = []
    for root in roots:
        inner = [root / name for name in _SPLITS if (root / name).is_dir()]
        if (root / "ir").is_dir() or (root / "vi").is_dir():
            found.append(root)
        elif inner:
            found += inner
        else:
            there = "a folder without them" if root.is_dir() else "no folder"
            raise UsageError(
                f"{root}: expected ir and vi, or {', '.join(_SPLITS)} with ir and vi inside, "
                f"found {there}; check the path"
            )
    return found


def check_split(
    root: Path, *, classes: int = CLASSES, alignment: bool = True, progress: Progress = silent
) -> Split:
    """Check one folder with `ir`, `vi` and perhaps `label`.

    To measure the alignment takes by far the longest. Labels are 0 to `classes` - 1.

    Raises:
        UsageError: If a folder is missing or empty, or nothing pairs up.
    """
    listed = dataset_pairs(root)
    split = Split(root)
    split.faults += [Fault("unmatched", path, why) for path, why in listed.problems.items()]
    labels = images_by_stem(root / "label") if (root / "label").is_dir() else {}
    for pair in counted(listed.pairs, f"checking {root}", progress):
        pictures = _read(split, pair)
        if pictures is None:
            continue
        _describe(split, pair, *pictures)
        if labels:
            _check_label(split, pair, labels.get(pair.stem, []), pictures[1].shape, classes)
        if alignment and pictures[0].shape == pictures[1].shape[:2]:
            _check_alignment(split, pair, *pictures)
    stems = {pair.stem for pair in listed.pairs}
    for stem, paths in labels.items():
        if stem not in stems:
            message = f"no pair: expected {stem}.* in ir and vi, found none; remove this label"
            split.faults += [Fault("unmatched", path, message) for path in paths]
    split.faults += [*_odd_ones(split, listed.pairs), *_unlit(split, listed.pairs)]
    split.faults += _unlike_ones(split)
    return split


def check_across(splits: Sequence[Split]) -> list[Fault]:
    """Find pairs of one split that look like pairs of another, and so leak into the test."""
    faults = []
    for index, first in enumerate(splits):
        for second in splits[index + 1 :]:
            here, there = list(first.hashes), list(second.hashes)
            alike = near_duplicates(list(first.hashes.values()), list(second.hashes.values()))
            for one, other, bits in alike:
                message = (
                    f"expected scenes of its own, found one that looks like {there[other]} of "
                    f"{second.root} ({bits} of {BITS} bits differ); keep both in one split"
                )
                faults.append(Fault("duplicate", first.root / "vi" / here[one], message))
    return faults


def _read(split: Split, pair: Pair) -> tuple[Image, Image] | None:
    pictures = []
    for path, check in ((pair.infrared, as_infrared), (pair.visible, as_visible)):
        try:
            raw = read_image(path)
        except ImageError as error:
            split.add("unreadable", path, _without(path, error))
            continue
        try:
            pictures.append(check(raw))
        except ImageError as error:
            split.add("channels", path, str(error))
    return (pictures[0], pictures[1]) if len(pictures) == 2 else None


def _describe(split: Split, pair: Pair, infrared: Image, visible: Image) -> None:
    """Record sizes, depths, levels and the hash; find pictures that show nothing."""
    split.pairs += 1
    (height, width), other = visible.shape[:2], infrared.shape
    split.sizes[f"{width}x{height}"] += 1
    split.depths[f"{infrared.dtype} + {visible.dtype}"] += 1
    day = is_day(pair.stem)
    split.lights["unknown" if day is None else "day" if day else "night"] += 1
    if (height, width) != other:
        message = (
            f"expected two pictures of one size, found {other[1]}x{other[0]} and {width}x{height}; "
            "align and resize one of them"
        )
        split.add("size", pair.infrared, message)
    for path, picture in ((pair.infrared, infrared), (pair.visible, visible)):
        spread = float(picture.std()) / full_scale(picture.dtype)
        if spread < _BLANK:
            message = (
                f"expected a picture, found one grey level (deviation {spread:.2%}); remove it"
            )
            split.add("blank", path, message)
    means = [float(p.mean()) / full_scale(p.dtype) for p in (infrared, visible)]
    split.means[pair.stem] = (means[0], means[1])
    split.hashes[pair.stem] = pair_hash(infrared, visible)


def _check_label(
    split: Split, pair: Pair, paths: Sequence[Path], shape: tuple[int, ...], classes: int
) -> None:
    if len(paths) != 1:
        message = f"expected one label, found {len(paths)} in {split.root / 'label'}; add it"
        split.add("label", pair.visible, message)
        return
    try:
        label = read_image(paths[0])
    except ImageError as error:
        split.add("unreadable", paths[0], _without(paths[0], error))
        return
    if label.shape != shape[:2]:
        found = "x".join(map(str, label.shape))
        message = f"expected a grey map of {shape[0]}x{shape[1]}, found {found}; make it again"
        split.add("label", paths[0], message)
        return
    values, counts = np.unique(label, return_counts=True)
    split.classes.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if values[-1] >= classes:
        wrong = ", ".join(str(value) for value in values[values >= classes][:4])
        message = (
            f"expected labels from 0 to {classes - 1}, found {wrong}; set --classes or map them"
        )
        split.add("label", paths[0], message)


def _check_alignment(split: Split, pair: Pair, infrared: Image, visible: Image) -> None:
    try:
        found = check_pair(infrared, visible)
    except ImageError:  # it is too small to be measured
        found = UNLIKE
    split.residuals[pair.stem] = found
    if found.verdict == "shifted":
        message = (
            f"expected an aligned pair, found the infrared picture shifted by {found.shift:.1f} "
            f"pixels ({found.x:+.1f} across, {found.y:+.1f} down); align it or take it out"
        )
        split.add("misaligned", pair.infrared, message)


def _unlike_ones(split: Split) -> Iterator[Fault]:
    """Yield a fault if most pairs have nothing in common."""
    if is_mostly_unlike(list(split.residuals.values())):
        message = (
            "expected pairs of one scene each, found no common shift in most of them; check that "
            "the names match"
        )
        yield Fault("misaligned", split.root, message)


def _odd_ones(split: Split, pairs: Sequence[Pair]) -> Iterator[Fault]:
    """Yield the pairs whose bit depth is not that of most."""
    if len(split.depths) < 2:
        return
    usual = split.depths.most_common(1)[0][0]
    for pair in pairs:
        if pair.stem not in split.means:
            continue
        found = " + ".join(str(read_image(p).dtype) for p in (pair.infrared, pair.visible))
        if found != usual:
            message = f"expected {usual} as in most pairs, found {found}; save all in one format"
            yield Fault("depth", pair.infrared, message)


def _unlit(split: Split, pairs: Sequence[Pair]) -> Iterator[Fault]:
    """Yield the pairs without D or N at the end where most have it."""
    if split.lights["unknown"] * 2 >= split.lights.total():
        return
    for pair in pairs:
        if is_day(pair.stem) is None:
            message = f"expected a name that ends in D or N, found {pair.stem}; rename the pair"
            yield Fault("light", pair.visible, message)


def _without(path: Path, error: Exception) -> str:
    return str(error).removeprefix(f"{path}: ")


BITS = 128
ALIKE = 10
"""Pairs whose hashes differ in so many bits or fewer count as near-duplicates."""

_SIDE, _WAVES = 32, 8


def pair_hash(infrared: Image, visible: Image) -> NDArray[np.bool_]:
    """Hash a pair: 64 bits of the infrared picture and 64 of the visible one's luminance.

    Args:
        infrared: H x W; uint8, uint16 or float in [0, 1].
        visible: H x W or H x W x 3 RGB, likewise, of any size.

    Returns:
        bool, `BITS`.
    """
    vi = to_unit(visible)
    return np.concatenate([_hash(to_unit(infrared)), _hash(luminance(vi) if vi.ndim == 3 else vi)])


def near_duplicates(
    one: Sequence[NDArray[np.bool_]], other: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[int, int, int]]:
    """Yield similar pairs: index in `one`, index in `other`, bits that differ (`ALIKE` at most)."""
    if not one or not other:
        return
    against = np.stack(other)
    for index, bits in enumerate(one):
        differing = np.count_nonzero(against != bits, axis=1)
        for place in np.flatnonzero(differing <= ALIKE):
            yield index, int(place), int(differing[place])


def _hash(grey: Image) -> NDArray[np.bool_]:
    """Signs of the lowest waves of the cosine transform, around their median; 64 bits."""
    small = cv2.resize(np.asarray(grey, np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(small)[:_WAVES, :_WAVES].ravel()
    waves[0] = 0  # the mean: exposure alone makes no other picture
    return np.asarray(waves > np.median(waves))
