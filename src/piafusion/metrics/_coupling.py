"""Mixtures of the Frechet bound of two distributions over nine places with their independence.

Many pairs of distributions are computed at once. Of the 81 cells of their joint distribution at
the bound 17 at most hold anything: those that a staircase passes on its way from corner to corner.
Its stops are the cumulated shares of both in ascending order. What the cells off the staircase
contribute to an entropy is known from the two distributions alone, so they are never visited.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Single

Bits = NDArray[np.int32]
"""Bits of float32 numbers. Those of one sign have the order of their bits."""

PLACES = 9
_STOPS = 2 * (PLACES - 1)  # without the ends, 0 and 1
_STEPS = _STOPS + 1
_BLOCK = 4
_FLAG = np.int32(1)
_TINY = np.float32(1e-30)  # log(0) is never asked for; 0 log(0) is 0
_RANKS = (2 * np.arange(_STOPS) - (_STOPS - 1)).astype(np.float32)


class Staircases:
    """Room for `count` staircases; the arrays in it have a column for each."""

    def __init__(self, count: int) -> None:
        """Allocate the room."""
        self.count = count
        self._merged = np.empty((2, _STOPS, count), np.int32)
        self._stops = np.empty((_STOPS + 2, count), np.float32)
        self._stops[0], self._stops[-1] = 0, 1
        # Stops of the first distribution as they are and of the second negative, and the other
        # way round; for each, the last positive one before and the first one after a step. The
        # rows in front and behind stand for the ends.
        self._signed, self._before, self._after = ends = np.empty(
            (3, 2, _STOPS + 2 * _BLOCK, count), np.float32
        )
        ends[:, :, :_BLOCK], ends[:, :, -_BLOCK:] = 0, -1
        self._cells, self._logs = np.empty((2, 2, _STEPS, count), np.float32)

    def climb(self, cumulated: Single, falling: Bits) -> Single:
        """Find the steps of all staircases.

        Args:
            cumulated: ``8 x count``, cumulated shares of the first distributions.
            falling: ``8 x count``, flagged ones of the second distributions in reverse order.

        Returns:
            For each, the sum of the distances between all pairs of stops.
        """
        stops = self._stops[1:-1]
        bits = stops.view(np.int32)
        self._merge(cumulated.view(np.int32) & ~_FLAG, falling, bits)
        signed = self._signed[:, _BLOCK:-_BLOCK]
        np.left_shift(bits, 31, out=signed[0].view(np.int32))  # the flag becomes the sign
        np.bitwise_xor(bits, signed[0].view(np.int32), out=signed[0].view(np.int32))
        np.negative(signed[0], out=signed[1])
        _run(np.maximum, self._signed[:, :-_BLOCK], self._before[:, :-_BLOCK])
        backwards = slice(None, _BLOCK - 1, -1)
        _run(np.minimum, self._signed[:, backwards], self._after[:, backwards])

        before = self._before[:, _BLOCK - 1 : -_BLOCK]
        negative_after = self._after[::-1, _BLOCK : 1 - _BLOCK]
        shares = np.add(before, negative_after, out=self._logs)  # of both, each negative
        np.multiply(shares[0], shares[1], out=self._cells[0])
        np.subtract(self._stops[1:], self._stops[:-1], out=self._cells[1])
        return _RANKS @ stops

    def _merge(self, ascending: Bits, descending: Bits, out: Bits) -> None:
        """Merge two sorted lists by Batcher's bitonic network."""
        one, other = self._merged
        half = _STOPS // 2
        np.minimum(ascending, descending, out=one[:half])
        np.maximum(ascending, descending, out=one[half:])
        for source, target in ((one, other), (other, one), (one, out)):
            half //= 2
            shape = (_STOPS // (2 * half), 2, half * self.count)
            pairs, ordered = source.reshape(shape), target.reshape(shape)
            cv2.min(pairs[:, 0], pairs[:, 1], ordered[:, 0])
            cv2.max(pairs[:, 0], pairs[:, 1], ordered[:, 1])

    def information(self, ratio: Single) -> Single:
        """Sum of x log|x| on the staircase, less that of independence, of the last climb.

        Args:
            ratio: Shares of the bound over that of independence, `count` of them.

        Returns:
            That sum for each mixture ``independent + ratio * bound``, in nats; it can be asked for
            once after each `climb`.
        """
        independent, mixture = self._cells
        mixture *= ratio
        mixture += independent
        np.abs(self._cells, out=self._logs)
        self._logs += _TINY
        cv2.log(*(cells.reshape(2 * _STEPS, -1) for cells in (self._logs, self._logs)))
        independent_sum, mixture_sum = np.einsum("mkn,mkn->mn", self._cells, self._logs)
        return np.asarray(mixture_sum - independent_sum, dtype=np.float32)


def flagged(cumulated: Single) -> Bits:
    """Bits of cumulated shares with the flag of the second distribution, which changes 6e-8."""
    return np.bitwise_or(cumulated.view(np.int32), _FLAG)


def _run(extreme: np.ufunc, rows: Single, out: Single) -> None:
    """Running extremes of the bits of rows, block by block; the first block of `out` is given."""
    shape = (2, -1, _BLOCK, rows.shape[-1])
    source = rows.view(np.int32).reshape(shape)[:, 1:]
    whole = out.view(np.int32).reshape(shape)
    earlier, blocks = whole[:, :-1, -1], whole[:, 1:]
    extreme(source[:, :, 0], source[:, :, 1], out=blocks[:, :, 1])
    for row in range(2, _BLOCK):
        extreme(blocks[:, :, row - 1], source[:, :, row], out=blocks[:, :, row])
    for block in range(blocks.shape[1]):
        extreme(blocks[:, block, -1], earlier[:, block], out=blocks[:, block, -1])
    extreme(source[:, :, 0], earlier, out=blocks[:, :, 0])
    extreme(blocks[:, :, 1:-1], earlier[:, :, None], out=blocks[:, :, 1:-1])
