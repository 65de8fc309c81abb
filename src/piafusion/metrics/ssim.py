"""Structural similarity of the fused picture to its sources: SSIM and MS-SSIM."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._inputs import Grey, Greys
from piafusion.metrics._spec import ALL, Arithmetic, MetricSpec
from piafusion.metrics._windows import Moments, gaussian, moments_in_strips

TAPS = gaussian(11, 1.5)
"""Window of SSIM along one axis."""

C1, C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
"""Constants that keep the ratios of luminance and of contrast from 0/0."""

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, finest first."""

Pair = NDArray[np.float64]


def structural_similarity(greys: Greys) -> float:
    """SSIM: mean over both sources of the mean structural similarity to the fused picture.

    Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, only windows that lie
    inside the picture. Papers that print the sum over both sources print twice this. Defined for
    constant pictures too: two equal ones have 1.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 11 x 11.

    Returns:
        -1 to 1; higher is better.

    Reference:
        Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image quality assessment: from error
        visibility to structural similarity, IEEE Transactions on Image Processing 13(4), 2004.
    """
    return float(np.mean(greys.once(_finest)[0]))


def multiscale_structural_similarity(greys: Greys) -> float:
    """MS-SSIM: mean over both sources of the similarity over five scales.

    Contrast and structure at each scale and luminance at the coarsest, each averaged over the
    picture and raised to its scale's weight. Between scales 2 x 2 pixels are averaged; an odd
    last row or column counts twice. Where contrast and structure are opposed on the whole, a
    negative mean has no such power; the term of that source is 0.

    The multi-exposure index of Ma et al. (2015), which some fusion toolboxes print under this
    name, is another metric.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 176 x 176.

    Returns:
        0 to 1; higher is better.

    Reference:
        Z. Wang, E. P. Simoncelli, A. C. Bovik, Multi-scale structural similarity for image quality
        assessment, Asilomar Conference on Signals, Systems and Computers, 2003.
    """
    planes: list[Grey] = list(greys.planes)
    product = np.maximum(greys.once(_finest)[1], 0.0) ** WEIGHTS[0]
    for scale, weight in enumerate(WEIGHTS[1:], start=2):
        planes = [_halve(plane) for plane in planes]
        of_all, of_structure = _means(planes)
        coarsest = scale == len(WEIGHTS)
        product *= np.maximum(of_all if coarsest else of_structure, 0.0) ** weight
    return float(product.mean())


def similarity(local: Moments, source: int, c1: float = C1, c2: float = C2) -> NDArray[np.float64]:
    """SSIM of the fused picture and a source (0 infrared, 1 visible) in each window."""
    mean, fused_mean = local.means[source], local.means[2]
    luminance = (2.0 * mean * fused_mean + c1) / (mean * mean + fused_mean * fused_mean + c1)
    return np.asarray(luminance * contrast_and_structure(local, source, c2))


def contrast_and_structure(local: Moments, source: int, c2: float = C2) -> NDArray[np.float64]:
    """SSIM without its comparison of luminance."""
    spread = local.variances[source] + local.variances[2] + c2
    return np.asarray((2.0 * local.covariances[source] + c2) / spread)


def _finest(greys: Greys) -> tuple[Pair, Pair]:
    return _means(greys.planes)


def _means(planes: Sequence[Grey]) -> tuple[Pair, Pair]:
    """Mean similarity of the fused picture to either source, and that without luminance."""
    of_all, of_structure, count = np.zeros(2), np.zeros(2), 0
    for local in moments_in_strips(planes, TAPS):
        of_all += [similarity(local, source).sum() for source in (0, 1)]
        of_structure += [contrast_and_structure(local, source).sum() for source in (0, 1)]
        count += local.means[0].size
    return of_all / count, of_structure / count


def _halve(plane: Grey) -> NDArray[np.float64]:
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge").astype(np.float64)
    size = (even.shape[1] // 2, even.shape[0] // 2)
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), dtype=np.float64)


SPECS = (
    MetricSpec(
        name="SSIM",
        direction="higher",
        inputs=ALL,
        reference="Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13(4), 2004",
        float=Arithmetic(structural_similarity, range=(-1.0, 1.0)),
        minimum_size=TAPS.size,
    ),
    MetricSpec(
        name="MS-SSIM",
        direction="higher",
        inputs=ALL,
        reference="Wang, Simoncelli, Bovik, Asilomar Conference, 2003",
        float=Arithmetic(multiscale_structural_similarity, range=(0.0, 1.0)),
        minimum_size=TAPS.size * 2 ** (len(WEIGHTS) - 1),
    ),
)
