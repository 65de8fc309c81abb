"""FusionGAN (Ma, Yu, Liang, Li, Jiang 2019): a generator against a judge of visible pictures.

The generator keeps infrared intensities and visible gradients; the discriminator, which learns to
tell its pictures from visible ones, adds visible detail that gradients alone do not describe.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from piafusion.lab.models.blocks import LEAKY_SLOPE, conv, leaky
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    NormedConv,
    PictureNormedConv,
    Schedule,
    in_float,
    laplacian,
    to_signed,
    to_unsigned,
)

CONTENT = 100.0  # lambda: weight of the content loss
GRADIENTS = 5.0  # xi: weight of the visible gradients in it
REAL, FAKE, BELIEVED = (0.7, 1.2), (0.0, 0.3), (0.7, 1.2)
"""Soft labels a, b and c: of visible pictures, of fused ones, and what the generator aims at."""


class _Generator(nn.Module):
    """Four layers with normalisation, then one of a single pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PictureNormedConv(before, after, kernel)
            for before, after, kernel in ((2, 256, 5), (256, 128, 5), (128, 64, 3), (64, 32, 3))
        )
        self.head = conv(32, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        for layer in self.layers:
            features = leaky(layer(features))
        return torch.tanh(in_float(self.head, features))


class _Discriminator(nn.Sequential):
    def __init__(self) -> None:
        layers: list[nn.Module] = [conv(1, 32, stride=2), nn.LeakyReLU(LEAKY_SLOPE)]
        for before, after in ((32, 64), (64, 128), (128, 256)):
            layers += [NormedConv(before, after, stride=2), nn.LeakyReLU(LEAKY_SLOPE)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 1))


class FusionGanNet(ComparisonNet):
    """The generator fuses; the discriminator is there for the training alone."""

    schedule = Schedule(steps=1500, batch=4, crop=64)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.generator = _Generator()
        self.discriminator = _Discriminator()

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        sources = torch.cat((to_signed(infrared), to_signed(luminance)), dim=1)
        return to_unsigned(cast(Tensor, self.generator(sources)))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Both players at once: each one's gradient is that of its own loss.

        The discriminator sees the fused pictures cut off from the generator, and the generator
        sees a copy of the discriminator that does not learn.
        """
        fused = self(infrared, luminance)
        content = ((fused - infrared) ** 2).mean()
        content = content + GRADIENTS * ((laplacian(fused) - laplacian(luminance)) ** 2).mean()
        content = 4 * content  # on [-1, 1], as the paper's intensities are

        def label(span: tuple[float, float]) -> Tensor:
            drawn = torch.rand((len(fused), 1), generator=generator).to(fused)
            return span[0] + (span[1] - span[0]) * drawn

        frozen = {
            name: value.detach().clone() for name, value in self.discriminator.state_dict().items()
        }
        judged = functional_call(self.discriminator, frozen, (to_signed(fused),))
        adversarial = ((judged - label(BELIEVED)) ** 2).mean()
        real = self.discriminator(to_signed(luminance))
        fake = self.discriminator(to_signed(fused.detach()))
        discrimination = ((real - label(REAL)) ** 2).mean() + ((fake - label(FAKE)) ** 2).mean()
        return {
            "content": content,
            "adversarial": adversarial,
            "discrimination": discrimination,
            "loss": CONTENT * content + adversarial + discrimination,
        }
