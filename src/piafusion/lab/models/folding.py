"""Networks rewritten for inference: the same function with less arithmetic.

Eq. 5 of the paper, as printed, gives both modalities the same features (`exchange_differences`
says why). From the first exchange on, two streams with shared layers therefore compute everything
twice, and their concatenation shows the decoder each channel twice. One stream, and the sum of
the decoder's weights for both halves, do as well. A batch normalisation is absorbed by the
convolution before it.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from piafusion.lab.models.blocks import leaky
from piafusion.lab.models.comparison import NormedConv
from piafusion.lab.models.gated import GatedFusionNet
from piafusion.lab.models.paper import ProgressiveFusionNet
from piafusion.reach import Reach


def fold(network: nn.Module) -> nn.Module:
    """Return a network for inference with the same answers, up to rounding.

    Args:
        network: Any network of the package; it is not changed. One that has nothing to fold is
            returned as it is.
    """
    if isinstance(network, ProgressiveFusionNet) and network.exchanges:
        return _OneStreamFusionNet(network).train(network.training)
    if any(isinstance(module, NormedConv) for module in network.modules()):
        network = copy.deepcopy(network)
        _absorb_norms(network)
    return network


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
