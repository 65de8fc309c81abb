"""Qw: structural similarity weighted by the sources' saliency."""

from __future__ import annotations

from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec
from piafusion.metrics._windows import TAPS, finest


def weighted_fusion_quality(greys: Greys) -> float:
    """Qw: similarity to the more varied source, weighted by how varied the sources are.

    In each window the two similarities are averaged in proportion to the sources' variances, and
    the mean over windows is weighted by the larger variance. As in the code the field uses (Z.
    Liu's toolbox, VIFB's origin) the similarity is SSIM in its 11 x 11 Gaussian window with its
    constants, where the paper has the universal quality index in 8 x 8 blocks.

    Where both sources are flat, both variances count as half a squared grey level, as in that
    code; so the weights are never all 0.

    Returns:
        -1 to 1, 1 for three equal pictures; higher is better.

    Reference:
        G. Piella, H. Heijmans, A new quality metric for image fusion, IEEE International
        Conference on Image Processing, 2003.
    """
    return greys.once(finest).weighted


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
