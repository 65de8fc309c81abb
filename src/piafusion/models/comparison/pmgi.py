"""PMGI (Zhang, Xu, Xiao, Guo, Ma 2020): a path for gradients and one for intensities.

Both paths see both sources, the gradient path the visible one twice and the intensity path the
infrared one twice. Layers of a path are densely connected, and the paths tell each other what they
have found in two transfer blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from piafusion.models.blocks import conv, leaky
from piafusion.models.comparison._terms import (
    ComparisonNet,
    laplacian,
    to_signed,
    to_unsigned,
)

WIDTH = 16
INFRARED_INTENSITY, VISIBLE_INTENSITY = 10.0, 1.0
INFRARED_GRADIENT, VISIBLE_GRADIENT = 20.0, 100.0
"""Weights of the loss: infrared leads in intensities, visible in gradients."""


class _Path(nn.Module):
    """Four layers of 16 channels; the last two also see what the other path has found."""

    def __init__(self) -> None:
        super().__init__()
        inputs = ((3, 5), (WIDTH, 3), (3 * WIDTH, 3), (5 * WIDTH, 3))
        self.layers = nn.ModuleList(conv(before, WIDTH, kernel) for before, kernel in inputs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in inputs)

    def layer(self, index: int, features: Tensor) -> Tensor:
        return leaky(self.norms[index](self.layers[index](features)))


class PmgiNet(ComparisonNet):
    """Two paths of four layers, two transfer blocks, one 1x1 layer on all features."""

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.gradient, self.intensity = _Path(), _Path()
        # What each path is told by the transfer blocks before its third and fourth layer.
        self.to_gradient, self.to_intensity = (
            nn.ModuleList(conv(2 * WIDTH, WIDTH, 1) for _ in range(2)) for _ in range(2)
        )
        self.head = conv(8 * WIDTH, 1, 1)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        ir, y = to_signed(infrared), to_signed(luminance)
        paths = (self.gradient, self.intensity)
        # Per path: the features of its layers, and what its next layer sees of them.
        found = [[path.layer(0, x)] for path, x in zip(paths, self._inputs(ir, y), strict=True)]
        seen = [own[0] for own in found]
        for path, own, inputs in zip(paths, found, seen, strict=True):
            own.append(path.layer(1, inputs))
        transfers = zip(self.to_gradient, self.to_intensity, strict=True)
        for index, (to_gradient, to_intensity) in enumerate(transfers, start=2):
            both = torch.cat((found[0][-1], found[1][-1]), dim=1)
            told = (leaky(to_gradient(both)), leaky(to_intensity(both)))
            for place in range(len(paths)):
                seen[place] = torch.cat((seen[place], found[place][-1], told[place]), dim=1)
            for place, path in enumerate(paths):
                found[place].append(path.layer(index, seen[place]))
        return to_unsigned(torch.tanh(self.head(torch.cat((*found[0], *found[1]), dim=1))))

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

    @staticmethod
    def _inputs(infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        of_gradients = torch.cat((luminance, luminance, infrared), dim=1)
        return of_gradients, torch.cat((infrared, infrared, luminance), dim=1)
