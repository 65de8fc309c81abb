"""Metrics that look at the fused picture alone: contrast (SD) and detail (SF, AG)."""

from __future__ import annotations

import math

import numpy as np

from piafusion.metrics._spec import FUSED, Arithmetic, Greys, MetricSpec
from piafusion.metrics._windows import strips


def standard_deviation(greys: Greys) -> float:
    """SD: standard deviation of the fused picture, a measure of its contrast.

    The population form (division by the number of pixels). A constant picture has 0.

    Returns:
        Grey levels, 0 to 127.5; higher is better.

    Reference:
        Y.-J. Rao, In-fibre Bragg grating sensors, Measurement Science and Technology 8(4), 1997,
        by which the field cites it.
    """
    mean = greys.fused.mean(dtype=np.float64)
    squares = 0.0
    for (strip,) in strips([greys.fused], window=1):
        deviation = np.subtract(strip, mean, dtype=np.float64)
        squares += float(np.square(deviation, out=deviation).sum())
    return math.sqrt(squares / greys.fused.size)


def standard_deviation_uint8(greys: Greys) -> float:
    """SD as in the published sheet: about 9 where `SD` is about 40.

    MATLAB subtracts the mean from a uint8 picture: what is darker becomes 0, the rest is rounded,
    and its square stops at 255. So only pixels above the mean count, and none for more than 16
    levels: the value is at most sqrt(255), and tells little about contrast.
    """
    fused = greys.doubles[2]
    above = np.floor(np.maximum(fused - fused.mean(), 0.0) + 0.5)
    return math.sqrt(np.mean(np.minimum(above * above, 255.0)))


def spatial_frequency(greys: Greys) -> float:
    """SF: spatial frequency of the fused picture, a measure of its detail.

    ``sqrt(RF^2 + CF^2)``, with RF the root mean square difference of neighbours in a row and CF
    of neighbours in a column. Each mean is over the pairs that there are, W - 1 in a row, as in
    the PIAFusion authors' sheet; VIFB divides by W, which gives about 0.1 % less. A constant
    picture has 0.

    Returns:
        Grey levels, 0 to 360.6; higher is better.

    Reference:
        A. M. Eskicioglu, P. S. Fisher, Image quality measures and their performance,
        IEEE Transactions on Communications 43(12), 1995.
    """
    along_rows = np.diff(greys.doubles[2], axis=1)
    along_columns = np.diff(greys.doubles[2], axis=0)
    return math.sqrt(np.mean(along_rows**2) + np.mean(along_columns**2))


def spatial_frequency_uint8(greys: Greys) -> float:
    """SF as in the published sheet: on the [0, 1] scale, `SF` divided by 255."""
    return spatial_frequency(greys) / 255.0


def average_gradient(greys: Greys) -> float:
    """AG: mean strength of the fused picture's gradient, a measure of its detail.

    The mean of ``sqrt((gx^2 + gy^2) / 2)`` with central differences inside and one-sided ones on
    the frame. As in the field's code the sum over all H W pixels is divided by (H - 1)(W - 1). A
    constant picture has 0.

    Returns:
        Grey levels, 0 to 1020 (on 2 x 2 pixels; 255 and little more on common sizes); higher is
        better.

    Reference:
        G. Cui, H. Feng, Z. Xu, Q. Li, Y. Chen, Detail preserved fusion of visible and infrared
        images using regional saliency extraction and multi-scale image decomposition, Optics
        Communications 341, 2015.
    """
    down, right = np.gradient(greys.doubles[2])
    height, width = greys.fused.shape
    strength = np.sqrt((right * right + down * down) / 2.0)
    return float(strength.sum() / ((height - 1) * (width - 1)))


SPECS = (
    MetricSpec(
        name="SD",
        direction="higher",
        inputs=FUSED,
        reference="Rao, Measurement Science and Technology 8(4), 1997",
        float=Arithmetic(standard_deviation, range=(0.0, 127.5), unit="grey level"),
        uint8=Arithmetic(standard_deviation_uint8, (0.0, math.sqrt(255.0)), "grey level"),
    ),
    MetricSpec(
        name="SF",
        direction="higher",
        inputs=FUSED,
        reference="Eskicioglu, Fisher, IEEE Transactions on Communications 43(12), 1995",
        float=Arithmetic(spatial_frequency, (0.0, 255.0 * math.sqrt(2.0)), "grey level"),
        uint8=Arithmetic(spatial_frequency_uint8, range=(0.0, math.sqrt(2.0))),
        minimum_size=2,
    ),
    MetricSpec(
        name="AG",
        direction="higher",
        inputs=FUSED,
        reference="Cui, Feng, Xu, Li, Chen, Optics Communications 341, 2015",
        float=Arithmetic(average_gradient, range=(0.0, 1020.0), unit="grey level"),
        minimum_size=2,
    ),
)
