"""The progressive fusion network of the paper (section 3.3.1, Table 1, Eqs. 3-7).

Tang, Yuan, Zhang, Jiang, Ma: "PIAFusion: A progressive infrared and visible image fusion
network based on illumination aware", Information Fusion 83-84 (2022) 79-92.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from piafusion.lab.models.blocks import conv, exchange_differences, leaky


@dataclass(frozen=True)
class ProgressiveFusionSizes:
    """Output channels of Table 1; the last layer of the decoder, to 1 channel, is implied."""

    encoder: tuple[int, int, int, int, int] = (16, 16, 32, 64, 128)
    decoder: tuple[int, int, int, int] = (256, 128, 64, 32)


class ProgressiveFusionNet(nn.Module):
    """Two streams through one shared encoder, exchanging differences, then a decoder.

    No down-sampling anywhere: the fused image has the size of its sources, which may be odd.
    """

    def __init__(
        self, sizes: ProgressiveFusionSizes | None = None, *, exchanges: bool = True
    ) -> None:
        """Build the layers with torch's default initialisation.

        Args:
            sizes: Channels of the layers; those of Table 1 by default.
            exchanges: False leaves CMDAF out, as the ablation of section 4.9.2 does: the streams
                then meet where the decoder begins, and nowhere before.
        """
        super().__init__()
        self.exchanges = exchanges
        sizes = sizes or ProgressiveFusionSizes()
        first, *shared = sizes.encoder
        # Layer 1, 1x1, reduces the modal difference: the only one trained per modality.
        self.infrared_stem = conv(1, first, kernel=1)
        self.visible_stem = conv(1, first, kernel=1)
        # Layers 2-5, 3x3, see both modalities with the same weights.
        widths = [first, *shared]
        self.encoder = nn.ModuleList(conv(before, after) for before, after in pairwise(widths))
        widths = [2 * shared[-1], *sizes.decoder]
        self.decoder = nn.ModuleList(conv(before, after) for before, after in pairwise(widths))
        self.head = conv(sizes.decoder[-1], 1, kernel=1)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch.

        Args:
            infrared: N x 1 x H x W float in [0, 1], H and W at least 2.
            luminance: Y of the visible images, same shape and range.

        Returns:
            Fused luminance, N x 1 x H x W in [0, 1].
        """
        ir = leaky(self.infrared_stem(infrared))
        vi = leaky(self.visible_stem(luminance))
        *progressive, last = self.encoder
        for layer in progressive:  # layers 2-4, each followed by CMDAF (Eq. 5)
            ir, vi = leaky(layer(ir)), leaky(layer(vi))
            if self.exchanges:
                ir, vi = exchange_differences(ir, vi)
        ir, vi = leaky(last(ir)), leaky(last(vi))
        features = torch.cat((ir, vi), dim=1)  # halfway fusion (Eq. 6)
        for layer in self.decoder:
            features = leaky(layer(features))
        return (torch.tanh(self.head(features)) + 1) / 2  # tanh, mapped to [0, 1] (Eq. 7)
