"""DRF (Xu, Wang, Ma 2021): pictures taken apart into the scene and the attribute of the sensor.

A scene encoder, shared by both modalities, keeps the picture's size; an attribute encoder turns a
picture into a short vector. A generator puts a scene and an attribute together. It is trained to
give back each source, and each source's scene in the attribute of the other one. To fuse, scenes
and attributes are averaged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.models.blocks import conv, leaky
from piafusion.models.comparison._terms import ComparisonNet

WIDTH = 32
ATTRIBUTES = 8
TRANSLATION, SCENE, PRIOR = 1.0, 0.5, 0.01
"""Weights of the loss beside that of reconstruction, which is 1."""


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(WIDTH, WIDTH), conv(WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        return features + torch.as_tensor(self.two(leaky(self.one(features))))


class DisentangledNet(ComparisonNet):
    """Scene encoder, attribute encoder and generator."""

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.scene_stem = conv(1, WIDTH)
        self.scene_blocks = nn.Sequential(_Residual(), _Residual())
        widths = (1, 16, 32, 64)
        self.attribute = nn.ModuleList(
            conv(before, after, 4, stride=2, padding=1)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.attribute_mean = nn.Linear(widths[-1], ATTRIBUTES)
        self.attribute_log_variance = nn.Linear(widths[-1], ATTRIBUTES)
        self.joined = conv(WIDTH + ATTRIBUTES, WIDTH)
        self.generator_blocks = nn.Sequential(_Residual(), _Residual())
        self.head = conv(WIDTH, 1)

    def scene(self, image: Tensor) -> Tensor:
        """Return N x 32 x H x W features of what is seen."""
        return torch.as_tensor(self.scene_blocks(leaky(self.scene_stem(image))))

    def attributes(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the sensor's attributes, N x 8 each."""
        for layer in self.attribute:
            image = leaky(layer(image))
        pooled = image.mean(dim=(2, 3))
        return self.attribute_mean(pooled), self.attribute_log_variance(pooled)

    def generate(self, scene: Tensor, attributes: Tensor) -> Tensor:
        """Return the picture of a scene, N x 32 x H x W, under attributes, N x 8."""
        everywhere = attributes[:, :, None, None] + torch.zeros_like(scene[:, :1])
        features = leaky(self.joined(torch.cat((scene, everywhere), dim=1)))
        return torch.sigmoid(self.head(self.generator_blocks(features)))

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        scene = (self.scene(infrared) + self.scene(luminance)) / 2
        attributes = (self.attributes(infrared)[0] + self.attributes(luminance)[0]) / 2
        return self.generate(scene, attributes)

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Reconstruction, translation, equal scenes, and attributes near a normal distribution."""
        scenes = [self.scene(image) for image in (infrared, luminance)]
        drawn, prior = [], infrared.new_zeros(())
        for image in (infrared, luminance):
            mean, log_variance = self.attributes(image)
            noise = torch.randn(mean.shape, generator=generator).to(mean)
            drawn.append(mean + noise * torch.exp(log_variance / 2))
            prior = prior + (mean**2 + log_variance.exp() - 1 - log_variance).mean() / 2
        (scene_ir, scene_y), (of_ir, of_y) = scenes, drawn
        again = functional.l1_loss(self.generate(scene_ir, of_ir), infrared)
        again = again + functional.l1_loss(self.generate(scene_y, of_y), luminance)
        translated = functional.l1_loss(self.generate(scene_ir, of_y), luminance)
        translated = translated + functional.l1_loss(self.generate(scene_y, of_ir), infrared)
        apart = functional.l1_loss(scene_ir, scene_y)
        return {
            "reconstruction": again,
            "translation": translated,
            "scene": apart,
            "prior": prior,
            "loss": again + TRANSLATION * translated + SCENE * apart + PRIOR * prior,
        }
