"""Visual information fidelity in the pixel domain (vifp)."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Grey, Greys
from piafusion.metrics._spec import MetricSpec
from piafusion.metrics._strips import strips

WINDOWS = (17, 9, 5, 3)
"""Side of the Gaussian window at each scale, finest first; its sigma is a fifth of the side."""

MINIMUM_SIZE = 41
"""41 shrinks to 17, 7 and 3 pixels, on which the last 3 x 3 window still fits once."""

_NOISE = 2.0  # variance of the noise of the eye, sigma_nsq
_TINY = 1e-10  # variances below this are rounding errors of a flat window


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
    planes = [plane - plane.mean() for plane in (*greys.sources, greys.fused)]
    kept = np.zeros(2)
    present = np.zeros(2)
    for side in WINDOWS:
        taps = _gaussian(side)
        if side != WINDOWS[0]:
            planes = [np.ascontiguousarray(_smooth(p, taps)[::2, ::2]) for p in planes]
        for strip in strips(planes, window=side):
            kept_here, present_here = _information(strip, taps)
            kept += kept_here
            present += present_here
    return math.fsum(k / p for k, p in zip(kept, present, strict=True) if p > 0)


def _information(planes: list[Grey], taps: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Information in nats at one scale that the fused picture keeps of, and that is in, sources."""
    *sources, fused = planes
    fused_mean = _smooth(fused, taps)
    fused_variance = _smooth(fused * fused, taps) - fused_mean * fused_mean
    kept, present = [], []
    for source in sources:
        mean = _smooth(source, taps)
        variance = _smooth(source * source, taps) - mean * mean
        variance *= variance >= _TINY  # flat windows hold nothing
        covariance = _smooth(source * fused, taps) - mean * fused_mean
        # Channel model: fused = gain * source + noise, with a gain that is never negative.
        gain = np.maximum(covariance, 0.0) / (variance + _TINY)
        noise = np.maximum(fused_variance - gain * covariance, 0.0)
        kept.append(float(np.log1p(gain * gain * variance / (noise + _NOISE)).sum()))
        present.append(float(np.log1p(variance / _NOISE).sum()))
    return kept, present


def _gaussian(side: int) -> NDArray[np.float64]:
    offsets = np.arange(side) - side // 2
    taps = np.exp(-0.5 * (offsets / (side / 5.0)) ** 2)
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _smooth(plane: Grey, taps: NDArray[np.float64]) -> Grey:
    """Separable filter, only where the window fits: ``H x W`` becomes ``H-n+1 x W-n+1``."""
    margin = taps.size // 2
    smooth = np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, taps, taps), dtype=np.float64)
    return smooth[margin:-margin, margin:-margin]


SPECS = (
    MetricSpec(
        name="VIF",
        direction="higher",
        range=(0.0, math.inf),
        unit="",
        reference="Sheikh, Bovik, IEEE Transactions on Image Processing 15(2), 2006",
        function=visual_information_fidelity,
        minimum_size=MINIMUM_SIZE,
    ),
)
