"""Re-parameterisation: a 3x3 convolution trained as a sum of several, and merged afterwards.

The sum of a 3x3, a 1x3, a 3x1 and a 1x1 convolution is one 3x3 convolution. Trained apart they
find better weights than it does alone (Ding et al., ACNet, ICCV 2019, and RepVGG, CVPR 2021), and
merged they cost no more.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.mixing import MixingFusionNet

_SHAPES = ((1, 3), (3, 1), (1, 1))


class BranchedConv(nn.Module):
    """A 3x3 convolution as a sum of four; it starts as the very function that it replaces."""

    def __init__(self, conv: nn.Conv2d) -> None:
        """Spread a convolution.

        Args:
            conv: 3x3, stride 1, padded by one pixel of zeros; it is not changed.
        """
        super().__init__()
        self.square = copy.deepcopy(conv)
        self.branches = nn.ModuleList(
            nn.Conv2d(
                conv.in_channels,
                conv.out_channels,
                (rows, columns),
                padding=(rows // 2, columns // 2),
                bias=False,
            )
            for rows, columns in _SHAPES
        )
        with torch.no_grad():
            self.square.weight -= self._of_branches()

    def forward(self, features: Tensor) -> Tensor:
        """Return N x C_out x H x W for N x C_in x H x W."""
        total: Tensor = self.square(features)
        for branch in self.branches:
            total = total + branch(features)
        return total

    def merged(self) -> nn.Conv2d:
        """Return one convolution with the same answers, up to rounding."""
        conv = copy.deepcopy(self.square)
        with torch.no_grad():
            conv.weight += self._of_branches()
        return conv

    def _of_branches(self) -> Tensor:
        """Return the 3x3 weights of all branches but the square one."""
        total = torch.zeros_like(self.square.weight)
        for branch, (rows, columns) in zip(self.branches, _SHAPES, strict=True):
            beside, above = (3 - columns) // 2, (3 - rows) // 2
            weight = cast(nn.Conv2d, branch).weight
            total += functional.pad(weight, (beside, beside, above, above))
        return total


def spread(network: MixingFusionNet) -> None:
    """Replace the residual layers of a network by branched ones."""
    for index, layer in enumerate(network.residual):
        if isinstance(layer, nn.Conv2d):
            network.residual[index] = BranchedConv(layer)


def merge(network: nn.Module) -> nn.Module:
    """Return a copy of a network in which every branched convolution is one again."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, BranchedConv):
                setattr(module, name, child.merged())
    return network
