"""Structural similarity of the fused picture to its sources: SSIM and MS-SSIM."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._spec import ALL, Arithmetic, Grey, Greys, MetricSpec
from piafusion.metrics._windows import TAPS, finest, means

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, finest first."""


def structural_similarity(greys: Greys) -> float:
    """SSIM: mean over both sources of the mean structural similarity to the fused picture.

    Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, only windows that lie
    inside the picture. Papers that print the sum over both sources print twice this. Defined for
    constant pictures too: two equal ones have 1.

    Returns:
        -1 to 1; higher is better.

    Reference:
        Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image quality assessment: from error
        visibility to structural similarity, IEEE Transactions on Image Processing 13(4), 2004.
    """
    return float(np.mean(greys.once(finest).similarity))


def multiscale_structural_similarity(greys: Greys) -> float:
    """MS-SSIM: mean over both sources of the similarity over five scales.

    The similarity of a source is a product: contrast and structure at each scale, and luminance
    at the coarsest. Each factor is averaged over the picture and raised to the weight of its
    scale. Between scales, blocks of 2 x 2 pixels are averaged; an odd last row or column counts
    twice. If contrast and structure are opposed, their mean is negative and has no such power;
    the similarity of that source is then 0.

    The multi-exposure index of Ma et al. (2015), which some fusion toolboxes print under this
    name, is another metric.

    Returns:
        0 to 1; higher is better.

    Reference:
        Z. Wang, E. P. Simoncelli, A. C. Bovik, Multi-scale structural similarity for image quality
        assessment, Asilomar Conference on Signals, Systems and Computers, 2003.
    """
    planes: list[Grey] = list(greys.planes)
    product = np.maximum(greys.once(finest).structure, 0.0) ** WEIGHTS[0]
    for scale, weight in enumerate(WEIGHTS[1:], start=2):
        planes = [_halve(plane) for plane in planes]
        local = means(planes)
        coarsest = scale == len(WEIGHTS)
        product *= np.maximum(local.similarity if coarsest else local.structure, 0.0) ** weight
    return float(product.mean())


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
