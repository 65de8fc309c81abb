"""Cutting large pictures into strips, so that what is computed from them stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from piafusion.metrics._inputs import Grey

_ROWS = 64


def strips(planes: Sequence[Grey], window: int) -> Iterator[list[Grey]]:
    """Cut pictures of one size into horizontal strips for windows of `window` rows.

    Neighbouring strips overlap by ``window - 1`` rows, so that each window that lies wholly inside
    the pictures lies wholly inside exactly one strip.

    Args:
        planes: ``H x W`` pictures of one size, H at least `window`.
        window: Height of the window.

    Yields:
        The same strip of each picture, as views.
    """
    for top in range(0, planes[0].shape[0] - window + 1, _ROWS):
        yield [plane[top : top + _ROWS + window - 1] for plane in planes]
