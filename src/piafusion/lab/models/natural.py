"""Natural by day, complete by night, targets always: where infrared belongs into the picture.

A mixing network fuses as if every place were dark: all of the infrared that is brighter comes in.
Beside it a small U-shaped network judges each place at half the resolution and coarser. *Targets*:
what is alive and warm, as a threshold on the infrared whose height and steepness it sets for each
place, so that the edges are those of the infrared picture. *Light*: how little the visible picture
shows here of what there is, the paper's illumination probability as a map. Both together are the
share of the fused picture that comes in; targets get more than all of it, so that they stand out.

`strength` is the dial: 0 is the visible picture, 0.5 the natural one, 1 all of the infrared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import leaky

COARSEST = 32
"""Pixels of the picture in a step of the coarsest layer."""
HOT = 0.85
"""Share of the fused picture that a target takes that the infrared shows white."""
FRAME = 8
"""Pixels of the half resolution that the border is replicated by."""
NATURAL = 0.5
"""The strength of the natural picture."""


@dataclass(frozen=True)
class ContextSizes:
    """Widths of the layers at strides 4, 8, 16 and 32, and residual layers at the last."""

    widths: tuple[int, int, int, int] = (16, 24, 32, 48)
    residual_layers: int = 2


@dataclass(frozen=True)
class Judgement:
    """What the context network says of each pixel of the half resolution, N x 1 x h x w.

    Attributes:
        targets: Logits: is this something alive and warm.
        light: Logits: is the visible picture of no use here.
        heat: The infrared picture, in [0, 1].
    """

    targets: Tensor
    light: Tensor
    heat: Tensor

    def share(self, gain: float) -> Tensor:
        """Return the share of the fused picture that a natural one takes, in [0, `HOT` + gain].

        In the dark all of it. In good light targets take more of it the less hot they look: those
        that are white already keep what the visible picture shows of them.

        Args:
            gain: What a target takes beyond `HOT` if the infrared shows it black.
        """
        target, dark = torch.sigmoid(self.targets), torch.sigmoid(self.light)
        return dark + (1 - dark) * target * (HOT + gain * (1 - self.heat))


class ContextNet(nn.Module):
    """Judges targets and light from both pictures."""

    def __init__(self, sizes: ContextSizes | None = None) -> None:
        """Build the layers; without training nothing is a target and all is lit."""
        super().__init__()
        self.sizes = sizes = sizes or ContextSizes()
        fine, eighth, coarse, coarsest = sizes.widths
        self.stem = nn.Conv2d(2, fine, 5, stride=2, padding=2)
        self.down = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
            for inputs, outputs in ((fine, eighth), (eighth, coarse), (coarse, coarsest))
        )
        self.residual = nn.ModuleList(
            nn.Conv2d(coarsest, coarsest, 3, padding=1) for _ in range(sizes.residual_layers)
        )
        self.lateral = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in ((coarsest, coarse), (coarse, eighth))
        )
        self.up = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.head = nn.Conv2d(eighth, 3 * 4, 3, padding=1)
        self.fine_head = nn.Conv2d(fine, 3, 1)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.fine_head.weight.mul_(0.1)
            for layer, start in ((self.head, [0.0] * 12), (self.fine_head, [4.0, -5.0, -2.0])):
                cast(nn.Parameter, layer.bias).copy_(torch.tensor(start))

    def forward(self, infrared: Tensor, luminance: Tensor) -> Judgement:
        """Judge a batch.

        Args:
            infrared: N x 1 x H x W in [0, 1].
            luminance: The same shape and range.

        Returns:
            The judgement for h x w places of two by two pixels, a few more than H and W need.
        """
        size = infrared.shape[-2:]
        planes = [extend(functional.avg_pool2d(plane, 2), size) for plane in (infrared, luminance)]
        half = torch.cat(planes, dim=1)
        levels = [leaky(self.stem(half))]  # strides 4, 8, 16, 32
        for layer in self.down:
            levels.append(leaky(layer(levels[-1])))
        stem, eighth, coarse, features = levels
        for layer in self.residual:
            features = leaky(features + layer(features))
        features = leaky(coarse + _repeat(self.lateral[0](features)))
        features = leaky(features + self.up(features))
        features = leaky(eighth + _repeat(self.lateral[1](features)))
        judged = functional.pixel_shuffle(self.head(features), 2) + self.fine_head(stem)
        half, judged = half[..., FRAME:, FRAME:], judged[..., FRAME // 2 :, FRAME // 2 :]
        steepness, height, light = (double(plane) for plane in judged.chunk(3, dim=1))
        heat = half[:, :1]
        return Judgement(steepness * heat + height, light, heat)


def sharpen(context: ContextNet, targets: float, light: float) -> None:
    """Make the answers of a network more decided, in place: multiply its logits.

    Args:
        context: The network.
        targets: Factor for the targets.
        light: Factor for the light.
    """
    factors = torch.tensor([targets, targets, light])
    with torch.no_grad():
        for layer, times in ((context.head, 4), (context.fine_head, 1)):
            factor = factors.repeat_interleave(times)
            layer.weight.mul_(factor[:, None, None, None])
            cast(nn.Parameter, layer.bias).mul_(factor)


def _repeat(features: Tensor) -> Tensor:
    """Repeat each value to twice the size."""
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")


def double(features: Tensor) -> Tensor:
    """Interpolate to twice the size."""
    return functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


def extend(half: Tensor, size: Sequence[int]) -> Tensor:
    """Replicate the border of a halved picture: zeros beside it would be seen as a frame.

    Args:
        half: N x 1 x h x w, a picture of H x W halved; of an odd side the last pixels are left out.
        size: H and W.

    Returns:
        `FRAME` rows more above and at least as many below (H + 1) / 2, so many that the coarsest
        layer divides them; columns likewise.
    """
    (rows, columns), side = half.shape[-2:], COARSEST // 2
    height, width = (math.ceil((full + 4 * FRAME) / COARSEST) * side for full in size)
    sides = (FRAME, width - columns - FRAME, FRAME, height - rows - FRAME)
    return functional.pad(half, sides, mode="replicate")


def weight_at(strength: float | Tensor, share: Tensor) -> Tensor:
    """Return how much of the fused picture comes in at a setting of the dial.

    It rises with the strength at each pixel, from 0 over the natural share at 0.5 to 1, or to the
    share itself where that is more.

    Args:
        strength: In [0, 1].
        share: The natural picture's share, N x 1 x h x w, at least 0.
    """
    strength = torch.as_tensor(strength, dtype=share.dtype, device=share.device)
    below, above = (2 * strength).clamp(max=1), (2 * strength - 1).clamp(min=0)
    return below * share + above * (1 - share).clamp(min=0)


class NaturalFusionNet(nn.Module):
    """A mixing network, and beside it the one that judges where its answer belongs."""

    def __init__(self, mixing: nn.Module, context: ContextNet, gain: float = 1.6) -> None:
        """Join two networks.

        Args:
            mixing: Fuses infrared and luminance, N x 1 x H x W each.
            context: Judges the places.
            gain: How much more of the fused picture cool targets take than hot ones.
        """
        super().__init__()
        self.mixing, self.context, self.gain = mixing, context, gain

    def forward(self, infrared: Tensor, luminance: Tensor, strength: float | Tensor) -> Tensor:
        """Fuse a batch.

        Args:
            infrared: N x 1 x H x W in [0, 1].
            luminance: The same shape and range.
            strength: The dial, in [0, 1].

        Returns:
            Fused luminance, N x 1 x H x W in [0, 1].
        """
        complete = self.mixing(infrared, luminance)
        share = self.context(infrared, luminance).share(self.gain)
        height, width = infrared.shape[-2:]
        weight = double(weight_at(strength, share))[..., :height, :width]
        fused: Tensor = luminance + weight * (complete - luminance)
        return fused.clamp(0, 1)
