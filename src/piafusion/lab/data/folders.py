"""Dataset folders: `ROOT/ir` and `ROOT/vi`, matched by stem; light and blocks by stem."""

from __future__ import annotations

import math
import re
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.imaging.pairs import PairList, list_pairs

BLOCK_GAP = 12
"""Neighbouring pairs of MSRS are 3 to 8 frames apart, its blocks 40 and more."""


def dataset_pairs(root: Path, pattern: str | None = None) -> PairList:
    """Return the pairs of `root/ir` and `root/vi`; arguments and errors are those of `list_pairs`.

    Args:
        root: The folder.
        pattern: How the names of pairs differ; by default they are equal without the suffix.
    """
    return list_pairs(root / "ir", root / "vi", pattern)


def dataset_name(root: Path) -> str:
    """Return a short name that holds on any machine: `msrs/test`, `tno`."""
    *_, parent, name = root.resolve().parts
    return f"{parent}/{name}" if name in ("train", "val", "test") else name


def is_day(stem: str) -> bool | None:
    """Read the light off an MSRS name: True for ...D, False for ...N, None for neither."""
    return {"D": True, "N": False}.get(stem[-1:])


def neighbours(stems: list[str]) -> list[list[str]]:
    """Return the stems, in their order, in blocks of one recording and one light.

    A block is a run of stems of the same light whose leading numbers are less than `BLOCK_GAP`
    apart; a stem without a number is a block of its own.
    """
    blocks: list[list[str]] = []
    for stem in stems:
        before = blocks[-1][-1] if blocks else None
        if before and is_day(before) is is_day(stem) and _apart(before, stem) < BLOCK_GAP:
            blocks[-1].append(stem)
        else:
            blocks.append([stem])
    return blocks


def _apart(one: str, other: str) -> float:
    first, second = (re.match(r"\d+", stem) for stem in (one, other))
    return abs(int(second.group()) - int(first.group())) if first and second else math.inf


def claim_folder(output: Path, mark: str, what: str) -> None:
    """Refuse a folder for results if it holds files other than earlier results.

    Earlier results have a file called `mark`; `what` names the results in the message.

    Raises:
        UsageError: If it is a file, or other files are in it.
    """
    if output.is_file():
        raise UsageError(f"{output}: expected a folder for the {what}, found a file")
    if output.is_dir() and any(output.iterdir()) and not (output / mark).exists():
        raise UsageError(
            f"{output}: expected a new or empty folder, or one of an earlier {what}, found "
            "other files; choose another folder"
        )
