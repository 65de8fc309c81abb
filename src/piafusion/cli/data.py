"""`piafusion data`: check, build, fetch, cut and make data sets."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from piafusion.cli.options import INFRARED, OUTPUT, JsonOption, OverwriteOption, option, parse_size
from piafusion.cli.printing import say, say_json, warn
from piafusion.cli.progress import ProgressDisplay, track
from piafusion.errors import UsageError

if TYPE_CHECKING:
    from piafusion.imaging.arrays import Image
    from piafusion.lab.data.check import Fault, Split

app = typer.Typer(help="Check, build, fetch, cut and make data sets.", no_args_is_help=True)

PAIRS, CHECKS, DOWNLOAD, PATCHES, SCENES = "Pairs", "Checks", "Download", "Patches", "Scenes"
"""Headings of the groups of options in the help."""

_ON_SHEET, _WIDTH = 12, 320
_LARGEST = 8192  # pixels of a side


@app.command("build-msrs")
def build_msrs(
    source: Annotated[
        Path, typer.Argument(metavar="MFNET", help="Folder with MFNet's images and labels.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    limit: Annotated[
        float | None,
        option("Drop pairs that are shifted by more pixels; default: 10.", PAIRS, min=0),
    ] = None,
    drop: Annotated[
        Path | None, option("Text file with the stems to drop; no shift is measured.", PAIRS)
    ] = None,
    test: Annotated[
        Path | None, option("Text file with the stems of the test split.", PAIRS)
    ] = None,
    enhance: Annotated[bool, option("Enhance the infrared.", INFRARED)] = True,
    as_json: JsonOption = False,
) -> None:
    """Split RGB+thermal images, drop misaligned pairs, enhance the infrared, split train and test.

    After an interruption the same command continues.
    """
    from piafusion.imaging.align.check import LIMIT
    from piafusion.lab.data.msrs import BuildSettings
    from piafusion.lab.data.msrs import build_msrs as build

    if limit is not None and drop:
        raise UsageError(
            "expected --limit or --drop, found both; leave out --limit, a list needs no measurement"
        )
    if limit is not None and limit <= 0:
        raise UsageError(f"--limit: expected more than 0 pixels, found {limit:g}")
    settings = BuildSettings(
        LIMIT if limit is None else limit,
        _stems("--drop", drop) if drop else None,
        _stems("--test", test) if test else None,
        enhance,
    )
    with ProgressDisplay() as progress:
        result = build(source, output, settings, progress)
    for file, why in result.failed.items():
        warn(f"piafusion: {file}: {why}")
    counts = Counter(f"{split} {stem[-1]}" for stem, split in result.kept.items())
    if as_json:
        report = {
            "output": str(output),
            "kept": result.kept,
            "dropped": result.dropped,
            "failed": result.failed,
            "resumed": result.resumed,
        }
        say_json(report)
    else:
        say(
            f"{output}: {len(result.kept)} pairs ("
            + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            + f"), {len(result.dropped)} dropped, {len(result.failed)} unusable, "
            f"{result.resumed} done before"
        )
        for stem, why in result.dropped.items():
            say(f"dropped {stem}: {why}")
    if result.failed:
        raise typer.Exit(1)


def _stems(option: str, path: Path) -> list[str]:
    """Read stems or file names, one a line."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: {path}: expected a text file, one stem a line") from error
    return sorted({Path(line).stem for line in lines})


