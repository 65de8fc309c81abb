"""Qw: structural similarity weighted by the sources' saliency."""

from __future__ import annotations

import numpy as np

from piafusion.metrics._inputs import Greys
from piafusion.metrics._spec import ALL, Arithmetic, MetricSpec
from piafusion.metrics._windows import ROUNDING, moments_in_strips
from piafusion.metrics.ssim import TAPS, similarity


def weighted_fusion_quality(greys: Greys) -> float:
    """Qw: similarity to the more varied source, weighted by how varied the sources are.

    In each window the two similarities are averaged in proportion to the sources' variances, and
    the mean over windows is weighted by the larger variance. As in the code the field uses (Z.
    Liu's toolbox, VIFB's origin) the similarity is SSIM in its 11 x 11 Gaussian window with its
    constants, where the paper has the universal quality index in 8 x 8 blocks.

    Where both sources are flat, both variances count as half a squared grey level, as in that
    code; so the weights are never all 0.

    Args:
        greys: Three float64 pictures on the 0..255 scale, at least 11 x 11.

    Returns:
        -1 to 1, 1 for three equal pictures; higher is better.

    Reference:
        G. Piella, H. Heijmans, A new quality metric for image fusion, IEEE International
        Conference on Image Processing, 2003.
    """
    quality = total = 0.0
    for local in moments_in_strips(greys.planes, TAPS):
        infrared, visible, _ = local.variances
        both_flat = infrared + visible < ROUNDING
        infrared, visible = infrared + 0.5 * both_flat, visible + 0.5 * both_flat
        share = infrared / (infrared + visible)
        of_infrared, of_visible = similarity(local, 0), similarity(local, 1)
        weight = np.maximum(infrared, visible)
        quality += float(np.sum(weight * (of_visible + share * (of_infrared - of_visible))))
        total += float(np.sum(weight))
    return quality / total


SPECS = (
    MetricSpec(
        name="Qw",
        direction="higher",
        inputs=ALL,
        reference="Piella, Heijmans, IEEE ICIP 2003",
        float=Arithmetic(weighted_fusion_quality, range=(-1.0, 1.0)),
        minimum_size=TAPS.size,
    ),
)
