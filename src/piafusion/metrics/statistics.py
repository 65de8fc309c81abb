"""Metrics that look at the fused picture alone: contrast and detail."""

from __future__ import annotations

import math

import numpy as np

from piafusion.metrics._inputs import Greys
from piafusion.metrics._spec import MetricSpec


def standard_deviation(greys: Greys) -> float:
    """SD: standard deviation of the fused picture, a measure of its contrast.

    The population form (division by the number of pixels). A constant picture has 0.

    Args:
        greys: Three ``H x W`` float64 pictures on the 0..255 scale; only `fused` is read.

    Returns:
        Grey levels, 0 to 127.5; higher is better.

    Reference:
        Y.-J. Rao, In-fibre Bragg grating sensors, Measurement Science and Technology 8(4), 1997,
        by which the field cites it.
    """
    return float(np.std(greys.fused))


def spatial_frequency(greys: Greys) -> float:
    """SF: spatial frequency of the fused picture, a measure of its detail.

    ``sqrt(RF^2 + CF^2)``, with RF the root mean square difference of neighbours in a row and CF
    of neighbours in a column. Each mean is over the pairs that there are, W - 1 in a row, as in
    the PIAFusion authors' sheet; VIFB divides by W, which gives about 0.1 % less. A constant
    picture has 0.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 2 x 2; only `fused` is read.

    Returns:
        Grey levels, 0 to 360.6; higher is better.

    Reference:
        A. M. Eskicioglu, P. S. Fisher, Image quality measures and their performance,
        IEEE Transactions on Communications 43(12), 1995.
    """
    along_rows = np.diff(greys.fused, axis=1)
    along_columns = np.diff(greys.fused, axis=0)
    return math.sqrt(np.mean(along_rows**2) + np.mean(along_columns**2))


SPECS = (
    MetricSpec(
        name="SD",
        direction="higher",
        range=(0.0, 127.5),
        unit="grey level",
        reference="Rao, Measurement Science and Technology 8(4), 1997",
        function=standard_deviation,
    ),
    MetricSpec(
        name="SF",
        direction="higher",
        range=(0.0, 255.0 * math.sqrt(2.0)),
        unit="grey level",
        reference="Eskicioglu, Fisher, IEEE Transactions on Communications 43(12), 1995",
        function=spatial_frequency,
        minimum_size=2,
    ),
)
