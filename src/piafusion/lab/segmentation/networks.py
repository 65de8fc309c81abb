"""The networks that a comparison can train: the paper's, and SegFormer of a library.

The paper segments with the decoder of C. Peng, T. Tian, C. Chen, X. Guo, J. Ma, *Bilateral
attention decoder: A lightweight decoder for real-time semantic segmentation*, Neural Networks 137
(2021). Its abstract says that features of two levels are joined in two steps. First they are
refined, the high level by attention to channels, the low level by attention to places; then a
pooling fusing block fuses both. The rest is our own design: the backbone, which starts untrained,
all widths, the computation of the attentions, and the pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from piafusion.errors import needing
from piafusion.lab.segmentation.settings import SegmentationSettings
from piafusion.scenes.synthetic import CLASSES


class SegformerNet(nn.Module):
    """SegFormer of the transformers library, untrained, with scores at the picture's size.

    Reference:
        E. Xie et al., SegFormer: Simple and Efficient Design for Semantic Segmentation with
        Transformers, NeurIPS 2021.
    """

    def __init__(self, classes: int, widths: tuple[int, ...], blocks: int, decoder: int) -> None:
        """Make a network with fresh parameters; a head has 32 channels or more.

        Raises:
            MissingExtraError: If transformers is not installed.
        """
        super().__init__()
        with needing("segmentation", "the network segformer"):
            from transformers.models.segformer import (
                SegformerConfig,
                SegformerForSemanticSegmentation,
            )
        sizes: dict[str, Any] = {
            "num_labels": classes,
            "hidden_sizes": list(widths),
            "depths": [blocks] * len(widths),
            "num_attention_heads": [max(1, width // 32) for width in widths],
            "decoder_hidden_size": decoder,
        }
        self.segformer = SegformerForSemanticSegmentation(SegformerConfig(**sizes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Map N x 3 x H x W in [0, 1] to scores before the softmax, N x classes x H x W."""
        return enlarge(self.segformer(pixel_values=pictures).logits, pictures)


def build(settings: SegmentationSettings, seed: int) -> nn.Module:
    """Return the network of the settings with fresh parameters that depend on the seed alone.

    Raises:
        MissingExtraError: If the library of the network is not installed.
    """
    kind = BilateralNet if settings.network == "bilateral" else SegformerNet
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(len(CLASSES), settings.widths, settings.blocks, settings.decoder)


class ConvNorm(nn.Sequential):
    """Convolution without bias, and batch normalisation; keeps the size at stride 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., 2016, the block of ResNet-18)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, stride=stride)
        self.second = ConvNorm(outputs, outputs)
        changes = inputs != outputs or stride > 1
        self.shortcut = ConvNorm(inputs, outputs, 1, stride=stride) if changes else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Map N x C x H x W to N x D x H/s x W/s."""
        return relu(self.second(relu(self.first(features))) + self.shortcut(features))


class ChannelAttention(nn.Module):
    """Weights each channel by the mean of the channels over the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighted features, N x C x H x W."""
        mean = features.mean(dim=(2, 3), keepdim=True)
        return features * torch.sigmoid(self.weigh(mean))


class SpatialAttention(nn.Module):
    """Weights each place by the mean and the maximum of the channels around it."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighted features, N x C x H x W."""
        seen = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        return features * torch.sigmoid(self.weigh(seen))


class PoolingFusingBlock(nn.Module):
    """Joins two levels at the size of the lower one, and adds the surroundings of each place."""

    POOL = 4  # places along each side

    def __init__(self, width: int) -> None:
        super().__init__()
        self.join = ConvNorm(2 * width, width, 1)
        self.surround = ConvNorm(width, width, 1)
        self.mix = ConvNorm(width, width)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Fuse N x W x h x w (high) with N x W x H x W (low) into N x W x H x W."""
        joined = relu(self.join(torch.cat([enlarge(high, low), low], dim=1)))
        pool = min(self.POOL, *low.shape[2:])
        around = relu(self.surround(avg_pool2d(joined, pool, ceil_mode=True)))
        return relu(self.mix(joined + enlarge(around, low)))


class BilateralJoin(nn.Module):
    """One step of the decoder: refines both levels, then fuses them."""

    def __init__(self, high: int, low: int, width: int) -> None:
        super().__init__()
        self.high, self.low = ConvNorm(high, width, 1), ConvNorm(low, width, 1)
        self.channels, self.places = ChannelAttention(width), SpatialAttention()
        self.fuse = PoolingFusingBlock(width)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Join two levels at the size of the lower one."""
        refined = self.channels(relu(self.high(high)))
        fused: Tensor = self.fuse(refined, self.places(relu(self.low(low))))
        return fused


class BilateralNet(nn.Module):
    """Maps an RGB picture to a score for each class and pixel.

    The backbone halves the picture in its stem and in each stage; the first stage is the lowest
    level. The decoder goes from the last stage down to the first, a quarter of the picture's size,
    and its scores are enlarged.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: int = 2,
        decoder: int = 128,
    ) -> None:
        """Make a network with fresh parameters."""
        super().__init__()
        self.stem = ConvNorm(3, widths[0], stride=2)
        before = (widths[0], *widths)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(before[level], width, stride=2),
                *(ResidualBlock(width, width) for _ in range(blocks - 1)),
            )
            for level, width in enumerate(widths)
        )
        highs = [decoder] * (len(widths) - 2) + [widths[-1]]
        self.joins = nn.ModuleList(
            BilateralJoin(high, low, decoder) for high, low in zip(highs, widths[:-1], strict=True)
        )
        self.head = nn.Sequential(ConvNorm(decoder, decoder), nn.ReLU())
        self.score = nn.Conv2d(decoder, classes, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map N x 3 x H x W in [0, 1] to scores before the softmax, N x classes x H x W."""
        features: Tensor = relu(self.stem(pictures))
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        for join, low in zip(reversed(self.joins), reversed(levels[:-1]), strict=True):
            features = join(features, low)
        return enlarge(self.score(self.head(features)), pictures)


def enlarge(features: Tensor, like: Tensor) -> Tensor:
    """Return features resized to the height and width of others, bilinearly."""
    return interpolate(features, like.shape[2:], mode="bilinear", align_corners=False)
