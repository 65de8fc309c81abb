"""Qcb: how well the contrast that an eye sees in the sources is preserved."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.metrics._contrast_sensitivity import filter_by_sensitivity, stretched
from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec, Single

_F0, _F1, _A = 15.3870, 1.3456, 0.7622  # sensitivity: difference of two Gaussians
_PIXELS = 30.0
_MASKING = 0.0001  # Z of C^3 / (C^2 + Z)


def contrast_based_quality(greys: Greys) -> float:
    """Qcb: local contrast of both sources that the fused picture preserves.

    Pictures are stretched to 0..255, filtered by the eye's contrast sensitivity, and compared by
    their local contrast, the ratio of two Gaussian means (sigma 2 and 4, 31 x 31, black beyond the
    frame) less 1, after masking C^3 / (C^2 + 0.0001): smaller over larger, in each pixel weighted
    by the sources' squared contrasts. Constants and order are those of Z. Liu's toolbox, which
    VIFB and MEFB use too.

    Where that code has 0/0: two contrasts of 0 are equal, 1; two sources without contrast weigh
    the same; contrast against a black background is 0; constant pictures are not stretched.

    The computation is in float32.

    Returns:
        0 to 1, 1 for three equal pictures; higher is better.

    Reference:
        Y. Chen, R. S. Blum, A new automated quality assessment algorithm for image fusion, Image
        and Vision Computing 27(10), 2009.
    """
    infrared, visible, fused = map(_masked_contrast, greys.once(stretched))
    of_infrared, of_visible = _preserved(infrared, fused), _preserved(visible, fused)
    power, other = infrared * infrared, visible * visible
    both = power + other
    share = np.where(both > 0, power / np.where(both > 0, both, 1), np.float32(0.5))
    quality = of_visible + share * (of_infrared - of_visible)
    return float(quality.mean(dtype=np.float64))


def _sensitivity(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-((frequency / _F0) ** 2)) - _A * np.exp(-((frequency / _F1) ** 2)))


def _masked_contrast(picture: Single) -> Single:
    seen = filter_by_sensitivity(picture, _sensitivity, _PIXELS)
    near, far = _blur(seen, 2.0), _blur(seen, 4.0)
    dark = far == 0
    contrast = np.abs(near / (far + dark) - 1.0)
    contrast[dark] = 0
    squared = contrast * contrast
    return np.asarray(contrast * (squared / (squared + np.float32(_MASKING))))


def _blur(picture: Single, sigma: float) -> Single:
    offsets = np.arange(-15, 16)
    taps = np.exp(-0.5 * (offsets / sigma) ** 2) / (np.sqrt(2.0 * np.pi) * sigma)
    black = cv2.BORDER_CONSTANT
    blurred = cv2.sepFilter2D(picture, cv2.CV_32F, taps, taps, borderType=black)
    return np.asarray(blurred, dtype=np.float32)


def _preserved(source: Single, fused: Single) -> Single:
    larger = np.maximum(source, fused)
    none = larger == 0
    return np.asarray((np.minimum(source, fused) + none) / (larger + none))


SPECS = (
    MetricSpec(
        name="Qcb",
        direction="higher",
        inputs=ALL,
        reference="Chen, Blum, Image and Vision Computing 27(10), 2009",
        float=Arithmetic(contrast_based_quality, range=(0.0, 1.0)),
    ),
)
