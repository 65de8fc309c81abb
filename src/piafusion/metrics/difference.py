"""Metrics from the difference to the sources: MSE and PSNR."""

from __future__ import annotations

import math

import numpy as np

from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec


def mean_squared_error(greys: Greys) -> float:
    """MSE: mean squared difference to a source, averaged over both sources.

    Returns:
        Squared grey levels, 0 to 65025; lower is better.

    Reference:
        J. Ma, Y. Ma, C. Li, Infrared and visible image fusion methods and applications: a survey,
        Information Fusion 45, 2019, section 5.
    """
    *sources, fused = greys.doubles
    errors = (source - fused for source in sources)
    return sum(float(np.mean(error * error)) for error in errors) / 2.0


def mean_squared_error_uint8(greys: Greys) -> float:
    """MSE as in the published sheet: on the [0, 1] scale, `MSE` divided by 255^2."""
    return greys.once(mean_squared_error) / 255.0**2


def peak_signal_to_noise_ratio(greys: Greys) -> float:
    """PSNR: ``10 log10(255^2 / MSE)`` of the MSE averaged over both sources.

    The mean of the two sources' own ratios, which some papers print, is larger or equal. If all
    three pictures are the same, the ratio is infinite.

    Returns:
        Decibels, 0 to infinity; higher is better.

    Reference:
        J. Ma, Y. Ma, C. Li, Infrared and visible image fusion methods and applications: a survey,
        Information Fusion 45, 2019, section 5.
    """
    return _decibels(greys.once(mean_squared_error))


def peak_signal_to_noise_ratio_uint8(greys: Greys) -> float:
    """PSNR as in the published sheet: a peak of 255 over an error on the [0, 1] scale.

    So it is 48.13 dB, 20 log10(255), above `PSNR`.
    """
    return _decibels(greys.once(mean_squared_error_uint8))


def _decibels(error: float) -> float:
    return 10.0 * math.log10(255.0**2 / error) if error > 0 else math.inf


SPECS = (
    MetricSpec(
        name="PSNR",
        direction="higher",
        inputs=ALL,
        reference="Ma, Ma, Li, Information Fusion 45, 2019",
        float=Arithmetic(peak_signal_to_noise_ratio, range=(0.0, math.inf), unit="dB"),
        uint8=Arithmetic(
            peak_signal_to_noise_ratio_uint8, range=(20.0 * math.log10(255.0), math.inf), unit="dB"
        ),
    ),
    MetricSpec(
        name="MSE",
        direction="lower",
        inputs=ALL,
        reference="Ma, Ma, Li, Information Fusion 45, 2019",
        float=Arithmetic(mean_squared_error, range=(0.0, 65025.0), unit="squared grey level"),
        uint8=Arithmetic(mean_squared_error_uint8, range=(0.0, 1.0)),
    ),
)
