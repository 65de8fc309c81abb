"""Perceptual hashes: pictures that look alike have hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance

BITS = 128
ALIKE = 10
"""Pairs whose hashes differ in so many bits or fewer count as near-duplicates."""

_SIDE, _WAVES = 32, 8


def pair_hash(infrared: Image, visible: Image) -> NDArray[np.bool_]:
    """Hash a pair: 64 bits of the infrared picture and 64 of the visible one's luminance.

    Args:
        infrared: H x W; uint8, uint16 or float in [0, 1].
        visible: H x W or H x W x 3 RGB, likewise, of any size.

    Returns:
        bool, `BITS`.
    """
    vi = to_unit(visible)
    return np.concatenate([_hash(to_unit(infrared)), _hash(luminance(vi) if vi.ndim == 3 else vi)])


def near_duplicates(
    one: Sequence[NDArray[np.bool_]], other: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[int, int, int]]:
    """Yield what is alike: index in `one`, index in `other`, bits that differ (`ALIKE` at most)."""
    if not one or not other:
        return
    against = np.stack(other)
    for index, bits in enumerate(one):
        differing = np.count_nonzero(against != bits, axis=1)
        for place in np.flatnonzero(differing <= ALIKE):
            yield index, int(place), int(differing[place])


def _hash(grey: Image) -> NDArray[np.bool_]:
    """Signs of the lowest waves of the cosine transform, around their median; 64 bits."""
    small = cv2.resize(np.asarray(grey, np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(small)[:_WAVES, :_WAVES].ravel()
    waves[0] = 0  # the mean: exposure alone makes no other picture
    return np.asarray(waves > np.median(waves))
