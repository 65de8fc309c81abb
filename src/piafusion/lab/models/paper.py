"""The networks of the paper: fusion (section 3.3.1, Table 1, Eqs. 3-7) and illumination.

Tang, Yuan, Zhang, Jiang, Ma: "PIAFusion: A progressive infrared and visible image fusion
network based on illumination aware", Information Fusion 83-84 (2022) 79-92.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from piafusion.lab.models.blocks import (
    Cmdaf,
    conv,
    convolve_activated,
    exchange_differences,
    infrared_share,
    leaky,
    mix,
)

ENCODER, DECODER = (16, 16, 32, 64, 128), (256, 128, 64, 32)
"""Output channels of Table 1; the last layer of the decoder has 1."""


class ProgressiveFusionNet(nn.Module):
    """Two streams through one shared encoder, exchanging differences, then a decoder.

    No down-sampling anywhere: the fused image has the size of its sources, which may be odd.
    """

    def __init__(self, cmdaf: Cmdaf = "printed") -> None:
        """Build the layers with torch's default initialisation.

        With cmdaf "none" the streams meet where the decoder begins, and nowhere before, as in the
        ablation of section 4.9.2.
        """
        super().__init__()
        self.cmdaf = cmdaf
        first, *shared = ENCODER
        # Layer 1, 1x1, reduces the modal difference: the only one trained per modality.
        self.infrared_stem = conv(1, first, kernel=1)
        self.visible_stem = conv(1, first, kernel=1)
        # Layers 2-5, 3x3, see both modalities with the same weights.
        widths = [first, *shared]
        self.encoder = nn.ModuleList(conv(before, after) for before, after in pairwise(widths))
        widths = [2 * shared[-1], *DECODER]
        self.decoder = nn.ModuleList(conv(before, after) for before, after in pairwise(widths))
        self.head = conv(DECODER[-1], 1, kernel=1)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch.

        Args:
            infrared: N x 1 x H x W float in [0, 1], H and W at least 2.
            luminance: Y of the visible images, same shape and range.

        Returns:
            Fused luminance, N x 1 x H x W in [0, 1].
        """
        if self.training:
            return self._train(infrared, luminance)
        ir = leaky(self.infrared_stem(infrared))
        vi = leaky(self.visible_stem(luminance))
        *progressive, last = self.encoder
        for layer in progressive:  # layers 2-4, each followed by CMDAF (Eq. 5)
            ir, vi = leaky(layer(ir)), leaky(layer(vi))
            ir, vi = exchange_differences(ir, vi, self.cmdaf)
        ir, vi = leaky(last(ir)), leaky(last(vi))
        features = torch.cat((ir, vi), dim=1)  # halfway fusion (Eq. 6)
        for layer in self.decoder:
            features = leaky(layer(features))
        return (torch.tanh(self.head(features)) + 1) / 2  # tanh, mapped to [0, 1] (Eq. 7)

    def _train(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the same for less work; the gradients are the same too.

        As Eq. 5 is printed the streams are equal from the first exchange on, so one is enough, and
        the decoder's weights for both are added. The head computes in single precision also where
        the layers before it compute in half: a grey level is 1/255.
        """
        first, *others = cast(list[nn.Conv2d], list(self.encoder))
        merge, *decoder = cast(list[nn.Conv2d], list(self.decoder))
        ir = leaky(convolve_activated(first, self.infrared_stem(infrared)))
        vi = leaky(convolve_activated(first, self.visible_stem(luminance)))
        if self.cmdaf == "printed":
            difference = ir - vi
            streams = [mix(vi, difference, infrared_share(difference))]
        else:
            streams = list(exchange_differences(ir, vi, self.cmdaf))
        for layer in others:
            streams = [convolve_activated(layer, stream, slope=1) for stream in streams]
            if layer is not others[-1]:
                streams = [leaky(stream) for stream in streams]
                if self.cmdaf == "released":
                    ir, vi = streams
                    streams = list(exchange_differences(ir, vi, self.cmdaf))
        weight = merge.weight
        if len(streams) == 1:
            weight = torch.add(*weight.chunk(2, dim=1))
        features = convolve_activated(merge, torch.cat(streams, dim=1), weight=weight)
        for layer in decoder:
            features = convolve_activated(layer, features)
        with torch.autocast(features.device.type, enabled=False):
            fused: Tensor = self.head(leaky(features).float())
        return (torch.tanh(fused) + 1) / 2


class IlluminationNet(nn.Module):
    """Tells day from night: four 4x4 convolutions of stride 2, global average, two layers."""

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        widths = (3, 16, 32, 64, 128)
        self.convolutions = nn.ModuleList(
            conv(before, after, kernel=4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.hidden = nn.Linear(128, 128)
        self.output = nn.Linear(128, 2)

    def logits(self, visible: Tensor) -> Tensor:
        """Return y of Eq. 13, N x 2 in the order day, night, before the softmax.

        Args:
            visible: N x 3 x H x W RGB float in [0, 1], H and W at least 16; a grey image has
                its channel three times.
        """
        features = visible
        for layer in self.convolutions:
            features = leaky(layer(features))
        pooled = features.mean(dim=(2, 3))
        logits: Tensor = self.output(leaky(self.hidden(pooled)))
        return logits

    def forward(self, visible: Tensor) -> Tensor:
        """Return the probabilities of day and night, N x 2, which add up to 1 (Eq. 1).

        They are also the weights of Eq. 2 (visible by day, infrared by night): the softmax
        makes their sum 1, so that equation's quotient can never be 0/0.
        """
        return self.logits(visible).softmax(dim=1)
