"""PMGI (Zhang, Xu, Xiao, Guo, Ma 2020): a path for gradients and one for intensities.

Both paths see both sources, the gradient path the visible one twice and the intensity path the
infrared one twice. Layers of a path are densely connected, and the paths exchange features in two
transfer blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from piafusion.lab.models.blocks import conv, leaky
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    PictureNormedConv,
    Schedule,
    in_float,
    laplacian,
    to_signed,
    to_unsigned,
)

WIDTH = 16
INFRARED_INTENSITY, VISIBLE_INTENSITY = 10.0, 3.0
INFRARED_GRADIENT, VISIBLE_GRADIENT = 20.0, 100.0
"""Weights of the loss: infrared leads in intensities, visible in gradients."""


class _Path(nn.Module):
    """Four layers of 16 channels, with transfers from the other path after two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PictureNormedConv(inputs, WIDTH, kernel)
            for inputs, kernel in ((3, 5), (WIDTH, 3), (3 * WIDTH, 3), (4 * WIDTH, 3))
        )
        self.transfers = nn.ModuleList(PictureNormedConv(2 * WIDTH, WIDTH, 1) for _ in range(2))


class PmgiNet(ComparisonNet):
    """Two paths of four layers, two transfer blocks, one 1x1 layer on all features."""

    schedule = Schedule(steps=2000, batch=8, crop=64)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.gradient, self.intensity = _Path(), _Path()
        self.head = conv(8 * WIDTH, 1, 1)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        ir, y = to_signed(infrared), to_signed(luminance)
        paths = (self.gradient, self.intensity)
        inputs = (torch.cat((y, y, ir), dim=1), torch.cat((ir, ir, y), dim=1))
        found = [
            [leaky(path.layers[0](seen))] for path, seen in zip(paths, inputs, strict=True)
        ]  # of each path, the features of its layers so far
        for path, own in zip(paths, found, strict=True):
            own.append(leaky(path.layers[1](own[0])))
        for index in (2, 3):
            both = torch.cat((found[0][-1], found[1][-1]), dim=1)
            for path, own in zip(paths, found, strict=True):
                told = leaky(path.transfers[index - 2](both))
                own.append(leaky(path.layers[index](torch.cat((*own, told), dim=1))))
        features = torch.cat((*found[0], *found[1]), dim=1)
        return to_unsigned(torch.tanh(in_float(self.head, features)))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Intensities and gradients of both sources, weighted."""
        del generator
        fused = self(infrared, luminance)
        detail, of_ir, of_y = laplacian(fused), laplacian(infrared), laplacian(luminance)
        terms = {
            "infrared_intensity": ((fused - infrared) ** 2).mean(),
            "visible_intensity": ((fused - luminance) ** 2).mean(),
            "infrared_gradient": ((detail - of_ir) ** 2).mean(),
            "visible_gradient": ((detail - of_y) ** 2).mean(),
        }
        loss = (
            INFRARED_INTENSITY * terms["infrared_intensity"]
            + VISIBLE_INTENSITY * terms["visible_intensity"]
            + INFRARED_GRADIENT * terms["infrared_gradient"]
            + VISIBLE_GRADIENT * terms["visible_gradient"]
        )
        return {**terms, "loss": loss}
