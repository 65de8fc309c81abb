"""Aligning: the two cameras of a rig see the same things at different pixels."""

from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.estimate import estimate_alignment
from piafusion.imaging.align.files import parse_alignment, read_alignment

__all__ = ["Alignment", "Quality", "estimate_alignment", "parse_alignment", "read_alignment"]
