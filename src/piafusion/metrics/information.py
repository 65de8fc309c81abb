"""Metrics from information theory: how many bits of the sources the fused picture tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Greys, round_to_levels
from piafusion.metrics._spec import MetricSpec

_LEVELS = 256


def mutual_information(greys: Greys) -> float:
    """MI: bits that the fused picture shares with the infrared plus those with the visible one.

    Taken from the joint histogram of 256 x 256 grey levels; values between two levels (colour
    reduced to luminance, 16-bit or floating data) are rounded to the nearest level, halves up.
    Levels are not stretched first and the logarithm has base 2; VIFB stretches every picture to
    0..255 and gives nats. A constant picture shares 0 bits with any other.

    Args:
        greys: Three ``H x W`` float64 pictures on the 0..255 scale.

    Returns:
        The sum over both sources, 0 to 16 bits; higher is better.

    Reference:
        G. Qu, D. Zhang, P. Yan, Information measure for performance of image fusion,
        Electronics Letters 38(7), 2002.
    """
    fused = round_to_levels(greys.fused)
    return sum(_shared_bits(round_to_levels(source), fused) for source in greys.sources)


def _shared_bits(one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    joint = np.bincount((one * _LEVELS + other).ravel(), minlength=_LEVELS**2)
    joint = joint.reshape(_LEVELS, _LEVELS)
    rows, columns = np.nonzero(joint)
    count = joint[rows, columns]
    if_independent = joint.sum(axis=1)[rows] * joint.sum(axis=0)[columns] / one.size
    bits = float(np.sum(count * np.log2(count / if_independent))) / one.size
    return max(bits, 0.0)  # the sum of positive and negative terms may end at -1e-17


SPECS = (
    MetricSpec(
        name="MI",
        direction="higher",
        range=(0.0, 16.0),
        unit="bit",
        reference="Qu, Zhang, Yan, Electronics Letters 38(7), 2002",
        function=mutual_information,
    ),
)
