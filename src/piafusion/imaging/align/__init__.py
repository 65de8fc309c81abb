"""Aligning: the two cameras of a rig see the same things at different pixels."""

from importlib import import_module
from typing import TYPE_CHECKING

from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.files import parse_alignment, read_alignment

if TYPE_CHECKING:
    from piafusion.imaging.align.estimate import estimate_alignment
    from piafusion.imaging.align.local import Local

__all__ = [
    "Alignment",
    "Local",
    "Quality",
    "estimate_alignment",
    "parse_alignment",
    "read_alignment",
]
_LATE = {"Local": "local", "estimate_alignment": "estimate"}


def __getattr__(name: str) -> object:
    """Load what estimates alignments when it is asked for: fusing starts without it."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
