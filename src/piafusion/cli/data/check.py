"""`piafusion data check`: what is wrong with a data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from piafusion.cli.options import JsonOption, OverwriteOption
from piafusion.cli.printing import say, say_json
from piafusion.cli.progress import track

if TYPE_CHECKING:
    from piafusion.imaging.arrays import Image
    from piafusion.lab.data.check import Problem, Split

_ON_SHEET, _WIDTH = 12, 320


def check(
    roots: Annotated[
        list[Path],
        typer.Argument(
            metavar="ROOT...",
            help="Folders with ir and vi, or with train and test; several are splits of one set.",
        ),
    ],
    classes: Annotated[
        int, typer.Option("--classes", min=1, max=256, help="Labels are 0 to one less than this.")
    ] = 9,
    alignment: Annotated[
        bool, typer.Option(help="Measure residual misalignment, the slowest part.")
    ] = True,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Write a contact sheet of 12 pairs.")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what is wrong with a data set; exits with 1 if anything is."""
    from piafusion.imaging.io import check_output
    from piafusion.lab.data.check import check_across, check_split, find_splits

    if sheet:
        check_output(sheet, overwrite=overwrite)
    splits = [
        check_split(
            root,
            classes=classes,
            alignment=alignment,
            track=partial(track, label=f"checking {root}"),
        )
        for root in find_splits(roots)
    ]
    problems = [problem for split in splits for problem in split.problems] + check_across(splits)
    if sheet:
        _write_sheet(sheet, splits, overwrite=overwrite)
    if as_json:
        report = {
            "splits": [_described(split) for split in splits],
            "problems": [
                {"kind": p.kind, "file": str(p.file), "message": p.message} for p in problems
            ],
        }
        say_json(report)
    else:
        _print(splits, problems)
    if problems:
        raise typer.Exit(1)


def _print(splits: Sequence[Split], problems: Sequence[Problem]) -> None:
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
    for problem in problems:
        say(f"{problem.kind}: {problem.file}: {problem.message}")
    total = sum(split.pairs for split in splits)
    say(f"{total} pairs, {len(problems)} problems" if problems else f"{total} pairs, all well")


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
