"""The networks that mix the sources: the paper's idea at a quarter of the resolution.

The first convolution of each modality looks at windows of `window` x `window` pixels and moves by
`stride`, so all that follows sees far and costs little. The streams exchange their differences
(Eq. 5 of the paper), which leaves one stream, and a few layers predict for each pixel of a block
how to mix the sources, and a bounded correction. The mix starts from the pixelwise maximum, as a
sigmoid of the sources' difference that the network shifts one way or the other: what is a good
choice almost everywhere need not be learned, and holds for other cameras. `piafusion-fast` is
the narrow one for video rate, `piafusion` the wider and deeper one for quality. `piafusion-nano`
decides by the means of regions alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import GatedFusionNet, leaky
from piafusion.lab.models.context import ContextNet
from piafusion.reach import Reach

SHARPNESS = 20.0
"""How fast the mix turns to the brighter source: unshifted, to 88 % at a tenth of the range."""


@dataclass(frozen=True)
class MixingFusionSizes:
    """Stride and window of the first layer in pixels, width of all layers, residual layers."""

    stride: int = 4
    window: int = 12
    width: int = 32
    residual_layers: int = 3


class MixingFusionNet(GatedFusionNet):
    """Mixes infrared and luminance with per-pixel weights and a bounded correction."""

    has_int8 = True  # whether `piafusion.lab.training.int8` can copy it
    context: ContextNet | None

    def __init__(
        self, sizes: MixingFusionSizes | None = None, context_side: int | None = None
    ) -> None:
        """Build the layers with torch's default initialisation.

        Args:
            sizes: The sizes of the layers.
            context_side: Longest side, in pixels, of the small copy of a picture that the context
                network sees; by default there is no such network.
        """
        super().__init__()
        self.context_side = context_side
        self.context = None if context_side is None else ContextNet()
        self.skips = True  # `folding` builds the skips of the residual layers into their weights
        self.sizes = sizes = sizes or MixingFusionSizes()
        self.infrared_stem = nn.Conv2d(1, sizes.width, sizes.window, sizes.stride)
        self.visible_stem = nn.Conv2d(1, sizes.width, sizes.window, sizes.stride)
        self.residual = nn.ModuleList(
            nn.Conv2d(sizes.width, sizes.width, 3, padding=1) for _ in range(sizes.residual_layers)
        )
        self.head = nn.Conv2d(sizes.width, 2 * sizes.stride**2, 3, padding=1)

    @property
    def reach(self) -> Reach:
        """Half a window around each block, then a block for each 3x3 layer behind the gate."""
        sizes = self.sizes
        blocks = math.ceil(self._window_margin / sizes.stride) + sizes.residual_layers + 1
        channels = max(sizes.width, self.head.out_channels)
        return Reach(sizes.stride, blocks * sizes.stride, channels / sizes.stride**2)

    def encode(self, infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of both pictures at the gate, one for each block of pixels."""
        ir = leaky(self.infrared_stem(self._extend(infrared)))
        vi = leaky(self.visible_stem(self._extend(luminance)))
        return ir, vi

    def decode(self, features: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance from the gate's mix and the pictures."""
        for layer in self.residual:
            features = leaky(features + layer(features) if self.skips else layer(features))
        # Halved before the shuffle: full-size planes are not copied.
        shift, correction = self.head(features).chunk(2, dim=1)
        return self.compose(shift, correction, infrared, luminance)

    def compose(
        self, shift: Tensor, correction: Tensor, infrared: Tensor, luminance: Tensor
    ) -> Tensor:
        """Return the fused luminance from the halves of the head's answer and the pictures."""
        height, width = infrared.shape[-2:]
        shift, correction = (
            functional.pixel_shuffle(half, self.sizes.stride)[..., :height, :width]
            for half in (shift, correction)
        )
        difference = infrared - luminance
        weight = torch.sigmoid(shift + SHARPNESS * difference)
        fused = luminance + weight * difference + 0.5 * torch.tanh(correction)
        return fused if self.training else fused.clamp(0, 1)

    @property
    def _window_margin(self) -> int:
        """Pixels that a window of the first layer sees on each side of its block."""
        return (self.sizes.window - self.sizes.stride) // 2

    def _extend(self, image: Tensor) -> Tensor:
        """Replicate the border: half a window, and up to whole blocks at the right and below."""
        height, width = image.shape[-2:]
        stride = self.sizes.stride
        margin = self._window_margin
        sides = (margin, margin + -width % stride, margin, margin + -height % stride)
        return functional.pad(image, sides, mode="replicate")


PIXELS, REGION, LIMIT = 5.0, 60.0, 0.75
"""How fast the weight of `RegionalFusionNet` rises with a pixel's difference, and with the mean of
its region's, and the most that the region shifts it by: what differs by 0.25 goes its own way. The
second is where a training starts. Chosen on pairs of `msrs/train`."""
_QUIET = 1 / 16
"""Scales the gate's features down, so that its share stays near a half."""


class RegionalFusionNet(MixingFusionNet):
    """Mixes by one layer: a pixel goes with the brighter source of its region.

    A pixelwise maximum changes from one source to the other at each grain of noise. Here what a
    region has more of is preferred, and only pixels that differ strongly go against it.
    """

    has_int8 = False

    def __init__(
        self, sizes: MixingFusionSizes | None = None, context_side: int | None = None
    ) -> None:
        """Build the layer; it starts as the mean of 3x3 blocks, between them interpolated.

        Args:
            sizes: With a window of one block, the width 1 and no residual layers.
            context_side: See `MixingFusionNet`.
        """
        sizes = sizes or MixingFusionSizes(stride=16, window=16, width=1, residual_layers=0)
        super().__init__(sizes, context_side)
        del self.infrared_stem, self.visible_stem
        self.head = nn.Conv2d(1, sizes.stride**2, 5, padding=2, padding_mode="replicate")
        with torch.no_grad():
            cast(nn.Parameter, self.head.bias).zero_()
            self.head.weight.copy_(REGION * _interpolated_means(sizes.stride))

    @property
    def reach(self) -> Reach:
        """Two blocks."""
        return Reach(self.sizes.stride, 2 * self.sizes.stride, 1.0)

    def encode(self, infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block means, those of the luminance negative: their mix is a difference."""
        ir, vi = (
            functional.avg_pool2d(self._extend(image), self.sizes.stride)
            for image in (infrared, luminance)
        )
        return _QUIET * ir, -_QUIET * vi

    def decode(self, features: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance from the gate's mix and the pictures."""
        height, width = infrared.shape[-2:]
        shift = self.head(features * (2 / _QUIET)).clamp(-LIMIT, LIMIT)
        shift = functional.pixel_shuffle(shift, self.sizes.stride)[..., :height, :width]
        difference = infrared - luminance
        weight = shift + (PIXELS * difference + 0.5)
        return luminance + weight.clamp(0, 1) * difference


def _interpolated_means(stride: int) -> Tensor:
    """Return the kernels of means of 3x3 blocks, interpolated for each pixel of a block.

    Returns:
        stride^2 x 1 x 5 x 5, in the order of `pixel_shuffle`.
    """
    place = (torch.arange(stride) + 0.5) / stride - 0.5  # from the middle of the block
    nearness = 1 - (place[:, None] - torch.tensor([-1.0, 0.0, 1.0])).abs()
    taps = functional.pad(nearness.clamp_min(0), (2, 2)).unfold(1, 3, 1).sum(dim=2) / 3
    return (taps[:, None, :, None] * taps[None, :, None, :]).reshape(-1, 1, 5, 5)
