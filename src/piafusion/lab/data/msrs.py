"""Building MSRS from MFNet, as section 4.1 of the paper describes it.

MFNet stores four channels in one PNG, RGB and thermal. The pairs that are misaligned are dropped,
the infrared is enhanced by the dark channel prior, and the rest becomes `train` and `test`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.errors import ImageError, UsageError
from piafusion.files import parse_json, reading, whole_folder, write_bytes
from piafusion.imaging.align.check import LIMIT, UNLIKE, check_pair
from piafusion.imaging.arrays import Image
from piafusion.imaging.io import read_image, write_image
from piafusion.imaging.pairs import list_images
from piafusion.imaging.places import sha256
from piafusion.lab.data.dark_channel import enhance
from piafusion.lab.data.folders import is_day, neighbours
from piafusion.run.journal import Entry, Journal
from piafusion.run.progress import Progress, counted, silent

MANIFEST = "manifest.json"
TEST_EVERY = 4
"""One in so many blocks of neighbouring frames of each light goes to `test`: a quarter."""

_JOURNAL = "journal.jsonl"
_VERSION = 1
_INPUTS = {"inputs": {str: str}, "misalignment?": (dict, None)}
_ENTRY = ({**_INPUTS, "dropped": str}, {**_INPUTS, "outputs": {str: str}})
_MANIFEST = {"pairs": {str: _ENTRY}, "failed": {str: str}}


@dataclass(frozen=True)
class BuildSettings:
    """Settings of a build, which decide its result.

    Attributes:
        limit: Longest shift of a pair that is kept, in pixels at a width of 640.
        drop: Stems to drop; if given, alignment is not measured.
        test: Stems of the test split; if None, every `TEST_EVERY`-th block of neighbours.
        enhanced: Whether the infrared is enhanced.
    """

    limit: float = LIMIT
    drop: Sequence[str] | None = None
    test: Sequence[str] | None = None
    enhanced: bool = True


@dataclass
class Build:
    """The pictures that were kept, dropped and failed.

    Attributes:
        kept: Split by stem.
        dropped: Reason by stem.
        failed: Message by file.
        resumed: Number of pairs from an earlier run.
    """

    kept: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    resumed: int = 0


def build_msrs(
    source: Path, output: Path, settings: BuildSettings, progress: Progress = silent
) -> Build:
    """Write `output/train` and `output/test` with `ir`, `vi` and `label`, and a manifest.

    The source is MFNet's folder: `images` with RGB and thermal PNGs, D or N at the end of their
    stems, and perhaps `labels`. The set is built in `OUTPUT.partial` and gets its name when it is
    whole; after an interruption the same call goes on. Files that cannot be used are left out and
    reported. The result depends on nothing but source and settings, byte by byte.

    Returns:
        The pictures by result; the same if everything was done before.

    Raises:
        UsageError: If the source has no pictures, or the output exists and was built otherwise.
        OutputError: If something cannot be written.
    """
    images = list_images(source / "images")
    stems = [path.stem for path in images]
    _check_names(stems, settings)
    identity = {"version": _VERSION, "settings": asdict(settings)}
    if output.exists():
        return _finished(output, source, identity, stems)
    with whole_folder(output, resumes=True) as work:
        return _build(source, work, images, settings, identity, progress)


def _build(
    source: Path,
    work: Path,
    images: Sequence[Path],
    settings: BuildSettings,
    identity: dict[str, Any],
    progress: Progress,
) -> Build:
    journal = Journal(work / _JOURNAL, identity, _ENTRY)
    if journal.path.is_file() and not journal.matches:  # another build
        shutil.rmtree(work)
    pairs: dict[str, Entry] = {}
    stems = [path.stem for path in images]
    test = set(_test_stems(stems) if settings.test is None else settings.test)
    result = Build()
    for path in counted(images, "building", progress):
        split = "test" if path.stem in test else "train"
        label = source / "labels" / f"{path.stem}.png"
        try:
            inputs = {f"images/{path.name}": sha256(path)}
            if label.is_file():
                inputs[f"labels/{label.name}"] = sha256(label)
            entry = journal.entries.get(path.stem, {})
            if _is_whole(entry, inputs, work):
                result.resumed += 1
            else:
                entry = {"inputs": inputs, **_build_one(path, label, work, split, settings)}
                journal.add(path.stem, entry)
            pairs[path.stem] = entry
        except ImageError as error:
            result.failed[str(path)] = str(error).removeprefix(f"{path}: ")
            continue
        if "dropped" in entry:
            result.dropped[path.stem] = entry["dropped"]
        else:
            result.kept[path.stem] = split
    if not result.kept:
        raise UsageError(
            f"{source}: expected pairs to keep, found none ({len(result.dropped)} dropped, "
            f"{len(result.failed)} unusable); check the folder, or raise --limit"
        )
    manifest = {
        **identity,
        "pairs": dict(sorted(pairs.items())),
        "failed": {Path(name).name: why for name, why in sorted(result.failed.items())},
    }
    write_bytes(work / MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    journal.path.unlink()
    return result


def _build_one(
    path: Path, label: Path, work: Path, split: str, settings: BuildSettings
) -> dict[str, Any]:
    """Write the files of one pair; return its entry in the manifest."""
    if is_day(path.stem) is None:
        return {"dropped": "the name ends in neither D nor N"}
    if settings.drop is not None and path.stem in settings.drop:
        return {"dropped": "listed"}
    picture = read_image(path, check=_four_channels)
    visible, infrared = np.ascontiguousarray(picture[..., :3]), picture[..., 3].copy()
    entry: dict[str, Any] = {}
    if settings.drop is None:
        entry["misalignment"] = _misalignment(infrared, visible, settings.limit)
        if entry["misalignment"] and entry["misalignment"]["excessive"]:
            return {**entry, "dropped": "misaligned"}
    files = {"ir": enhance(infrared) if settings.enhanced else infrared, "vi": visible}
    if label.is_file():
        files["label"] = read_image(label)
    entry["outputs"] = {}
    for kind, image in files.items():
        name = f"{split}/{kind}/{path.stem}.png"
        write_image(work / name, image, overwrite=True)
        entry["outputs"][name] = sha256(work / name)
    return entry


def _misalignment(infrared: Image, visible: Image, limit: float) -> dict[str, Any] | None:
    """Return the shift of a pair; None, with which the pair is kept, if it cannot be judged."""
    try:
        found = check_pair(infrared, visible, limit=limit)
    except ImageError:  # it is too small to be measured
        found = UNLIKE
    if found.verdict == "unlike":
        return None
    shift = {"shift": found.shift, "x": found.x, "y": found.y}
    return {**shift, "excessive": found.verdict == "shifted"}


def _four_channels(picture: Image) -> Image:
    if picture.ndim != 3 or picture.shape[2] != 4:
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        raise ImageError(
            f"expected 4 channels, RGB and thermal, found {channels}; take MFNet's own images"
        )
    return picture


def _check_names(stems: Sequence[str], settings: BuildSettings) -> None:
    known = set(stems)
    if not any(is_day(stem) is not None for stem in stems):
        raise UsageError(
            f"expected names that end in D (day) or N (night), found {stems[0]!r} and the like; "
            "rename the images as MFNet does"
        )
    for option, listed in (("--drop", settings.drop), ("--test", settings.test)):
        missing = sorted(set(listed or ()) - known)
        if missing:
            raise UsageError(f"{option}: expected stems of the images, found {missing[0]!r}")


def _test_stems(stems: Sequence[str]) -> list[str]:
    """Every `TEST_EVERY`-th block of each light, so that neighbours stay on one side."""
    chosen: list[str] = []
    for light in (True, False):
        blocks = neighbours([stem for stem in stems if is_day(stem) is light])
        chosen += [stem for block in blocks[TEST_EVERY - 1 :: TEST_EVERY] for stem in block]
    return chosen


def _finished(
    output: Path, source: Path, identity: dict[str, Any], stems: Collection[str]
) -> Build:
    """Return the pictures of a finished build; raise an error if it is another one."""
    if not (output / MANIFEST).exists():
        raise UsageError(
            f"{output}: exists already without a manifest of such a build; choose another folder"
        )
    with reading(output / MANIFEST, "the manifest of such a build", "choose another folder"):
        return _compared(output, source, identity, stems)


def _compared(
    output: Path, source: Path, identity: dict[str, Any], stems: Collection[str]
) -> Build:
    manifest = parse_json((output / MANIFEST).read_bytes(), _MANIFEST)
    same = all(manifest.get(key) == json.loads(json.dumps(identity[key])) for key in identity)
    pairs, failed = manifest["pairs"], manifest["failed"]
    sources = set(pairs) | {Path(name).stem for name in failed}
    if not same or sources != set(stems):
        raise UsageError(
            f"{output}: was built from other images or with other settings; choose another folder"
        )
    result = Build(resumed=len(pairs))
    for stem, entry in pairs.items():
        for root, files in ((source, entry["inputs"]), (output, entry.get("outputs", {}))):
            for name, digest in files.items():
                if not (root / name).is_file() or sha256(root / name) != digest:
                    raise UsageError(
                        f"{root / name}: is not what {output / MANIFEST} says; "
                        "choose another output folder to build again"
                    )
        if "dropped" in entry:
            result.dropped[stem] = entry["dropped"]
        else:
            result.kept[stem] = next(iter(entry.get("outputs", {})), "").split("/")[0]
    result.failed = {str(source / "images" / name): why for name, why in failed.items()}
    return result


def _is_whole(entry: Entry, inputs: dict[str, str], folder: Path) -> bool:
    """Tell whether a recorded pair was built from these inputs and all its files are intact."""
    return entry.get("inputs") == inputs and all(
        (folder / name).is_file() and sha256(folder / name) == digest
        for name, digest in entry.get("outputs", {}).items()
    )
