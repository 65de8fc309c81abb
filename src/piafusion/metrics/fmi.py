"""Feature mutual information: FMI-pixel and FMI-gradient."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from piafusion.metrics._coupling import PLACES, Bits, Staircases, flagged
from piafusion.metrics._inputs import Greys, Single
from piafusion.metrics._spec import ALL, Arithmetic, MetricSpec

_SIDE = 3
_AT_ONCE = 5000  # windows: fewer, and calls cost more than what they compute; more, and the cache
_LEAST = np.float32(1e-10)
"""Added to all values of a window less their minimum: a flat one is uniform, no share is 0."""

_CERTAIN = np.float32(1e-5)
"""A covariance or an entropy below this is rounding; one grey level in a window gives 4e-4."""

_RESOLUTION = np.finfo(np.float32).eps

_ONES = np.ones(PLACES, np.float32)
_CENTRED = np.arange(PLACES) - (PLACES - 1) / 2
_RANKS = 2 * np.arange(PLACES - 1) - (PLACES - 2)
_SUMS = np.stack([_CENTRED, _CENTRED**2, _RANKS @ np.tri(PLACES - 1, PLACES)]).astype(np.float32)
"""Times shares: mean and mean square place, from the centre; distances of cumulated shares."""


def feature_mutual_information_pixel(greys: Greys) -> float:
    """FMI-pixel: normalised information that 3 x 3 windows of the pictures share.

    Each window, less its minimum, is a distribution over its nine places. The joint distribution
    of source and fused window mixes independence and the Frechet bound in the direction of the
    windows' correlation so that it has that correlation; the information that they share, over
    the mean of their entropies, is averaged over windows and sources. The bound may be passed,
    then some joint probabilities are negative, and as in the published code log takes their
    magnitude.

    Equal windows have 1. A flat window is a uniform distribution and shares 0 with any window that
    is not equal to it; two windows with one bright pixel each have no entropy, and 0 too.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 3 x 3; float32 inside.

    Returns:
        0 to 1; higher is better.

    Reference:
        M. Haghighat, M. A. Razian, Fast-FMI: non-reference image fusion metric, International
        Conference on Application of Information and Communication Technologies, 2014.
    """
    return _feature_mutual_information(greys.singles)


def feature_mutual_information_gradient(greys: Greys) -> float:
    """FMI-gradient: as `feature_mutual_information_pixel`, of the gradient along rows.

    The gradient is the central difference, one-sided on the frame, as the published code has it.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 3 x 3; float32 inside.

    Returns:
        0 to 1; higher is better.

    Reference:
        M. Haghighat, A. Aghagolzadeh, H. Seyedarabi, A non-reference image fusion metric based on
        mutual information of image features, Computers and Electrical Engineering 37(5), 2011.
    """
    return _feature_mutual_information([np.gradient(grey, axis=1) for grey in greys.singles])


def _feature_mutual_information(features: Sequence[Single]) -> float:
    height, width = (side - _SIDE + 1 for side in features[0].shape)
    rows = min(max(1, _AT_ONCE // width), height)
    room: tuple[list[_Windows], Staircases] | None = None
    total = 0.0
    for top in range(0, height, rows):
        strip = [plane[top : top + rows + _SIDE - 1] for plane in features]
        count = (len(strip[0]) - _SIDE + 1) * width
        if room is None or room[1].count != count:
            room = [_Windows(count) for _ in features], Staircases(count)
        (*sources, fused), staircases = room
        for windows, plane in zip(room[0], strip, strict=True):
            windows.read(plane)
        # The lower Frechet bound is the upper one with the places of one window in reverse.
        as_it_is = flagged(fused.cumulated[::-1])
        in_reverse = flagged(np.abs(1 - fused.cumulated))
        for source in sources:
            shared = _shared(source, fused, as_it_is, in_reverse, staircases)
            total += float(shared.sum(dtype=np.float64))
    return float(total / (2.0 * height * width))


class _Windows:
    """Windows of one picture as distributions over their 9 places, column by column.

    Arrays have a column per window; rows are places, or there is one row.
    """

    def __init__(self, count: int) -> None:
        self.values, self.shares, self._logs = np.empty((3, PLACES, count), np.float32)
        self.cumulated = np.empty((PLACES - 1, count), np.float32)

    def read(self, plane: Single) -> None:
        """Take the windows of a picture."""
        height, width = (side - _SIDE + 1 for side in plane.shape)
        for place, values in enumerate(self.values.reshape(PLACES, height, width)):
            column, row = divmod(place, _SIDE)
            values[:] = plane[row : row + height, column : column + width]
        np.subtract(self.values, self.values.min(axis=0), out=self.shares)
        self.shares += _LEAST
        self.shares /= _ONES @ self.shares
        self.cumulated[0] = self.shares[0]
        for place in range(1, PLACES - 1):
            np.add(self.cumulated[place - 1], self.shares[place], out=self.cumulated[place])
        self.mean, square, self.distances = _SUMS @ self.shares
        self.spread = np.sqrt(np.maximum(square - self.mean * self.mean, 0))
        self.power = np.einsum("kn,kn->n", self.shares, self.shares) - np.float32(1 / PLACES)
        cv2.log(self.shares, self._logs)
        self.entropy = -np.einsum("kn,kn->n", self.shares, self._logs)


def _shared(
    source: _Windows, fused: _Windows, as_it_is: Bits, in_reverse: Bits, staircases: Staircases
) -> Single:
    """Information that each pair of windows shares, over the mean of their entropies."""
    product = np.einsum("kn,kn->n", source.shares, fused.shares) - np.float32(1 / PLACES)
    opposed = product.view(np.int32) >> 31  # all bits, or none
    falling = (as_it_is ^ in_reverse) & opposed
    falling ^= as_it_is
    distances = staircases.climb(source.cumulated, falling) - source.distances - fused.distances

    # By Hoeffding the covariance at the bound is the sum of min(P, Q) - P Q over all cumulated
    # shares P and Q; min(P, Q) is (P + Q - |P - Q|) / 2.
    covariance = np.float32((PLACES - 1) ** 2 / 4) - np.float32(0.5) * distances
    covariance -= source.mean * fused.mean * np.sign(product)
    power = source.power * fused.power
    flat = np.minimum(source.power, fused.power) <= np.float32(1e-6)  # else 1/72 at least
    power += flat
    wanted = np.abs(product) / np.sqrt(power) * source.spread * fused.spread
    certain = flat | (covariance <= _CERTAIN) | (wanted <= _CERTAIN)
    covariance[certain], wanted[certain] = 1, 0

    # joint = mixed * bound + (1 - mixed) * independent, and mixed = wanted / covariance
    rest = covariance - wanted
    least = _RESOLUTION * covariance
    rest = np.where(np.abs(rest) < least, least, rest)
    independent = rest / covariance
    entropies = source.entropy + fused.entropy
    joint_entropy = independent * (entropies - staircases.information(wanted / rest))
    joint_entropy -= np.log(np.abs(independent))

    known = entropies > _CERTAIN
    shared = 2 * (entropies - joint_entropy) / np.where(known, entropies, 1) * known
    equal = (source.values == fused.values).all(axis=0)
    return np.where(equal, np.float32(1), shared)


SPECS = (
    MetricSpec(
        name="FMI-pixel",
        direction="higher",
        inputs=ALL,
        reference="Haghighat, Razian, AICT 2014",
        float=Arithmetic(feature_mutual_information_pixel, range=(0.0, 1.0)),
        minimum_size=_SIDE,
    ),
    MetricSpec(
        name="FMI-gradient",
        direction="higher",
        inputs=ALL,
        reference="Haghighat, Aghagolzadeh, Seyedarabi, Computers and Electrical Eng. 37(5), 2011",
        float=Arithmetic(feature_mutual_information_gradient, range=(0.0, 1.0)),
        minimum_size=_SIDE,
    ),
)
