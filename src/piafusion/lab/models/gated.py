"""Fusion networks whose only look at the whole picture is one gate."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from piafusion.lab.models.blocks import infrared_share, mix
from piafusion.reach import Reach


class GatedFusionNet(nn.Module, ABC):
    """Layers before the gate of Eq. 5, the gate, and layers behind it.

    All layers see a limited part of the picture. The gate's shares are means over the whole of
    it; whoever fuses a picture in tiles gathers them first, from `encode`, and passes them in.
    """

    @property
    @abstractmethod
    def reach(self) -> Reach:
        """How far the layers look."""

    @abstractmethod
    def encode(self, infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of both pictures at the gate, N x C x h x w each."""

    @abstractmethod
    def decode(self, features: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance, N x 1 x H x W, from the gate's mix and the pictures."""

    def forward(self, infrared: Tensor, luminance: Tensor, share: Tensor | None = None) -> Tensor:
        """Fuse a batch.

        Args:
            infrared: N x 1 x H x W float in [0, 1]; any size, odd ones are extended inside.
            luminance: Y of the visible images, same shape and range.
            share: The infrared's share in each channel at the gate, 1 x C x 1 x 1 in [0, 1];
                by default that of each pair itself.

        Returns:
            Fused luminance, N x 1 x H x W. In [0, 1] in evaluation mode; in training mode it
            may leave the range a little, so that the loss can still pull it back.
        """
        ir, vi = self.encode(infrared, luminance)
        difference = ir - vi
        share = infrared_share(difference) if share is None else share
        return self.decode(mix(vi, difference, share), infrared, luminance)