@app.command("check")
def check(
    roots: Annotated[
        list[Path],
        typer.Argument(
            metavar="ROOT...",
            help="Folders with ir and vi, or with train and test; several are splits of one set.",
        ),
    ],
    classes: Annotated[
        int,
        option(
            "Number of classes: labels go from 0 to this number minus 1.", CHECKS, min=1, max=256
        ),
    ] = 9,
    alignment: Annotated[
        bool, option("Measure the shift within each pair; this takes longest.", CHECKS)
    ] = True,
    sheet: Annotated[Path | None, option("Write a contact sheet of 12 pairs.", OUTPUT)] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the faults of a data set; the exit code is 1 if there are any."""
    from piafusion.imaging.io import check_output
    from piafusion.lab.data.check import check_across, check_split, find_splits

    if sheet:
        check_output(sheet, overwrite=overwrite)
    with ProgressDisplay() as progress:
        splits = [
            check_split(root, classes=classes, alignment=alignment, progress=progress)
            for root in find_splits(roots)
        ]
    faults = [fault for split in splits for fault in split.faults] + check_across(splits)
    if sheet:
        _write_sheet(sheet, splits, overwrite=overwrite)
    if as_json:
        report = {
            "splits": [_described(split) for split in splits],
            "problems": [
                {"kind": each.kind, "file": str(each.file), "message": each.message}
                for each in faults
            ],
        }
        say_json(report)
    else:
        _print(splits, faults)
    if faults:
        raise typer.Exit(1)


def _print(splits: Sequence[Split], faults: Sequence[Fault]) -> None:
    for split in splits:
        facts = _described(split)
        say(f"{split.root}: {split.pairs} pairs")
        for name in ("sizes", "depths", "lights", "classes"):
            counts = facts[name]
            if len(counts) > 6:
                say(f"  {name}: {len(counts)} different")
            elif counts:
                say(f"  {name}: " + ", ".join(f"{key} {n}" for key, n in counts.items()))
        levels = facts["mean_level"]
        if levels:
            say(f"  mean level: infrared {levels['infrared']}, visible {levels['visible']}")
        shift = facts["misalignment"]
        if shift:
            say(
                f"  misalignment: median {shift['median']}, most {shift['most']} pixels; "
                f"{shift['unseen']} pairs could not be judged"
            )
    for fault in faults:
        say(f"{fault.kind}: {fault.file}: {fault.message}")
    total = sum(split.pairs for split in splits)
    say(f"{total} pairs, {len(faults)} problems" if faults else f"{total} pairs, all well")


def _described(split: Split) -> dict[str, Any]:
    import numpy as np

    unlike = [each for each in split.residuals.values() if each.verdict == "unlike"]
    shifts = [each.shift for each in split.residuals.values() if each.verdict != "unlike"]
    means = np.array(list(split.means.values()))
    return {
        "root": str(split.root),
        "pairs": split.pairs,
        "sizes": dict(split.sizes.most_common()),
        "depths": dict(split.depths.most_common()),
        "lights": dict(split.lights.most_common()),
        "classes": {str(label): count for label, count in sorted(split.classes.items())},
        "mean_level": {
            kind: round(float(means[:, i].mean()), 3)
            for i, kind in enumerate(("infrared", "visible"))
            if len(means)
        },
        "misalignment": {
            "median": round(float(np.median(shifts)), 1),
            "most": round(max(shifts), 1),
            "unseen": len(unlike),
        }
        if shifts
        else {},
    }


def _write_sheet(sheet: Path, splits: Sequence[Split], *, overwrite: bool) -> None:
    """Draw some readable pairs of all splits, evenly spread."""
    from piafusion.imaging.contact_sheet import contact_sheet
    from piafusion.imaging.io import read_image, write_image
    from piafusion.imaging.pairs import images_by_stem

    readable = [(split, stem) for split in splits for stem in split.means]
    step = max(1, len(readable) // _ON_SHEET)
    rows = []
    for split, stem in readable[::step][:_ON_SHEET]:
        files = (images_by_stem(split.root / kind)[stem][0] for kind in ("ir", "vi"))
        rows.append(
            dict(zip(("infrared", "visible"), map(_small, map(read_image, files)), strict=True))
        )
    if rows:
        write_image(sheet, contact_sheet(rows), overwrite=overwrite)


def _small(image: Image) -> Image:
    import cv2
    import numpy as np

    from piafusion.imaging.arrays import to_uint8, to_unit

    height = max(1, round(image.shape[0] * _WIDTH / image.shape[1]))
    small = cv2.resize(to_unit(image), (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return to_uint8(np.asarray(small, np.float32))


@app.command("fetch")
def fetch(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Name of a set; without it, all sets are listed."),
    ] = None,
    output: Annotated[
        Path | None, option("New folder; by default NAME.", OUTPUT, "--output", "-o")
    ] = None,
    url: Annotated[str | None, option("Another address of the archive.", DOWNLOAD)] = None,
    sha256: Annotated[str | None, option("Hash that the archive must have.", DOWNLOAD)] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a public data set, or tell how to get it; continues an interrupted download."""
    from piafusion.lab.data.fetch import SOURCES, find_source
    from piafusion.lab.data.fetch import fetch as get

    if name is None:
        if as_json:
            listed = {
                key: {"title": s.title, "page": s.page, "url": s.url} for key, s in SOURCES.items()
            }
            say_json(listed)
            return
        for key, source in SOURCES.items():
            say(f"{key:<10} {source.title}")
            say(f"{'':<10} {'' if source.url else f'{source.steps}: '}{source.page}")
        return
    source = find_source(name)
    with ProgressDisplay() as progress:
        got = get(name, output or Path(name), url=url, sha256=sha256, progress=progress)
    if as_json:
        report = {
            "root": str(got.root),
            "archive": str(got.archive),
            "sha256": got.sha256,
            "trusted_on_first_use": got.trusted,
            "files": got.files,
        }
        say_json(report)
        return
    say(f"{got.root}: {got.files} files; the archive stays at {got.archive}")
    say(f"sha256 {got.sha256}" + (" (first seen now, recorded)" if got.trusted else ""))
    say(f"terms: {source.terms}. See {source.page}")


@app.command("patches")
def patches(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder with ir and vi, or with day and night.")
    ],
    size: Annotated[int, option("Side of a patch in pixels.", PATCHES, min=1, max=65536)] = 64,
    stride: Annotated[int, option("Pixels between patches.", PATCHES, min=1, max=65536)] = 64,
    output: Annotated[
        Path | None,
        option("New folder; without it the patches are only counted.", OUTPUT, "--output", "-o"),
    ] = None,
    light: Annotated[
        bool, option("Cut visible patches, sorted by day and night.", PATCHES, "--illumination")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Count the patches of a data set, or write them as a data set of their own."""
    from piafusion.files import whole_folder

    if output:
        with whole_folder(output) as work:
            counts = _cut(root, size, stride, work, light=light)
    else:
        counts = _cut(root, size, stride, None, light=light)
    if as_json:
        say_json({"patches": counts.total(), **counts})
        return
    by_light = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    say(
        f"{counts.total()} patches of {size}x{size} ({by_light})"
        + (f" in {output}" if output else "")
    )


def _cut(root: Path, size: int, stride: int, work: Path | None, *, light: bool) -> Counter[str]:
    """Go through the patches, write them if there is a folder, and count them by light."""
    from piafusion.imaging.io import write_image
    from piafusion.lab.data.patches import is_illumination_set, iter_illumination, iter_patches

    counts: Counter[str] = Counter()
    if light or is_illumination_set(root):
        for item in track(iter_illumination(root, size, stride), "cutting"):
            kind = "day" if item.target[0] else "night"
            counts[kind] += 1
            if work:
                write_image(work / kind / f"{item.name}.png", item.visible)
        return counts
    for patch in track(iter_patches(root, size, stride), "cutting"):
        counts["unknown" if patch.day is None else "day" if patch.day else "night"] += 1
        if work:
            for folder, image in (("ir", patch.infrared), ("vi", patch.visible)):
                write_image(work / folder / f"{patch.name}.png", image)
    return counts


@app.command("synth")
def synth(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    count: Annotated[
        int, option("Number of scenes.", SCENES, "--count", "-n", min=1, max=10**6)
    ] = 10,
    seed: Annotated[int, option("Seed of the first scene.", SCENES, min=0)] = 0,
    size: Annotated[str, option("Size of the pictures.", SCENES, metavar="WxH")] = "640x480",
    daylight: Annotated[
        float | None,
        option(
            "0: night, 0.22: dusk, 1: day; by default each scene has its own.", SCENES, min=0, max=1
        ),
    ] = None,
    nights: Annotated[
        float | None, option("Share of the scenes at night, such as 0.5.", SCENES, min=0, max=1)
    ] = None,
    fog: Annotated[
        float, option("0: clear air; 1: fog in which one sees 45 m far.", SCENES, min=0, max=1)
    ] = 0.0,
    shift: Annotated[
        float, option("Largest shift of the infrared picture's corners, in pixels.", SCENES, min=0)
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Make road scenes: ir, vi and label, and scenes.json with how each was made."""
    from piafusion.lab.data.writing import Recipe, write_scenes

    width, height = parse_size(size, 1, _LARGEST)
    began = time.perf_counter()
    recipe = Recipe(seed, height, width, daylight, fog, shift, nights)
    with ProgressDisplay() as progress:
        stems = write_scenes(output, count, recipe, progress)
    seconds = time.perf_counter() - began
    if as_json:
        say_json({"output": str(output), "stems": stems, "seconds": seconds})
    else:
        say(f"{output}: {len(stems)} scenes of {width}x{height} in {seconds:.1f} s")
