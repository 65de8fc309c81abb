"""Networks rewritten for inference: the same function with less arithmetic.

Eq. 5 of the paper, as printed, gives both modalities the same features (`exchange_differences`
says why). From the first exchange on, two streams with shared layers therefore compute everything
twice, and their concatenation shows the decoder each channel twice. One stream, and the sum of
the decoder's weights for both halves, do as well.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from piafusion.models.blocks import common_features, leaky
from piafusion.models.paper import ProgressiveFusionNet


def fold(network: nn.Module) -> nn.Module:
    """Return a network for inference with the same answers, up to rounding.

    Args:
        network: Any network of the package; it is not changed. One that has nothing to fold is
            returned as it is.
    """
    if isinstance(network, ProgressiveFusionNet):
        return _OneStreamFusionNet(network).train(network.training)
    return network


class _OneStreamFusionNet(nn.Module):
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

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; arguments and result are those of `ProgressiveFusionNet`."""
        first, *others = self.encoder
        ir, vi = leaky(self.infrared_stem(infrared)), leaky(self.visible_stem(luminance))
        features = common_features(leaky(first(ir)), leaky(first(vi)))
        for layer in (*others, *self.decoder):
            features = leaky(layer(features))
        return (torch.tanh(self.head(features)) + 1) / 2
