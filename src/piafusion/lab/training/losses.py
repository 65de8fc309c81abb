"""The losses of the paper (section 3.2), each beside its equation, and alternatives.

All take float tensors, images N x 1 x H x W in [0, 1] and day probabilities of shape N, and
return a scalar: the mean over pixels (the paper's 1/HW times the l1-norm) and over the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from piafusion.metrics.vif import WINDOWS

TextureLoss = Literal["magnitude", "signed", "headroom"]

IntensityTarget = Literal["maximum", "salient"]

SURROUNDINGS = 65
"""Side of the square that a hot target has to stand out from, in pixels."""
STANDS_OUT = 0.25
"""How much hotter than its surroundings a target is, on [0, 1], to count fully by day."""
STRONG = 0.5
"""Gradient magnitude of a strong edge: by Sobel, a step of an eighth of the range."""
HEADROOM = 0.15
"""Distance from white, on [0, 1], from which on infrared edges are drawn in full."""

COARSE_BLOCKS = (8, 16)
"""Sides, in pixels, of the blocks whose means the coarse term compares."""

_SOBEL_X = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def sobel(image: Tensor) -> Tensor:
    """Return the horizontal and vertical Sobel gradients, N x 2 x H x W.

    The kernel is the plain one (a step of 1 gives 4); borders are replicated, so that the
    frame of the picture is no edge.
    """
    horizontal = image.new_tensor(_SOBEL_X)
    kernels = torch.stack((horizontal, horizontal.T))[:, None]
    return functional.conv2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), kernels)


def gradient_magnitude(image: Tensor) -> Tensor:
    """Return `abs(gx) + abs(gy)` of the Sobel gradients, N x 1 x H x W."""
    return sobel(image).abs().sum(dim=1, keepdim=True)


def illumination_loss(
    fused: Tensor, infrared: Tensor, luminance: Tensor, day_probability: Tensor
) -> Tensor:
    """Eq. 8 and 9: distance to the visible image by day, to the infrared image by night."""
    to_infrared = (fused - infrared).abs().mean(dim=(1, 2, 3))
    to_visible = (fused - luminance).abs().mean(dim=(1, 2, 3))
    return ((1 - day_probability) * to_infrared + day_probability * to_visible).mean()


def auxiliary_intensity_loss(fused: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
    """Eq. 10: distance to the pixelwise maximum of the sources."""
    return functional.l1_loss(fused, torch.maximum(infrared, luminance))


def salient_intensity_loss(
    fused: Tensor, infrared: Tensor, luminance: Tensor, day_probability: Tensor
) -> Tensor:
    """Eq. 10 made aware of the light: by day only what stands out in infrared may brighten.

    By night the target is the pixelwise maximum. By day a warm road or wall is no target, and the
    maximum bleaches it; there the infrared counts as far as it is hotter than the mean of its
    surroundings of `SURROUNDINGS` pixels, fully from a step of `STANDS_OUT` on.
    """
    mean = infrared
    margin = SURROUNDINGS // 2
    for sides, window in (
        ((margin, margin, 0, 0), (1, SURROUNDINGS)),
        ((0, 0, margin, margin), (SURROUNDINGS, 1)),
    ):
        extended = functional.pad(mean, sides, mode="replicate")
        mean = functional.avg_pool2d(extended, window, stride=1)
    salience = ((infrared - mean) / STANDS_OUT).clamp(0, 1)
    share = 1 - day_probability.view(-1, 1, 1, 1) * (1 - salience)
    target = luminance + share * (infrared - luminance).clamp_min(0)
    return functional.l1_loss(fused, target)


def texture_loss(fused: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
    """Eq. 11: the gradient magnitude should be the larger one of the sources.

    A magnitude does not tell which side of an edge is brighter. With a large weight from the first
    step on, training can settle on reversed edges: black outlines on pale planes.
    """
    target = torch.maximum(gradient_magnitude(infrared), gradient_magnitude(luminance))
    return functional.l1_loss(gradient_magnitude(fused), target)


@torch.no_grad()
def reversed_share(fused: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
    """Return the share of the sources' strong edges that the fused image draws the wrong way round.

    Eq. 11 cannot see them. An edge is that of the stronger source; strong are those whose gradient
    magnitude is above `STRONG`. 0 without any.
    """
    of_infrared, of_visible = sobel(infrared), sobel(luminance)
    strengths = [edges.abs().sum(dim=1, keepdim=True) for edges in (of_infrared, of_visible)]
    edges = torch.where(strengths[0] > strengths[1], of_infrared, of_visible)
    strong = torch.maximum(*strengths) > STRONG
    wrong = (edges * sobel(fused)).sum(dim=1, keepdim=True) < 0
    return (wrong & strong).sum() / strong.sum().clamp_min(1)


def signed_texture_loss(
    fused: Tensor, infrared: Tensor, luminance: Tensor, *, within_headroom: bool = False
) -> Tensor:
    """Eq. 11 with direction: the gradient vector should be that of the stronger source.

    At each pixel both components are compared with those of the source whose magnitude is
    larger, so a reversed edge costs twice its strength instead of nothing.

    An infrared edge cannot be drawn on a sky that is white already without darkening it into a
    halo. `within_headroom` counts infrared gradients only as far as the visible image leaves room
    for them: fully up to `HEADROOM` below white, not at all in white.
    """
    of_infrared, of_visible = sobel(infrared), sobel(luminance)
    if within_headroom:
        of_infrared = of_infrared * ((1 - luminance) / HEADROOM).clamp(0, 1)
    infrared_is_stronger = of_infrared.abs().sum(dim=1, keepdim=True) > of_visible.abs().sum(
        dim=1, keepdim=True
    )
    target = torch.where(infrared_is_stronger, of_infrared, of_visible)
    return (sobel(fused) - target).abs().sum(dim=1).mean()


def coarse_structure_loss(fused: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
    """Distance of the Sobel gradients of block means from those of the pixelwise maximum.

    Pixel by pixel a wide soft edge is too faint to count. Where a network changes from one source
    to the other within a plane, or darkens the surroundings of a lamp to keep its edge, it leaves
    such edges: blotches and halos that neither source has. In block means they are as strong as
    any, and the maximum, whose gradient is everywhere that of a source, has none of them. Detail
    within the blocks is left to the other terms.
    """
    maximum = torch.maximum(infrared, luminance)
    loss = fused.new_zeros(())
    for side in COARSE_BLOCKS:
        difference = functional.avg_pool2d(fused - maximum, side)
        loss = loss + sobel(difference).abs().sum(dim=1).mean()
    return loss


@dataclass(frozen=True)
class FusionLoss:
    """Eq. 12: the weighted sum of its three terms, and of three more; defaults are the paper's."""

    illumination: float = 3.0
    intensity: float = 7.0
    gradient: float = 50.0
    texture: TextureLoss = "magnitude"
    target: IntensityTarget = "maximum"
    coarse: float = 0.0
    fidelity: float = 0.0
    edges: float = 0.0

    def __call__(
        self, fused: Tensor, infrared: Tensor, luminance: Tensor, day_probability: Tensor
    ) -> dict[str, Tensor]:
        """Return the unweighted terms and, as `loss`, their weighted sum."""
        headroom = self.texture == "headroom"
        texture = (
            texture_loss(fused, infrared, luminance)
            if self.texture == "magnitude"
            else signed_texture_loss(fused, infrared, luminance, within_headroom=headroom)
        )
        brightness = (
            salient_intensity_loss(fused, infrared, luminance, day_probability)
            if self.target == "salient"
            else auxiliary_intensity_loss(fused, infrared, luminance)
        )
        terms = {
            "illumination": illumination_loss(fused, infrared, luminance, day_probability),
            "intensity": brightness,
            "texture": texture,
        }
        total = (
            self.illumination * terms["illumination"]
            + self.intensity * terms["intensity"]
            + self.gradient * terms["texture"]
        )
        if self.texture == "magnitude":
            terms["reversed"] = reversed_share(fused, infrared, luminance)
        if self.coarse:
            terms["coarse"] = coarse_structure_loss(fused, infrared, luminance)
            total = total + self.coarse * terms["coarse"]
        if self.fidelity:
            terms["fidelity"] = fidelity_loss(fused, infrared, luminance)
            total = total + self.fidelity * terms["fidelity"]
        if self.edges:
            terms["edges"] = edge_loss(sobel(fused), sobel(infrared), sobel(luminance))
            total = total + self.edges * terms["edges"]
        return {**terms, "loss": total}


def illumination_cross_entropy(logits: Tensor, is_day: Tensor) -> Tensor:
    """Eq. 13: cross-entropy of the illumination network.

    Args:
        logits: N x 2 in the order day, night, before the softmax.
        is_day: N, 1 by day and 0 by night (the paper's one-hot labels [1, 0] and [0, 1]).
    """
    return functional.cross_entropy(logits, 1 - is_day.long())


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
