"""The networks that a comparison can train: the paper's, and SegFormer of a library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from piafusion.errors import needing
from piafusion.lab.segmentation.bilateral import BilateralNet, enlarge
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

        Args:
            classes: Number of classes.
            widths: Channels of the four stages.
            blocks: Transformer blocks in each stage.
            decoder: Channels of the decoder.

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
