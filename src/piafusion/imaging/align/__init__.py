"""Aligning: the two cameras of a rig see the same things at different pixels."""

from typing import TYPE_CHECKING

from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.files import parse_alignment, read_alignment

if TYPE_CHECKING:
    from piafusion.imaging.align.estimate import estimate_alignment

__all__ = ["Alignment", "Quality", "estimate_alignment", "parse_alignment", "read_alignment"]


def __getattr__(name: str) -> object:
    """Load what estimates alignments when it is asked for: fusing starts without it."""
    if name != "estimate_alignment":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from piafusion.imaging.align.estimate import estimate_alignment

    return estimate_alignment
