"""Qcv: visible difference to the sources, weighted by the regions' saliency."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._contrast_sensitivity import filter_by_sensitivity, stretched
from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec, Single

_REGION = 16  # pixels along the side of a region
_PIXELS = 8.0


def region_based_error(greys: Greys) -> float:
    """Qcv: mean squared difference to the sources as an eye sees it, over salient regions.

    Pictures are stretched to 0..255. In regions of 16 x 16 pixels the difference of the fused
    picture to each source, filtered by Mannos and Sakrison's contrast sensitivity, is squared and
    averaged; regions and sources are weighted by the sum of the source's Sobel gradient to the
    5th power. Regions that the frame cuts are filled up with black, as in Z. Liu's toolbox, whose
    constants these are and which VIFB uses too.

    Two constant sources have no saliency, 0/0; all regions then weigh the same.

    The computation is in float32.

    Returns:
        Squared grey levels after filtering, 0 or more, 0 for three equal pictures; lower is
        better.

    Reference:
        H. Chen, P. K. Varshney, A human perception inspired quality metric for image fusion based
        on regional information, Information Fusion 8(2), 2007.
    """
    *sources, fused = greys.once(stretched)
    saliency = np.stack([_saliency(source) for source in sources])
    error = np.stack([_error(source - fused) for source in sources])
    if not saliency.any():
        saliency = np.ones_like(saliency)
    return float(np.average(error, weights=saliency))


def _sensitivity(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = 0.144 * frequency
    return np.asarray(2.6 * (0.0192 + scaled) * np.exp(-(scaled**1.1)))


def _error(difference: Single) -> NDArray[np.float64]:
    seen = filter_by_sensitivity(difference, _sensitivity, _PIXELS)
    return _sum_regions(seen * seen) / _REGION**2


def _saliency(source: Single) -> NDArray[np.float64]:
    framed = np.pad(source, 1)
    right = np.asarray(cv2.Sobel(framed, cv2.CV_32F, 1, 0))[1:-1, 1:-1]
    down = np.asarray(cv2.Sobel(framed, cv2.CV_32F, 0, 1))[1:-1, 1:-1]
    squared = right * right + down * down
    return _sum_regions(squared * squared * np.sqrt(squared))  # the exponent 5


def _sum_regions(plane: Single) -> NDArray[np.float64]:
    height, width = plane.shape
    full = np.pad(plane, ((0, -height % _REGION), (0, -width % _REGION)))
    regions = full.reshape(full.shape[0] // _REGION, _REGION, full.shape[1] // _REGION, _REGION)
    return np.asarray(regions.sum(axis=(1, 3), dtype=np.float64))


SPECS = (
    MetricSpec(
        name="Qcv",
        direction="lower",
        inputs=ALL,
        reference="Chen, Varshney, Information Fusion 8(2), 2007",
        float=Arithmetic(region_based_error, range=(0.0, math.inf), unit="squared grey level"),
    ),
)
