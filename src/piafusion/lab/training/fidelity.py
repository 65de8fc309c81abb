"""Two metrics in a form that can be trained on: information fidelity and edge preservation.

They follow VIF and Qabf of `piafusion.metrics` with every step differentiable, and are taken over
a batch as if it were one picture, since a dark crop alone holds too little to divide by. A network
trained on them is not judged by these two metrics alone: heed its other scores and its pictures.

Images are N x 1 x H x W float in [0, 1], at least 41 x 41 pixels for the first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from piafusion.metrics.vif import WINDOWS

_NOISE = 2.0 / 255**2  # variance of the noise of the eye on [0, 1]
_FLAT = 1e-7  # of variances: keeps the gain finite where a source is flat
_FAINT = 1e-5  # of squared gradients: keeps their root differentiable at 0
_ALIGNED = 1 - 1e-3  # largest cosine, where the derivative of its angle is still finite


def fidelity_loss(fused: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
    """Return 2 - VIF: what an eye misses of the sources. Negative where contrast is raised.

    Reference:
        H. R. Sheikh, A. C. Bovik, Image information and visual quality, IEEE Transactions on
        Image Processing 15(2), 2006, pixel domain, four scales.
    """
    # Apart, because only what the fused picture takes part in needs a way back.
    sources = _centred(torch.cat((infrared, luminance), dim=1))
    picture = _centred(fused)
    kept = present = fused.new_zeros(2)  # per source
    for side in WINDOWS:
        if side != WINDOWS[0]:
            sources, picture = (_smooth(x, side)[..., ::2, ::2] for x in (sources, picture))
        mean, square = _smooth(torch.cat((sources, sources**2), dim=1), side).chunk(2, dim=1)
        of_sources = (square - mean**2).clamp_min(0)
        moments = torch.cat((picture, picture**2, sources * picture), dim=1)
        fused_mean, fused_square, product = torch.split(_smooth(moments, side), [1, 1, 2], dim=1)
        of_fused = (fused_square - fused_mean**2).clamp_min(0)
        covariance = product - mean * fused_mean
        gain = covariance.clamp_min(0) / (of_sources + _FLAT)
        noise = (of_fused - gain * covariance).clamp_min(0)
        signal = gain * gain * of_sources
        kept = kept + torch.log1p(signal / (noise + _NOISE)).sum(dim=(0, 2, 3))
        present = present + torch.log1p(of_sources / _NOISE).sum(dim=(0, 2, 3))
    return 2 - (kept / (present + _FLAT)).sum()


def edge_loss(fused_edges: Tensor, infrared_edges: Tensor, visible_edges: Tensor) -> Tensor:
    """Return 1 - Qabf: the share of edge strength and orientation that is not preserved.

    Orientations are compared as angles between gradients, so they wrap round at 90 degrees,
    which the metric's do not.

    Args:
        fused_edges: Sobel gradients, N x 2 x H x W.
        infrared_edges: The same of the infrared images.
        visible_edges: The same of the visible images.

    Reference:
        C. S. Xydeas, V. Petrovic, Objective image fusion performance measure, Electronics
        Letters 36(4), 2000.
    """
    of_fused = _strength(fused_edges)
    preserved = total = fused_edges.new_zeros(())
    for edges in (infrared_edges, visible_edges):
        strength = _strength(edges)
        ratio = torch.minimum(strength, of_fused) / torch.maximum(strength, of_fused)
        cosine = (edges * fused_edges).sum(dim=1, keepdim=True) / (strength * of_fused)
        agreement = 1 - torch.acos(cosine.abs().clamp_max(_ALIGNED)) / (math.pi / 2)
        quality = 0.9994 * torch.sigmoid(15 * (ratio - 0.5))
        quality = quality * 0.9879 * torch.sigmoid(22 * (agreement - 0.8))
        preserved = preserved + (quality * strength).sum()
        total = total + strength.sum()
    return 1 - preserved / total


def _centred(planes: Tensor) -> Tensor:
    return planes - planes.mean(dim=(2, 3), keepdim=True)


def _strength(edges: Tensor) -> Tensor:
    return torch.sqrt((edges * edges).sum(dim=1, keepdim=True) + _FAINT)


def _smooth(planes: Tensor, side: int) -> Tensor:
    """Separable Gaussian where its window fits: N x C x H x W becomes N x C x H-n+1 x W-n+1."""
    channels = planes.shape[1]
    offsets = torch.arange(side, dtype=planes.dtype, device=planes.device) - side // 2
    taps = torch.exp(-0.5 * (offsets / (side / 5)) ** 2)
    rows = (taps / taps.sum()).view(1, 1, 1, side).expand(channels, 1, 1, side)
    smooth = functional.conv2d(planes, rows, groups=channels)
    return functional.conv2d(smooth, rows.transpose(2, 3), groups=channels)
