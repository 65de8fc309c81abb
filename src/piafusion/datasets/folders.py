"""Dataset folders: `ROOT/ir` and `ROOT/vi`, matched by stem, and what a stem tells."""

from __future__ import annotations

from pathlib import Path

from piafusion.imaging.pairs import PairList, list_pairs


def dataset_pairs(root: Path) -> PairList:
    """Return the pairs of `root/ir` and `root/vi`.

    Raises:
        UsageError: If a folder is missing or empty, or no stem occurs in both.
    """
    return list_pairs(root / "ir", root / "vi")


def dataset_name(root: Path) -> str:
    """Return a short name that holds on any machine: `msrs/test`, `tno`."""
    *_, parent, name = root.resolve().parts
    return f"{parent}/{name}" if name in ("train", "val", "test") else name


def is_day(stem: str) -> bool | None:
    """Read the light off an MSRS name: True for ...D, False for ...N, None for neither."""
    return {"D": True, "N": False}.get(stem[-1:])
