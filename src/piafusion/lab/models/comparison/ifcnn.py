"""IFCNN (Zhang, Liu, Sun, Yan, Zhao, Zhang 2020): a general network that fuses by maximum.

Two layers extract features of each source, the elementwise maximum fuses them, two layers
reconstruct. It learns from pairs with a known answer: one picture, blurred in parts in the one
source and in the other parts in the other.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from piafusion.lab.models.blocks import conv
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    NormedConv,
    Schedule,
    gaussian,
    laplacian,
)

WIDTH = 64
DETAIL_WEIGHT = 1.0
_PATCHES = 4  # random fields of focus have so many cells a side
_BLUR_SIDE = 9
_BLUR_SIGMAS = (0.8, 3.0)


class IfcnnNet(ComparisonNet):
    """CONV1 7x7 and CONV2-CONV3 3x3 with 64 channels, CONV4 1x1.

    There is no bias and no normalisation before the maximum: of a black picture all features are 0,
    and the stronger one is that of the brighter or more detailed source. With them, where a first
    layer is learned on few pictures, features came to stand for darkness.
    """

    schedule = Schedule(steps=600, batch=2, crop=64)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.first, self.second = conv(1, WIDTH, 7, bias=False), conv(WIDTH, WIDTH, bias=False)
        self.third = NormedConv(WIDTH, WIDTH)
        self.head = conv(WIDTH, 1, 1)

    def extract(self, image: Tensor) -> Tensor:
        """Return N x 64 x H x W features."""
        return functional.relu(self.second(self.first(image)))

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        features = torch.maximum(self.extract(infrared), self.extract(luminance))
        return torch.as_tensor(self.head(functional.relu(self.third(features))))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared error of pixels and of Laplacians against the sharp picture."""
        sharp = torch.cat((infrared, luminance))
        is_near = _fields(sharp, generator)
        low, high = _BLUR_SIGMAS
        sigma = low + (high - low) * float(torch.rand((), generator=generator))
        padded = functional.pad(sharp, (_BLUR_SIDE // 2,) * 4, mode="replicate")
        blurred = gaussian(padded, _BLUR_SIDE, sigma)
        fused = self(
            torch.where(is_near, sharp, blurred),
            torch.where(is_near, blurred, sharp),
        )
        pixels = functional.mse_loss(fused, sharp)
        detail = functional.mse_loss(laplacian(fused), laplacian(sharp))
        return {"pixels": pixels, "detail": detail, "loss": pixels + DETAIL_WEIGHT * detail}


def _fields(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return random smooth regions, N x 1 x H x W booleans."""
    noise = torch.rand((len(images), 1, _PATCHES, _PATCHES), generator=generator).to(images)
    size = (images.shape[2], images.shape[3])
    return functional.interpolate(noise, size, mode="bicubic", align_corners=True) > 0.5
