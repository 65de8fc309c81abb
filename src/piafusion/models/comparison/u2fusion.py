"""U2Fusion (Xu, Ma, Jiang, Guo, Ling 2020): how much of each source is kept follows information.

A densely connected network; its loss asks for the structure and the pixels of both sources,
weighted by how much detail each of them holds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.models.blocks import conv, leaky
from piafusion.models.comparison._terms import (
    ComparisonNet,
    laplacian,
    squared_error,
    ssim,
    to_signed,
    to_unsigned,
)

GROWTH, DENSE_LAYERS = 44, 6
PIXEL_WEIGHT = 20.0  # alpha
SCALES = 5
TEMPERATURE = 1e-3
"""Difference of information on [0, 1] that shifts the weights from 1:1 to e:1."""


class U2FusionNet(ComparisonNet):
    """A stem, six densely connected layers of 44 channels, then 128, 64, 32 and 1."""

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.stem = conv(2, GROWTH)
        self.dense = nn.ModuleList(
            conv(GROWTH * (index + 1), GROWTH) for index in range(DENSE_LAYERS)
        )
        widths = (GROWTH * (DENSE_LAYERS + 1), 128, 64, 32)
        self.tail = nn.ModuleList(
            conv(before, after) for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.head = conv(widths[-1], 1)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        sources = torch.cat((to_signed(infrared), to_signed(luminance)), dim=1)
        features = leaky(self.stem(sources))
        for layer in self.dense:
            features = torch.cat((features, leaky(layer(features))), dim=1)
        for layer in self.tail:
            features = leaky(layer(features))
        return to_unsigned(torch.tanh(self.head(features)))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Structure and pixels of both sources, weighted by their information."""
        del generator
        fused = self(infrared, luminance)
        sources = (infrared, luminance)
        weights = information_weights(infrared, luminance)
        structure, pixels = fused.new_zeros(()), fused.new_zeros(())
        for weight, source in zip(weights.unbind(dim=1), sources, strict=True):
            structure = structure + (weight * (1 - ssim(fused, source))).mean()
            pixels = pixels + (weight * squared_error(fused, source)).mean()
        return {
            "structure": structure,
            "pixels": pixels,
            "infrared_weight": weights[:, 0].mean(),
            "loss": structure + PIXEL_WEIGHT * pixels,
        }


def information_weights(infrared: Tensor, luminance: Tensor) -> Tensor:
    """Return how much of each source to keep, N x 2, summing to 1.

    Information is the mean squared Laplacian over five scales of the picture, the substitute for
    the features of VGG-16.
    """
    information = []
    for image in (infrared, luminance):
        total = image.new_zeros(len(image))
        for _ in range(SCALES):
            total = total + (laplacian(image) ** 2).mean(dim=(1, 2, 3))
            if min(image.shape[2:]) >= 2:
                image = functional.avg_pool2d(image, 2)
        information.append(total / SCALES)
    return torch.softmax(torch.stack(information, dim=1) / TEMPERATURE, dim=1)
