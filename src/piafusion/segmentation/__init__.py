"""Segmentation as a use of fusion, section 4.8 of the paper; needs the `segmentation` extra."""

from piafusion.segmentation.result import SegmentationResult
from piafusion.segmentation.run import segment
from piafusion.segmentation.settings import SegmentationSettings, resolve

__all__ = ["SegmentationResult", "SegmentationSettings", "resolve", "segment"]
