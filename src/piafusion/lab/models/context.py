"""The network that judges, place by place, where the infrared belongs into the picture.

It sees a small copy of the whole pair. *Targets* is what is alive and warm: the network sets, for
each place, the height and the steepness of a threshold on the infrared picture, so that the edges
of a target are those of the infrared picture. *Light* is the paper's illumination probability as a
map: how little the visible picture shows here of what there is. `piafusion.imaging.natural` makes
the picture from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import leaky


@dataclass(frozen=True)
class ContextSizes:
    """Widths of the layers at strides 2, 4, 8 and 16; residual layers at the last."""

    widths: Sequence[int] = (16, 24, 32, 48)
    residual_layers: int = 2


class ContextNet(nn.Module):
    """Judges targets and light from a small copy of the whole pair."""

    def __init__(self, sizes: ContextSizes | None = None) -> None:
        """Build the layers; without training nothing is a target and all is lit."""
        super().__init__()
        self.sizes = sizes = sizes or ContextSizes()
        fine, middle, coarse, coarsest = sizes.widths
        self.stem = nn.Conv2d(2, fine, 5, stride=2, padding=2)
        self.down = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
            for inputs, outputs in ((fine, middle), (middle, coarse), (coarse, coarsest))
        )
        self.residual = nn.ModuleList(
            nn.Conv2d(coarsest, coarsest, 3, padding=1) for _ in range(sizes.residual_layers)
        )
        self.scene = nn.ModuleList(nn.Conv2d(coarsest, coarsest, 1) for _ in range(2))
        self.lateral = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in ((coarsest, coarse), (coarse, middle))
        )
        self.up = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.targets = nn.Conv2d(middle, 2 * 4, 3, padding=1)
        self.fine_targets = nn.Conv2d(fine, 2, 1)
        self.light = nn.Conv2d(middle, 1, 3, padding=1)
        with torch.no_grad():
            cast(nn.Conv2d, self.scene[1]).weight.zero_()
            for layer, start in (
                (self.targets, [0.0] * 8),
                (self.fine_targets, [4.0, -5.0]),
                (self.light, [-2.0]),
            ):
                layer.weight.mul_(0.1)
                cast(nn.Parameter, layer.bias).copy_(torch.tensor(start))

    def forward(self, thumbnails: Tensor) -> Tensor:
        """Judge a batch.

        Args:
            thumbnails: N x 2 x h x w, infrared and luminance in [0, 1]; h and w are multiples
                of 16.

        Returns:
            N x 3 x h/2 x w/2: steepness and height (steepness times infrared plus height is the
            logit of a target), and the logit of bad light, which varies slowly.
        """
        levels = [leaky(self.stem(thumbnails))]  # strides 2, 4, 8, 16
        for layer in self.down:
            levels.append(leaky(layer(levels[-1])))
        fine, middle, coarse, features = levels
        scene = functional.adaptive_avg_pool2d(features, 1)
        scene = self.scene[1](leaky(self.scene[0](scene)))
        for layer in self.residual:
            features = leaky(features + layer(features))
        features = leaky(coarse + _repeat(self.lateral[0](features + scene)))
        features = leaky(features + self.up(features))
        features = leaky(middle + _repeat(self.lateral[1](features)))
        targets = functional.pixel_shuffle(self.targets(features), 2) + self.fine_targets(fine)
        light = functional.interpolate(self.light(features), scale_factor=2.0, mode="bilinear")
        return torch.cat([targets, light], dim=1)


def _repeat(features: Tensor) -> Tensor:
    """Repeat each value to twice the size."""
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")
