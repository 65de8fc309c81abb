"""Cutting large pictures into strips, so that what is computed from them stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 96  # even, so that every second row is the same in a strip as in the picture


def strips(
    planes: Sequence[NDArray[Any]], window: int, margin: int = 0
) -> Iterator[list[NDArray[Any]]]:
    """Cut pictures of one size into horizontal strips for windows of `window` rows.

    Neighbouring strips overlap by ``window - 1`` rows, so that each window that lies wholly inside
    the pictures lies wholly inside exactly one strip.

    Args:
        planes: ``H x W`` pictures of one size; H and `margin` together at least `window`.
        window: Height of the window.
        margin: Black pixels to add on all four sides first.

    Yields:
        The same strip of each picture, as views, or as copies where there is a margin.
    """
    height = planes[0].shape[0]
    for top in range(-margin, height + margin - window + 1, _ROWS):
        bottom = min(top + _ROWS + window - 1, height + margin)
        cut = [plane[max(top, 0) : max(bottom, 0)] for plane in planes]
        if margin:
            beyond = (max(-top, 0), max(bottom - height, 0))
            cut = [np.pad(plane, (beyond, (margin, margin))) for plane in cut]
        yield cut
