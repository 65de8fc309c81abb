"""DenseFuse (Li, Wu 2019): an autoencoder with a dense block; features are fused by a rule.

It is trained to reproduce single pictures. To fuse, both sources are encoded, their features are
put together by addition or by the l1-norm rule, and the result is decoded.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import conv
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    Schedule,
    in_float,
    squared_error,
    ssim,
)

SSIM_WEIGHT = 100.0
_BLOCK = 3  # pixels a side over which activities are averaged

FusionRule = Literal["addition", "l1"]


class DenseFuseNet(ComparisonNet):
    """Encoder C1 and DC1-DC3 (16 channels each), decoder C2-C5, all 3x3 with ReLU.

    Attributes:
        rule: How features are fused; nothing in the training depends on it.
    """

    schedule = Schedule(steps=3000, batch=2, crop=64, tone_share=0.0)

    def __init__(self, rule: FusionRule = "addition") -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.rule = rule
        self.first = conv(1, 16)
        self.dense = nn.ModuleList(conv(16 * (1 + index), 16) for index in range(3))
        self.decoder = nn.ModuleList((conv(64, 64), conv(64, 32), conv(32, 16)))
        self.head = conv(16, 1)

    def encode(self, image: Tensor) -> Tensor:
        """Return N x 64 x H x W features."""
        features: Tensor = functional.relu(self.first(image))
        for layer in self.dense:
            features = torch.cat((features, functional.relu(layer(features))), dim=1)
        return features

    def decode(self, features: Tensor) -> Tensor:
        """Return the picture of features."""
        for layer in self.decoder:
            features = functional.relu(layer(features))
        return in_float(self.head, features)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        ir, y = self.encode(infrared), self.encode(luminance)
        return self.decode(by_addition(ir, y) if self.rule == "addition" else by_activity(ir, y))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared error and structural dissimilarity of single pictures."""
        del generator
        images = torch.cat((infrared, luminance))
        decoded = self.decode(self.encode(images))
        pixels = squared_error(decoded, images).mean()
        structure = (1 - ssim(decoded, images)).mean()
        return {
            "pixels": pixels,
            "structure": structure,
            "loss": pixels + SSIM_WEIGHT * structure,
        }


def by_addition(infrared: Tensor, luminance: Tensor) -> Tensor:
    """Add features and halve them, so that the picture they decode to stays in its range."""
    return (infrared + luminance) / 2


def by_activity(infrared: Tensor, luminance: Tensor) -> Tensor:
    """Weight features by their activity: the l1-norm over channels, averaged over 3x3 pixels."""
    of_ir, of_y = (
        functional.avg_pool2d(
            functional.pad(features.abs().sum(dim=1, keepdim=True), (1,) * 4, mode="replicate"),
            _BLOCK,
            stride=1,
        )
        for features in (infrared, luminance)
    )
    share = of_ir / (of_ir + of_y + 1e-12)
    return luminance + share * (infrared - luminance)
