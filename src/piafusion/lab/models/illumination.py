"""The illumination-aware network of the paper (section 3.3.2, Fig. 4, Eqs. 1-2, 13)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from piafusion.lab.models.blocks import conv, leaky


@dataclass(frozen=True)
class IlluminationSizes:
    """Output channels of the four convolutions and of the first fully connected layer."""

    convolutions: tuple[int, int, int, int] = (16, 32, 64, 128)
    hidden: int = 128


class IlluminationNet(nn.Module):
    """Tells day from night: four 4x4 convolutions of stride 2, global average, two layers."""

    def __init__(self, sizes: IlluminationSizes | None = None) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        sizes = sizes or IlluminationSizes()
        widths = [3, *sizes.convolutions]
        self.convolutions = nn.ModuleList(
            conv(before, after, kernel=4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.hidden = nn.Linear(widths[-1], sizes.hidden)
        self.output = nn.Linear(sizes.hidden, 2)

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
