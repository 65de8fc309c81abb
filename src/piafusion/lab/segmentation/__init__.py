"""Segmentation as a use of fusion, section 4.8 of the paper; needs the `segmentation` extra."""

from piafusion.lab.segmentation.result import SegmentationResult
from piafusion.lab.segmentation.run import segment
from piafusion.lab.segmentation.settings import SegmentationSettings, resolve

__all__ = ["SegmentationResult", "SegmentationSettings", "resolve", "segment"]
