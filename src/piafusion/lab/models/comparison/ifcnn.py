"""IFCNN (Zhang, Liu, Sun, Yan, Zhao, Zhang 2020): a general network that fuses by maximum.

Two layers extract features of each source, the elementwise maximum fuses them, two layers
reconstruct. It learns from pairs with a known answer: one picture, blurred in parts in the one
source and in the other parts in the other. Here one is also brighter than it and the other darker.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import conv
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    NormedConv,
    Schedule,
    gaussian,
    in_float,
    laplacian,
)

WIDTH = 64
DETAIL_WEIGHT = 1.0
_PATCHES = 4  # random fields of focus have so many cells a side
_BLUR_SIDE = 9
_BLUR_SIGMAS = (0.8, 3.0)
LARGEST_SHIFT = 0.3
"""How much brighter the one source is made at most, and the other darker."""


def filters() -> Tensor:
    """Return 64 filters of 7x7 pixels, 64 x 1 x 7 x 7, each beside its negative.

    They stand in for the first layer of a ResNet that has learned on photographs: edges and lines
    in seven directions and two sizes, spots of two sizes, and means over two sizes.
    """
    down, across = torch.meshgrid(torch.arange(7.0) - 3, torch.arange(7.0) - 3, indexing="ij")
    distance = down**2 + across**2
    kept = []
    for wavelength, sigma in ((3.0, 1.2), (6.0, 2.0)):
        bell = torch.exp(-distance / (2 * sigma**2))
        for index in range(7):
            angle = torch.tensor(math.pi * index / 7)
            wave = 2 * math.pi / wavelength * (across * angle.cos() + down * angle.sin())
            kept += [bell * wave.sin(), bell * wave.cos()]
        kept.append(bell * (1 - distance / (2 * sigma**2)))
    kept = [each - each.mean() for each in kept]
    kept += [torch.exp(-distance / (2 * sigma**2)) for sigma in (1.0, 2.0)]
    bank = torch.stack([each / each.abs().sum() for each in kept])
    return torch.cat((bank, -bank))[:, None]


class IfcnnNet(ComparisonNet):
    """CONV1 7x7 and CONV2-CONV3 3x3 with 64 channels, CONV4 1x1; CONV1 is fixed.

    Every filter of CONV1 has its negative, so that neither bright nor dark is the stronger one.
    """

    schedule = Schedule(steps=700, batch=4, crop=64, learning_rate=2e-3)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.first = conv(1, WIDTH, 7, bias=False)
        self.first.weight = nn.Parameter(filters(), requires_grad=False)
        self.second, self.third = NormedConv(WIDTH, WIDTH), NormedConv(WIDTH, WIDTH)
        self.head = conv(WIDTH, 1, 1)

    def extract(self, image: Tensor) -> Tensor:
        """Return N x 64 x H x W features."""
        return functional.relu(self.second(self.first(image)))

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        features = torch.maximum(self.extract(infrared), self.extract(luminance))
        return in_float(self.head, functional.relu(self.third(features)))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared error of pixels and of Laplacians against the sharp picture.

        One source is brighter than the sharp picture, the other one darker by as much: two
        cameras differ so, and nothing else would say how their means are fused.
        """
        sharp = torch.cat((infrared, luminance))
        is_near = _fields(sharp, generator)
        low, high = _BLUR_SIGMAS
        sigma = low + (high - low) * float(torch.rand((), generator=generator))
        padded = functional.pad(sharp, (_BLUR_SIDE // 2,) * 4, mode="replicate")
        blurred = gaussian(padded, _BLUR_SIDE, sigma)
        shift = torch.rand((len(sharp), 1, 1, 1), generator=generator).to(sharp)
        shift = LARGEST_SHIFT * (2 * shift - 1)
        fused = self(
            (torch.where(is_near, sharp, blurred) + shift).clamp(0, 1),
            (torch.where(is_near, blurred, sharp) - shift).clamp(0, 1),
        )
        pixels = functional.mse_loss(fused, sharp)
        detail = functional.mse_loss(laplacian(fused), laplacian(sharp))
        return {"pixels": pixels, "detail": detail, "loss": pixels + DETAIL_WEIGHT * detail}


def _fields(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return random smooth regions, N x 1 x H x W booleans."""
    noise = torch.rand((len(images), 1, _PATCHES, _PATCHES), generator=generator).to(images)
    size = (images.shape[2], images.shape[3])
    return functional.interpolate(noise, size, mode="bicubic", align_corners=True) > 0.5
