"""Networks rewritten for inference: the same function with less arithmetic.

Eq. 5 of the paper, as printed, gives both modalities the same features (see
`exchange_differences`). From the first exchange on, two streams with shared layers therefore
compute everything twice, and their concatenation shows the decoder each channel twice. One stream,
and the sum of the decoder's weights for both halves, do as well. A batch normalisation is absorbed
by the convolution before it, and a skip beside a 3x3 convolution is one more weight in its middle.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from piafusion.lab.models.blocks import GatedFusionNet, leaky
from piafusion.lab.models.comparison import NormedConv
from piafusion.lab.models.mixing import MixingFusionNet
from piafusion.lab.models.paper import ProgressiveFusionNet
from piafusion.reach import Reach


def fold(network: nn.Module) -> nn.Module:
    """Return a network for inference with the same answers, up to rounding.

    Args:
        network: Any network of the package; it is not changed. One that has nothing to fold is
            returned as it is.
    """
    if isinstance(network, ProgressiveFusionNet) and network.cmdaf == "printed":
        return _OneStreamFusionNet(network).train(network.training)
    if isinstance(network, MixingFusionNet):
        network = merge(network)
        _absorb_skips(cast(MixingFusionNet, network))
    if any(isinstance(module, NormedConv) for module in network.modules()):
        network = copy.deepcopy(network)
        _absorb_norms(network)
    return network


def _absorb_skips(network: MixingFusionNet) -> None:
    if network.skips:
        network.skips = False
        with torch.no_grad():
            for layer in network.residual:
                cast(nn.Conv2d, layer).weight[..., 1, 1] += torch.eye(network.sizes.width)


def _absorb_norms(network: nn.Module) -> None:
    for name, child in network.named_children():
        if isinstance(child, NormedConv):
            convolution, norm = cast(nn.Conv2d, child[0]), cast(nn.BatchNorm2d, child[1])
            setattr(network, name, fuse_conv_bn_eval(convolution, norm))
        else:
            _absorb_norms(child)


class _OneStreamFusionNet(GatedFusionNet):
    """`ProgressiveFusionNet` with one stream behind the first exchange."""

    def __init__(self, network: ProgressiveFusionNet) -> None:
        super().__init__()
        self.infrared_stem = copy.deepcopy(network.infrared_stem)
        self.visible_stem = copy.deepcopy(network.visible_stem)
        self.encoder = copy.deepcopy(network.encoder)
        self.decoder = copy.deepcopy(network.decoder)
        self.head = copy.deepcopy(network.head)
        merge = cast(nn.Conv2d, self.decoder[0])
        for_infrared, for_visible = merge.weight.detach().chunk(2, dim=1)
        merge.weight = nn.Parameter(for_infrared + for_visible)
        merge.in_channels //= 2

    @property
    def reach(self) -> Reach:
        """One pixel for each 3x3 layer."""
        layers = [cast(nn.Conv2d, layer) for layer in (*self.encoder, *self.decoder)]
        return Reach(1, margin=len(layers), width=max(layer.out_channels for layer in layers))

    def encode(self, infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of both pictures at the first exchange."""
        first = self.encoder[0]
        ir, vi = leaky(self.infrared_stem(infrared)), leaky(self.visible_stem(luminance))
        return leaky(first(ir)), leaky(first(vi))

    def decode(self, features: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance from the common features; they know all of the pictures."""
        del infrared, luminance
        for layer in (*self.encoder[1:], *self.decoder):
            features = leaky(layer(features))
        return (torch.tanh(self.head(features)) + 1) / 2


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
