"""Feature mutual information: FMI-pixel and FMI-gradient."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec, Single

_SIDE = 3
PLACES = _SIDE**2
_STOPS = 2 * (PLACES - 1)  # stops of a staircase without its ends, 0 and 1
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
_STOP_RANKS = (2 * np.arange(_STOPS) - (_STOPS - 1)).astype(np.float32)
"""Times sorted stops: the sum of the distances between all pairs of them."""

_SECOND = np.int32(1)
"""The lowest bit of a stop says which distribution it belongs to; it changes 6e-8."""

_TINY = np.float32(1e-30)  # log(0) is never asked for; 0 log(0) is 0


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

    The computation is in float32.

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

    The computation is in float32.

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
    total = 0.0
    for top in range(0, height, rows):
        *sources, fused = (_Windows(plane[top : top + rows + _SIDE - 1]) for plane in features)
        for source in sources:
            total += float(_shared(source, fused).sum(dtype=np.float64))
    return float(total / (2.0 * height * width))


class _Windows:
    """Windows of one picture as distributions over their 9 places, column by column.

    Arrays have a column per window; rows are places, or there is one row.
    """

    def __init__(self, plane: Single) -> None:
        height, width = (side - _SIDE + 1 for side in plane.shape)
        self.values = np.empty((PLACES, height * width), np.float32)
        for place, values in enumerate(self.values.reshape(PLACES, height, width)):
            column, row = divmod(place, _SIDE)
            values[:] = plane[row : row + height, column : column + width]
        self.shares = self.values - self.values.min(axis=0)
        self.shares += _LEAST
        self.shares /= _ONES @ self.shares
        self.cumulated = np.cumsum(self.shares[:-1], axis=0)
        self.mean, square, self.distances = _SUMS @ self.shares
        self.spread = np.sqrt(np.maximum(square - self.mean * self.mean, 0))
        self.power = np.einsum("kn,kn->n", self.shares, self.shares) - np.float32(1 / PLACES)
        self.entropy = -np.einsum("kn,kn->n", self.shares, np.asarray(cv2.log(self.shares)))


def _shared(source: _Windows, fused: _Windows) -> Single:
    """Information that each pair of windows shares, over the mean of their entropies."""
    product = np.einsum("kn,kn->n", source.shares, fused.shares) - np.float32(1 / PLACES)
    # The lower Frechet bound is the upper one with the places of one window in reverse.
    in_reverse = np.abs(1 - fused.cumulated[::-1])
    stops = _stops(source.cumulated, np.where(np.signbit(product), in_reverse, fused.cumulated))
    distances = _STOP_RANKS @ stops[1:-1] - source.distances - fused.distances

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
    joint_entropy = independent * (entropies - _information(stops, wanted / rest))
    joint_entropy -= np.log(np.abs(independent))

    known = entropies > _CERTAIN
    shared = 2 * (entropies - joint_entropy) / np.where(known, entropies, 1) * known
    equal = (source.values == fused.values).all(axis=0)
    return np.where(equal, np.float32(1), shared)


def _stops(cumulated: Single, other: Single) -> Single:
    """Sort the cumulated shares of pairs of distributions.

    At most 17 of the 81 cells of a joint distribution at the Frechet bound hold anything: those
    that a staircase passes on its way from corner to corner. The sorted shares are its stops.

    Args:
        cumulated: 8 x N, ascending.
        other: 8 x N, ascending.

    Returns:
        18 x N with the ends, 0 and 1; `_SECOND` marks those of `other`.
    """
    stops = np.empty((_STOPS + 2, cumulated.shape[1]), np.float32)
    stops[0], stops[-1] = 0, 1
    bits = stops[1:-1].view(np.int32)  # float32 of one sign have the order of their bits
    np.bitwise_and(cumulated.view(np.int32), ~_SECOND, out=bits[: PLACES - 1])
    np.bitwise_or(other.view(np.int32), _SECOND, out=bits[PLACES - 1 :])
    bits.sort(axis=0)
    return stops


def _information(stops: Single, ratio: Single) -> Single:
    """Sum of x log|x| on the staircase, less that of independence.

    The cells off the staircase add to an entropy what the two distributions alone say of them.

    Args:
        stops: The result of `_stops`.
        ratio: Shares of the bound over that of independence, N.

    Returns:
        That sum for each mixture `independent + ratio * bound`, in nats.
    """
    independent = _independent_cells(stops)
    cells = np.stack([independent, np.diff(stops, axis=0) * ratio + independent])
    logs = np.abs(cells)
    logs += _TINY
    logs = np.asarray(cv2.log(logs.reshape(len(cells) * len(independent), -1)))
    sums = np.einsum("mkn,mkn->mn", cells, logs.reshape(cells.shape))
    return np.asarray(sums[1] - sums[0], np.float32)


def _independent_cells(stops: Single) -> Single:
    """Probabilities of the cells on a staircase if both distributions were independent, 17 x N.

    Each is the product of two steps, one of either distribution: from its last stop before the
    cell to its first one after it.
    """
    inner = stops[1:-1].view(np.int32)
    # Stops of one distribution positive and of the other negative. As whole numbers the bits of
    # positive ones have their order, and those of negative ones the reverse, below all others.
    signed = np.empty((2, *inner.shape), np.float32)
    np.bitwise_xor(inner, inner << 31, out=signed[0].view(np.int32))
    np.negative(signed[0], out=signed[1])
    bits = signed.view(np.int32)
    before = np.zeros((2, len(inner) + 1, inner.shape[1]), np.float32)
    negative_after = np.full_like(before, -1)
    last, first = before.view(np.int32), negative_after.view(np.int32)
    for stop in range(len(inner)):
        np.maximum(last[:, stop], bits[:, stop], out=last[:, stop + 1])
    for stop in reversed(range(len(inner))):
        np.minimum(first[:, stop + 1], bits[:, stop], out=first[:, stop])
    steps = before + negative_after[::-1]
    return np.asarray(steps[0] * steps[1])


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
