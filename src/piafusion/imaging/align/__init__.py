"""Aligning: the two cameras of a rig see the same things at different pixels."""

from piafusion.imaging.align.alignment import Alignment, Quality, read_alignment
from piafusion.imaging.align.estimate import estimate_alignment

__all__ = ["Alignment", "Quality", "estimate_alignment", "read_alignment"]
