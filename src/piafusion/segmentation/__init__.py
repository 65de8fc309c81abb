"""Segmentation as a use of fusion, section 4.8 of the paper; needs the `segmentation` extra."""
