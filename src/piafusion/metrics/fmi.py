"""Feature mutual information: FMI-pixel and FMI-gradient."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from piafusion.metrics._inputs import Greys, Single
from piafusion.metrics._spec import ALL, Arithmetic, MetricSpec

_SIDE = 3
_BINS = _SIDE * _SIDE
_AT_ONCE = 700  # windows: what is computed for them stays in the cache
_TINY = np.float32(1e-30)  # log(0) is never asked for; 0 log(0) is 0
_PLACES = np.arange(1, _BINS + 1, dtype=np.float32)


class _Windows(NamedTuple):
    """Windows of one picture as distributions over their 9 places, column by column.

    Each array has a column per window; rows are places, or there is one row.
    """

    values: Single
    shares: Single
    cumulated: Single
    entropy: Single
    spread: Single
    """Standard deviation of the place."""
    power: Single
    """Sum of the squared differences of shares to their mean, 1/9."""


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


def _feature_mutual_information(features: tuple[Single, ...] | list[Single]) -> float:
    height, width = (side - _SIDE + 1 for side in features[0].shape)
    rows = max(1, _AT_ONCE // width)
    total = 0.0
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        *sources, fused = (_windows(plane[top : bottom + _SIDE - 1]) for plane in features)
        total += sum(float(_shared(source, fused).sum(dtype=np.float64)) for source in sources)
    return float(total / (2.0 * height * width))


def _windows(plane: Single) -> _Windows:
    height, width = (side - _SIDE + 1 for side in plane.shape)
    shifts = [(row, column) for column in range(_SIDE) for row in range(_SIDE)]
    values = np.stack([plane[r : r + height, c : c + width].ravel() for r, c in shifts])
    shares = values - values.min(axis=0)
    shares += shares.max(axis=0) == 0  # a flat window is uniform
    shares /= shares.sum(axis=0)
    mean = np.einsum("k,kn->n", _PLACES, shares)
    spread = np.sqrt(np.maximum(np.einsum("k,kn->n", _PLACES**2, shares) - mean * mean, 0.0))
    power = np.einsum("kn,kn->n", shares, shares) - np.float32(1 / _BINS)
    entropy = -np.einsum("kn,kn->n", shares, cv2.log(shares + _TINY))
    return _Windows(values, shares, _cumulate(shares), entropy, spread, power)


def _cumulate(shares: Single) -> Single:
    """Sums from the first place to each; quicker than cumsum along the outer axis."""
    cumulated = shares.copy()
    for place in range(1, _BINS):
        cumulated[place] += cumulated[place - 1]
    return cumulated


def _shared(source: _Windows, fused: _Windows) -> Single:
    """Information that each pair of windows shares, over the mean of their entropies."""
    product = np.einsum("kn,kn->n", source.shares, fused.shares) - np.float32(1 / _BINS)
    power = source.power * fused.power
    flat = (source.power <= 1e-6) | (fused.power <= 1e-6)  # else one share is 0: 1/72 at least
    correlation = np.where(flat, 0, product / np.sqrt(np.where(flat, 1, power)))
    # The lower Frechet bound is the upper one with the places of one window in reverse.
    opposed = correlation < 0
    shares, cumulated = source.shares, source.cumulated
    if opposed.any():
        shares = np.where(opposed, shares[::-1], shares)
        cumulated = _cumulate(shares)

    bound = np.minimum(fused.cumulated[:, None], cumulated)
    covariance = bound.sum(axis=(0, 1)) - fused.cumulated.sum(axis=0) * cumulated.sum(axis=0)
    spreads = source.spread * fused.spread
    certain = (spreads <= 0) | (covariance <= 0)
    mixed = np.abs(correlation) * spreads / np.where(certain, 1, covariance)
    mixed = np.where(certain, 0, mixed).astype(np.float32)

    down = np.empty_like(bound)
    down[0] = bound[0]
    np.subtract(bound[1:], bound[:-1], out=down[1:])
    bound[:, 0] = down[:, 0]
    np.subtract(down[:, 1:], down[:, :-1], out=bound[:, 1:])
    bound *= mixed
    bound += np.multiply((fused.shares * (1 - mixed))[:, None], shares, out=down)
    joint, scratch = (cells.reshape(_BINS * _BINS, -1) for cells in (bound, down))
    np.multiply(joint, joint, out=scratch)  # its logarithm is twice that of the magnitude
    scratch += _TINY
    joint_entropy = np.einsum("kn,kn->n", joint, cv2.log(scratch, scratch)) * np.float32(-0.5)

    entropies = source.entropy + fused.entropy
    shared = 2 * (entropies - joint_entropy) / np.where(entropies > 0, entropies, 1)
    equal = (source.values == fused.values).all(axis=0)
    return np.where(equal, 1, np.where(entropies > 0, shared, 0)).astype(np.float32)


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
