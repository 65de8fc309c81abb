"""DRF (Xu, Wang, Ma 2021): pictures taken apart into the scene and the attribute of the sensor.

A scene encoder for each modality, whose last block both share, and an attribute encoder, which
turns a picture into a short vector. A generator puts a scene and an attribute together. It is
trained to give back each source, and each source's scene in the attribute of the other one. To
fuse, scenes and attributes are averaged.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import conv, leaky
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    Schedule,
    in_float,
    pad_to,
    to_signed,
    to_unsigned,
)

WIDTHS = (16, 32, 64)  # at full, half and quarter size
ATTRIBUTES = 8
TRANSLATION, SCENE, PRIOR = 0.5, 0.02, 0.003
"""Weights of the loss beside that of reconstruction, which is 1.

A larger weight of equal scenes empties them: what one modality cannot tell is left out of both. A
larger one of the prior empties the attributes.
"""


class Scene(NamedTuple):
    """Scene features: features at full size, N x 16 x H x W, and N x 64 x H/4 x W/4."""

    fine: Tensor
    coarse: Tensor


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = conv(width, width), conv(width, width)

    def forward(self, features: Tensor) -> Tensor:
        return features + torch.as_tensor(self.two(leaky(self.one(features))))


class _SceneEncoder(nn.Module):
    """Attributes of one modality: a layer at full size, two that halve it, and a block."""

    def __init__(self) -> None:
        super().__init__()
        full, half, quarter = WIDTHS
        self.fine = conv(1, full)
        self.down = nn.ModuleList((conv(full, half, stride=2), conv(half, quarter, stride=2)))
        self.block = _Residual(quarter)

    def forward(self, image: Tensor) -> Scene:
        fine = features = leaky(self.fine(image))
        for layer in self.down:
            features = leaky(layer(features))
        return Scene(fine, self.block(features))


class _AttributeEncoder(nn.Module):
    """Three 4x4 layers that halve the picture, then the mean and log variance of 8 values."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *WIDTHS)
        self.layers = nn.ModuleList(
            conv(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.mean = nn.Linear(widths[-1], ATTRIBUTES)
        self.log_variance = nn.Linear(widths[-1], ATTRIBUTES)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.layers:
            image = leaky(layer(image))
        pooled = image.mean(dim=(2, 3))
        return self.mean(pooled), self.log_variance(pooled)


class DisentangledNet(ComparisonNet):
    """Scene encoders, attribute encoders and the generator."""

    schedule = Schedule(steps=800, batch=4, crop=64)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        full, half, quarter = WIDTHS
        self.scenes = nn.ModuleList((_SceneEncoder(), _SceneEncoder()))
        self.shared = _Residual(quarter)
        self.attributes = nn.ModuleList((_AttributeEncoder(), _AttributeEncoder()))
        self.joined = conv(quarter + ATTRIBUTES, quarter)
        self.block = _Residual(quarter)
        self.up = nn.ModuleList((conv(quarter, half), conv(half, full)))
        self.tail = nn.ModuleList((conv(2 * full, 2 * full), conv(2 * full, full)))
        self.head = conv(full, 1)

    def scene(self, image: Tensor, modality: int) -> Scene:
        """Return the scene of infrared (0) or visible (1) pictures in [-1, 1]."""
        fine, coarse = self.scenes[modality](image)
        return Scene(fine, self.shared(coarse))

    def generate(self, scene: Scene, attributes: Tensor) -> Tensor:
        """Return the picture of a scene under attributes, N x 8, in [0, 1]."""
        everywhere = attributes[:, :, None, None] + torch.zeros_like(scene.coarse[:, :1])
        features = self.block(leaky(self.joined(torch.cat((scene.coarse, everywhere), dim=1))))
        for layer in self.up:
            larger = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = leaky(layer(larger))
        features = torch.cat((features, scene.fine), dim=1)
        for layer in self.tail:
            features = leaky(layer(features))
        return to_unsigned(torch.tanh(in_float(self.head, features)))

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        height, width = infrared.shape[2:]
        images = [to_signed(pad_to(8, image)) for image in (infrared, luminance)]
        scenes = [self.scene(image, modality) for modality, image in enumerate(images)]
        scene = Scene(*((ir + y) / 2 for ir, y in zip(*scenes, strict=True)))
        of_ir, of_y = (
            encoder(image)[0] for encoder, image in zip(self.attributes, images, strict=True)
        )
        return self.generate(scene, (of_ir + of_y) / 2)[:, :, :height, :width]

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Reconstruction, translation, equal scenes, and attributes near a normal distribution."""
        images = (infrared, luminance)
        scenes, drawn, prior = [], [], infrared.new_zeros(())
        for modality, image in enumerate(images):
            scenes.append(self.scene(to_signed(image), modality))
            mean, log_variance = self.attributes[modality](to_signed(image))
            noise = torch.randn(mean.shape, generator=generator).to(mean)
            drawn.append(mean + noise * torch.exp(log_variance / 2))
            prior = prior + (mean**2 + log_variance.exp() - 1 - log_variance).mean() / 2
        again, translated, apart = (infrared.new_zeros(()) for _ in range(3))
        for modality, image in enumerate(images):
            own, other = scenes[modality], scenes[1 - modality]
            again = again + functional.l1_loss(self.generate(own, drawn[modality]), image)
            translated = translated + functional.l1_loss(
                self.generate(other, drawn[modality]), image
            )
        for ir, y in zip(*scenes, strict=True):
            apart = apart + functional.l1_loss(ir, y)
        return {
            "reconstruction": again,
            "translation": translated,
            "scene": apart,
            "prior": prior,
            "loss": again + TRANSLATION * translated + SCENE * apart + PRIOR * prior,
        }
