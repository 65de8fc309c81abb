"""Visual information fidelity in the pixel domain (vifp)."""

from __future__ import annotations

import math

import numpy as np

from piafusion.metrics._inputs import Grey, Greys
from piafusion.metrics._spec import ALL, Arithmetic, MetricSpec
from piafusion.metrics._windows import FLAT, Moments, gaussian, moments, smooth

WINDOWS = (17, 9, 5, 3)
"""Side of the Gaussian window at each scale, finest first; its sigma is a fifth of the side."""

MINIMUM_SIZE = 41
"""41 shrinks to 17, 7 and 3 pixels, on which the last 3 x 3 window still fits once."""

_NOISE = 2.0  # variance of the noise of the eye, sigma_nsq
_FACTORS = 16  # so many information ratios are multiplied before the logarithm is taken


def visual_information_fidelity(greys: Greys) -> float:
    """VIF: vifp(infrared, fused) + vifp(visible, fused).

    Each term is the information about a source that an eye gets from the fused picture, relative
    to what it gets from the source itself, summed over four scales. It is 1 for a copy and
    exceeds 1 where the fused picture raises the source's contrast. Only windows that lie wholly
    inside the picture count, so nothing is made up at the borders.

    A constant source holds no information, and its term would be 0/0; it contributes 0.
    (Common code returns NaN or 1 there.)

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 41 x 41.

    Returns:
        The sum over both sources, 0 or more, 2 for three equal pictures; higher is better.

    Reference:
        H. R. Sheikh, A. C. Bovik, Image information and visual quality, IEEE Transactions on
        Image Processing 15(2), 2006, in the authors' pixel-domain form, vifp_mscale.
    """
    # Variances do not see the mean; without it less is lost to rounding in E[x^2] - E[x]^2.
    return _fidelity([plane - plane.mean() for plane in greys.planes], saturate=False)


def visual_information_fidelity_uint8(greys: Greys) -> float:
    """VIF as in the published sheet: at the finest scale products stop at 255.

    There MATLAB multiplies uint8 pictures, so that most variances of the finest scale come out as
    0 and the three coarser scales decide. Pictures of fewer than 16 levels keep their variances.
    """
    return _fidelity(list(greys.planes), saturate=True)


def _fidelity(planes: list[Grey], *, saturate: bool) -> float:
    kept = np.zeros(2)
    present = np.zeros(2)
    for side in WINDOWS:
        taps = gaussian(side, side / 5.0)
        finest = side == WINDOWS[0]
        if not finest:
            planes = [np.ascontiguousarray(smooth(p, taps)[::2, ::2]) for p in planes]
        local = moments(planes, taps, _saturated_product if saturate and finest else np.multiply)
        kept += _kept_information(local)
        present += [_sum_of_logs(v * (v >= FLAT) / _NOISE + 1.0) for v in local.variances[:2]]
    return math.fsum(k / p for k, p in zip(kept, present, strict=True) if p > 0)


def _kept_information(local: Moments) -> list[float]:
    """Information in nats at one scale that the fused picture keeps of either source."""
    *sources, fused = local.variances
    fused_varies = fused >= FLAT
    kept = []
    for variance, covariance in zip(sources, local.covariances, strict=True):
        # Channel model: fused = gain * source + noise, with a gain that is never negative.
        gained = np.maximum(covariance, 0.0)
        gained *= fused_varies & (variance >= FLAT)
        gain = gained / (variance + FLAT)
        noise = fused - gain * gained
        np.maximum(noise, FLAT, out=noise)
        noise += _NOISE
        gain *= gain
        gain *= variance
        gain /= noise
        gain += 1.0
        kept.append(_sum_of_logs(gain))
    return kept


def _saturated_product(one: Grey, other: Grey) -> Grey:
    return np.minimum(one * other, 255.0)


def _sum_of_logs(factors: Grey) -> float:
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
