"""Visual information fidelity in the pixel domain (vifp)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from piafusion.metrics._spec import ALL, Arithmetic, Double, Grey, Greys, MetricSpec
from piafusion.metrics._windows import FLAT, Moments, gaussian, moments, smooth, strips

WINDOWS = (17, 9, 5, 3)
"""Side of the Gaussian window at each scale, finest first; its sigma is a fifth of the side."""

MINIMUM_SIZE = 41
"""41 shrinks to 17, 7 and 3 pixels, on which the last 3 x 3 window still fits once."""

_NOISE = 2.0  # variance of the noise of the eye, sigma_nsq
_FACTORS = 16  # so many information ratios are multiplied before the logarithm is taken

Product = Callable[[Double, Double], Double]


def visual_information_fidelity(greys: Greys) -> float:
    """VIF: vifp(infrared, fused) + vifp(visible, fused).

    Each term is the information about a source that an eye gets from the fused picture, relative
    to what it gets from the source itself, summed over four scales. It is 1 for a copy and
    exceeds 1 where the fused picture raises the source's contrast. Only windows that lie wholly
    inside the picture count, so nothing is made up at the borders.

    A constant source holds no information, and its term would be 0/0; it contributes 0.
    (Common code returns NaN or 1 there.)

    Returns:
        The sum over both sources, 0 or more, 2 for three equal pictures; higher is better.

    Reference:
        H. R. Sheikh, A. C. Bovik, Image information and visual quality, IEEE Transactions on
        Image Processing 15(2), 2006, in the authors' pixel-domain form, vifp_mscale.
    """
    # Variances do not see the mean; without it less is lost to rounding in E[x^2] - E[x]^2.
    centres = [float(plane.mean(dtype=np.float64)) for plane in greys.planes]
    return _fidelity(greys.planes, centres, np.multiply)


def visual_information_fidelity_uint8(greys: Greys) -> float:
    """VIF as in the published sheet: at the finest scale products stop at 255.

    There MATLAB multiplies uint8 pictures, so that most variances of the finest scale come out as
    0 and the three coarser scales decide. Pictures of fewer than 16 levels keep their variances.
    """
    return _fidelity(greys.planes, [0.0, 0.0, 0.0], _saturated_product)


def _fidelity(planes: Sequence[Grey], centres: list[float], product: Product) -> float:
    """Sum over both sources; at the finest scale `product` is the multiplication."""
    kept = np.zeros(2)
    present = np.zeros(2)
    for side in WINDOWS:
        taps = gaussian(side, side / 5.0)
        if side != WINDOWS[0]:
            planes = [_halve(p, centre, taps) for p, centre in zip(planes, centres, strict=True)]
            centres, product = [0.0, 0.0, 0.0], np.multiply
        for strip in strips(planes, side):
            local = moments(list(map(_centred, strip, centres)), taps, product)
            for source in (0, 1):
                of_source, of_fused = _information(local, source)
                present[source] += of_source
                kept[source] += of_fused
    return math.fsum(k / p for k, p in zip(kept, present, strict=True) if p > 0)


def _centred(strip: Grey, centre: float) -> Double:
    return np.subtract(strip, centre, dtype=np.float64)


def _halve(plane: Grey, centre: float, taps: Double) -> Double:
    """Smooth a picture and keep every second pixel."""
    parts = strips([plane], taps.size)
    return np.concatenate([smooth(_centred(part, centre), taps)[::2, ::2] for (part,) in parts])


def _information(local: Moments, source: int) -> tuple[float, float]:
    """Information in nats that is in a source, and that the fused picture keeps of it.

    The moments are overwritten.
    """
    variance, fused = local.variances[source], local.variances[2]
    variance *= variance >= FLAT
    present = variance * (1.0 / _NOISE)
    present += 1.0
    # Channel model: fused = gain * source + noise, with a gain that is never negative.
    gained = np.maximum(local.covariances[source], 0.0, out=local.covariances[source])
    gained *= fused >= FLAT
    gain = gained / (variance + FLAT)
    noise = np.subtract(fused, gain * gained, out=gained)
    np.maximum(noise, FLAT, out=noise)
    noise += _NOISE
    gain *= gain
    gain *= variance
    gain /= noise
    gain += 1.0
    return _sum_of_logs(present), _sum_of_logs(gain)


def _saturated_product(one: Double, other: Double) -> Double:
    return np.minimum(one * other, 255.0)


def _sum_of_logs(factors: Double) -> float:
    """Sum of the logarithms of 1 or more, up to 1e17: that of their products, which is quicker."""
    rows = len(factors) - len(factors) % _FACTORS
    stacked = factors[:rows].reshape(-1, _FACTORS, factors.shape[1])
    whole = float(np.log(np.multiply.reduce(stacked, axis=1)).sum())
    return whole + float(np.log(factors[rows:]).sum())


SPECS = (
    MetricSpec(
        name="VIF",
        direction="higher",
        inputs=ALL,
        reference="Sheikh, Bovik, IEEE Transactions on Image Processing 15(2), 2006",
        float=Arithmetic(visual_information_fidelity, range=(0.0, math.inf)),
        uint8=Arithmetic(visual_information_fidelity_uint8, range=(0.0, math.inf)),
        minimum_size=MINIMUM_SIZE,
    ),
)
