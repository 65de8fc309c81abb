"""Qy: structural similarity that asks first whether the sources agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec
from piafusion.metrics._windows import (
    ROUNDING,
    Moments,
    blend,
    gaussian,
    moments,
    similarity,
    smooth,
    strips,
)

_TAPS = gaussian(7, 1.5)
_AGREE = 0.75  # sources that are more similar than this are redundant
_C = 2e-16  # decides 0/0 between flat windows, nothing else


def similarity_based_quality(greys: Greys) -> float:
    """Qy: similarity to both sources where they agree, to the better kept one where they differ.

    7 x 7 Gaussian window with sigma 1.5. Where the similarity of the sources is at least 0.75, the
    two similarities of the fused picture are averaged in proportion to the sources' variances;
    elsewhere the larger one counts. The similarity is SSIM with constants of 2e-16, which only
    decide that two flat windows are alike: variances below 1e-8 count as 0, so that rounding
    does not decide it. Two flat sources weigh the same.

    Returns:
        -1 to 1, 1 for three equal pictures; higher is better.

    Reference:
        C. Yang, J.-Q. Zhang, X.-R. Wang, X. Liu, A novel similarity based quality metric for image
        fusion, Information Fusion 9(2), 2008, with the constants of Z. Liu's toolbox.
    """
    quality, count = 0.0, 0
    for strip in strips(greys.planes, _TAPS.size):
        planes = [plane.astype(np.float64) for plane in strip]
        with_fused = moments(planes, _TAPS)
        between = _of_sources(with_fused, smooth(planes[0] * planes[1], _TAPS))
        quality += float(_quality(_without_rounding(with_fused), between).sum())
        count += with_fused.means[0].size
    return quality / count


def _quality(with_fused: Moments, of_sources: Moments) -> NDArray[np.float64]:
    """Quality in each window, from the moments with the fused picture and of the sources."""
    agreement, _ = similarity(of_sources, 0, _C, _C)
    of_infrared, of_visible = (similarity(with_fused, source, _C, _C)[0] for source in (0, 1))
    variance, other = with_fused.variances[0] + _C, with_fused.variances[1] + _C
    shared = blend((of_infrared, of_visible), variance, other)
    better = np.maximum(of_infrared, of_visible)
    np.copyto(better, shared, where=agreement >= _AGREE)
    return better


def _of_sources(local: Moments, mean_product: NDArray[np.float64]) -> Moments:
    """Return the moments of the infrared picture with the visible one in the fused one's place."""
    (mean, other_mean, _), (variance, other_variance, _) = local.means, local.variances
    covariance = mean_product - mean * other_mean
    swapped = Moments(
        [mean, mean, other_mean], [variance, variance, other_variance], [covariance, covariance]
    )
    return _without_rounding(swapped)


def _without_rounding(local: Moments) -> Moments:
    """Set pure rounding errors to 0: variances of flat windows and covariances with them."""
    varied = [variance >= ROUNDING for variance in local.variances]
    return Moments(
        local.means,
        [variance * keep for variance, keep in zip(local.variances, varied, strict=True)],
        [
            covariance * (keep & varied[2])
            for covariance, keep in zip(local.covariances, varied[:2], strict=True)
        ],
    )


SPECS = (
    MetricSpec(
        name="Qy",
        direction="higher",
        inputs=ALL,
        reference="Yang, Zhang, Wang, Liu, Information Fusion 9(2), 2008",
        float=Arithmetic(similarity_based_quality, range=(-1.0, 1.0)),
        minimum_size=11,
    ),
)
