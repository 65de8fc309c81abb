"""U2Fusion (Xu, Ma, Jiang, Guo, Ling 2020): how much of each source is kept follows information.

A densely connected network; its loss compares structure and pixels with both sources, weighted by
the detail in each.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import conv, leaky
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    Schedule,
    in_float,
    laplacian,
    squared_error,
    ssim,
    to_signed,
    to_unsigned,
)

GROWTH, DENSE_LAYERS, TAIL = 44, 5, (128, 64, 32)
PIXEL_WEIGHT = 20.0  # alpha
SCALES = 5
TEMPERATURE = 5e-2
"""Difference of information on [0, 1] that shifts the weights from 1:1 to e:1; c in the paper.

It is five times that of the first weights here, with which the visible picture weighed twice as
much as the infrared one by day; in the authors' pictures of TNO both weigh about the same.
"""


class U2FusionNet(ComparisonNet):
    """A stem, five densely connected layers as wide, then a tail of three layers and the head."""

    schedule = Schedule(steps=600, batch=4, crop=64)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.stem = conv(2, GROWTH)
        self.dense = nn.ModuleList(
            conv(GROWTH * (index + 1), GROWTH) for index in range(DENSE_LAYERS)
        )
        widths = (GROWTH * (DENSE_LAYERS + 1), *TAIL)
        self.tail = nn.ModuleList(conv(before, after) for before, after in pairwise(widths))
        self.head = conv(widths[-1], 1)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        sources = torch.cat((to_signed(infrared), to_signed(luminance)), dim=1)
        features = leaky(self.stem(sources))
        for layer in self.dense:
            features = torch.cat((features, leaky(layer(features))), dim=1)
        for layer in self.tail:
            features = leaky(layer(features))
        return to_unsigned(torch.tanh(in_float(self.head, features)))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Structure and pixels of both sources, weighted by their information.

        Which of them is given first is drawn: the network is not to know which is which.
        """
        sources = (infrared, luminance)
        fused = self(*(sources if torch.rand((), generator=generator) < 0.5 else sources[::-1]))
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
