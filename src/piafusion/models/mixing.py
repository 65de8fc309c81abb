"""The networks that mix the sources: the paper's idea at a quarter of the resolution.

Both images are rearranged into blocks of `factor` x `factor` pixels as channels (pixel
unshuffle), so each convolution sees far and costs little. The streams exchange differences
(Eq. 5 of the paper) and share a layer, then a few layers predict, for each pixel, how to mix
the sources and a bounded correction. Starting from a mix of the sources instead of from
nothing keeps fine detail without having to learn to draw it. `piafusion-fast` is the narrow
one for video rate, `piafusion` the wider and deeper one for quality.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.models.blocks import conv, exchange_differences, leaky


@dataclass(frozen=True)
class MixingFusionSizes:
    """Size of the unshuffled blocks, width of all layers, layers with residual links."""

    factor: int = 4
    width: int = 32
    residual_layers: int = 2


class MixingFusionNet(nn.Module):
    """Mixes infrared and luminance with per-pixel weights and a bounded correction."""

    def __init__(self, sizes: MixingFusionSizes | None = None) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        sizes = sizes or MixingFusionSizes()
        self.factor = sizes.factor
        block, width = sizes.factor**2, sizes.width
        self.infrared_stem = conv(block, width, padding_mode="replicate")
        self.visible_stem = conv(block, width, padding_mode="replicate")
        self.shared = conv(width, width, padding_mode="replicate")
        self.merge = conv(2 * width, width, padding_mode="replicate")
        self.residual = nn.ModuleList(
            conv(width, width, padding_mode="replicate") for _ in range(sizes.residual_layers)
        )
        self.head = conv(width, 2 * block, padding_mode="replicate")

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch.

        Args:
            infrared: N x 1 x H x W float in [0, 1]; any size, odd ones are extended inside.
            luminance: Y of the visible images, same shape and range.

        Returns:
            Fused luminance, N x 1 x H x W. In [0, 1] in evaluation mode; in training mode it
            may leave the range a little, so that the loss can still pull it back.
        """
        height, width = infrared.shape[-2:]
        margin = (0, -width % self.factor, 0, -height % self.factor)
        ir_pixels = functional.pad(infrared, margin, mode="replicate")
        vi_pixels = functional.pad(luminance, margin, mode="replicate")
        ir = leaky(self.infrared_stem(functional.pixel_unshuffle(ir_pixels, self.factor)))
        vi = leaky(self.visible_stem(functional.pixel_unshuffle(vi_pixels, self.factor)))
        ir, vi = exchange_differences(ir, vi)
        ir, vi = leaky(self.shared(ir)), leaky(self.shared(vi))
        features = leaky(self.merge(torch.cat((ir, vi), dim=1)))
        for layer in self.residual:
            features = features + leaky(layer(features))
        mixing, correction = self.head(features).chunk(2, dim=1)
        weight = torch.sigmoid(functional.pixel_shuffle(mixing, self.factor))
        offset = 0.5 * torch.tanh(functional.pixel_shuffle(correction, self.factor))
        fused = weight * ir_pixels + (1 - weight) * vi_pixels + offset
        fused = fused[..., :height, :width]
        return fused if self.training else fused.clamp(0, 1)
