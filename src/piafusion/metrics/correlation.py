"""Metrics from linear correlation: CC and SCD."""

from __future__ import annotations

import math

from piafusion.metrics._spec import ALL, Arithmetic, Double, Greys, MetricSpec


def correlation_coefficient(greys: Greys) -> float:
    """CC: mean of the correlations of the fused picture with either source.

    A constant picture correlates with nothing (0/0); its term is 0.

    Returns:
        -1 to 1; higher is better.

    Reference:
        J. Ma, Y. Ma, C. Li, Infrared and visible image fusion methods and applications: a survey,
        Information Fusion 45, 2019, section 5.
    """
    *sources, fused = greys.doubles
    return sum(_correlation(source, fused) for source in sources) / 2.0


def sum_of_correlations_of_differences(greys: Greys) -> float:
    """SCD: the difference of the fused picture and one source, correlated with the other source.

    ``corr(fused - visible, infrared) + corr(fused - infrared, visible)``. A constant source or
    difference correlates with nothing (0/0); its term is 0, so three equal pictures score 0.

    Returns:
        -2 to 2; higher is better.

    Reference:
        V. Aslantas, E. Bendes, A new image quality metric for image fusion: the sum of the
        correlations of differences, AEU International Journal of Electronics and Communications
        69(12), 2015.
    """
    infrared, visible, fused = greys.doubles
    return _correlation(fused - visible, infrared) + _correlation(fused - infrared, visible)


def _correlation(one: Double, other: Double) -> float:
    if one.min() == one.max() or other.min() == other.max():
        return 0.0
    one, other = one - one.mean(), other - other.mean()
    power = float((one * one).sum()) * float((other * other).sum())
    value = float((one * other).sum()) / math.sqrt(power)
    return min(max(value, -1.0), 1.0)  # rounding may end at 1 + 1e-16


SPECS = (
    MetricSpec(
        name="CC",
        direction="higher",
        inputs=ALL,
        reference="Ma, Ma, Li, Information Fusion 45, 2019",
        float=Arithmetic(correlation_coefficient, range=(-1.0, 1.0)),
    ),
    MetricSpec(
        name="SCD",
        direction="higher",
        inputs=ALL,
        reference="Aslantas, Bendes, AEU 69(12), 2015",
        float=Arithmetic(sum_of_correlations_of_differences, range=(-2.0, 2.0)),
    ),
)
