"""Metrics from information theory: EN, MI and NMI, in bits, of 256 grey levels.

Values between two levels (16-bit or floating data) are rounded to the nearest level, halves up.
Levels are not stretched first; VIFB stretches every picture to 0..255 and gives nats.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._spec import ALL, FUSED, Arithmetic, Greys, MetricSpec

_LEVELS = 256


def entropy(greys: Greys) -> float:
    """EN: Shannon entropy of the fused picture's grey levels.

    A constant picture has 0 bits.

    Returns:
        0 to 8 bits; higher is better.

    Reference:
        J. W. Roberts, J. van Aardt, F. Ahmed, Assessment of image fusion procedures using entropy,
        image quality, and multispectral classification, J. Applied Remote Sensing 2(1), 2008.
    """
    return _bits(_histogram(greys.levels[2]))


def mutual_information(greys: Greys) -> float:
    """MI: bits that the fused picture shares with the infrared plus those with the visible one.

    A constant picture shares 0 bits with any other.

    Returns:
        The sum over both sources, 0 to 16 bits; higher is better.

    Reference:
        G. Qu, D. Zhang, P. Yan, Information measure for performance of image fusion,
        Electronics Letters 38(7), 2002.
    """
    shared = map(_shared_bits, greys.once(_joint_histograms))
    return sum(max(bits, 0.0) for bits in shared)  # rounding may end at -1e-15


def mutual_information_uint8(greys: Greys) -> float:
    """MI as in the published sheet: levels 254 and 255 are one in the joint histogram.

    The MATLAB code adds 1 to uint8 levels, which saturates, to index the joint histogram; the
    entropies of single pictures keep all 256 levels. So the value exceeds that of `MI` where both
    levels occur, also for constant sources, and may reach one bit more per source.
    """
    total = 0.0
    for counts in greys.once(_joint_histograms):
        joint = counts.copy()
        alone = _bits(joint.sum(axis=1)) + _bits(joint.sum(axis=0))
        joint[_LEVELS - 2] += joint[_LEVELS - 1]
        joint[:, _LEVELS - 2] += joint[:, _LEVELS - 1]
        total += max(alone - _bits(joint[:-1, :-1]), 0.0)
    return total


def normalized_mutual_information(greys: Greys) -> float:
    """NMI: for each source 2 MI / (entropy of the source + entropy of the fused picture).

    Two constant pictures have no entropy to share, 0/0; such a source contributes 0.

    Returns:
        The sum over both sources, 0 to 2, 2 for three equal pictures; higher is better.

    Reference:
        M. Hossny, S. Nahavandi, D. Creighton, Comments on "Information measure for performance of
        image fusion", Electronics Letters 44(18), 2008.
    """
    total = 0.0
    for joint in greys.once(_joint_histograms):
        alone = _bits(joint.sum(axis=1)) + _bits(joint.sum(axis=0))
        if alone > 0:
            total += 2.0 * max(_shared_bits(joint), 0.0) / alone
    return total


def _histogram(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.bincount(levels.ravel(), minlength=_LEVELS).astype(np.float64)


def _joint_histograms(greys: Greys) -> list[NDArray[np.float64]]:
    """The joint histogram of infrared and fused, and that of visible and fused."""
    *sources, fused = greys.levels
    return [_joint_histogram(source, fused) for source in sources]


def _joint_histogram(source: NDArray[np.uint8], fused: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pixels of each pair of levels, 256 x 256; a row per level of the source."""
    both = [np.ascontiguousarray(source), np.ascontiguousarray(fused)]
    sizes, limits = [_LEVELS, _LEVELS], [0, _LEVELS, 0, _LEVELS]
    # OpenCV counts in float32, exactly up to 2^24: larger pictures go in parts.
    rows = max(1, 2**24 // source.shape[1])
    parts = (
        cv2.calcHist([plane[top : top + rows] for plane in both], [0, 1], None, sizes, limits)
        for top in range(0, source.shape[0], rows)
    )
    counts = [np.asarray(part, dtype=np.float64) for part in parts]
    return np.asarray(np.sum(counts, axis=0))


def _bits(counts: NDArray[np.float64]) -> float:
    """Entropy of a histogram of any shape."""
    occurring = counts[counts > 0]
    share = occurring / occurring.sum()
    return max(-float(np.sum(share * np.log2(share))), 0.0)


def _shared_bits(joint: NDArray[np.float64]) -> float:
    rows, columns = np.nonzero(joint)
    count = joint[rows, columns]
    total = joint.sum()
    if_independent = joint.sum(axis=1)[rows] * joint.sum(axis=0)[columns] / total
    return float(np.sum(count * np.log2(count / if_independent)) / total)


SPECS = (
    MetricSpec(
        name="EN",
        direction="higher",
        inputs=FUSED,
        reference="Roberts, van Aardt, Ahmed, Journal of Applied Remote Sensing 2(1), 2008",
        float=Arithmetic(entropy, range=(0.0, 8.0), unit="bit"),
    ),
    MetricSpec(
        name="MI",
        direction="higher",
        inputs=ALL,
        reference="Qu, Zhang, Yan, Electronics Letters 38(7), 2002",
        float=Arithmetic(mutual_information, range=(0.0, 16.0), unit="bit"),
        uint8=Arithmetic(mutual_information_uint8, range=(0.0, 18.0), unit="bit"),
    ),
    MetricSpec(
        name="NMI",
        direction="higher",
        inputs=ALL,
        reference="Hossny, Nahavandi, Creighton, Electronics Letters 44(18), 2008",
        float=Arithmetic(normalized_mutual_information, range=(0.0, 2.0)),
    ),
)
