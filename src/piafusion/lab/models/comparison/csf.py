"""CSF (Xu, Zhang, Ma 2021): features weighted by how well they distinguish the two modalities.

An autoencoder reproduces single pictures. A classifier learns to tell from the features whether a
picture is infrared or visible, with both at the mean of the infrared one, so that brightness does
not tell. The saliency of a feature is how much the classifier's score for a source changes with it,
at that place; features are fused by weights that grow with their saliency.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import conv, leaky
from piafusion.lab.models.comparison._terms import (
    ComparisonNet,
    Schedule,
    in_float,
    pad_to,
    squared_error,
    ssim,
    to_signed,
    to_unsigned,
)

PIXEL_WEIGHT = 25.0
PLACE = 0.1
"""Where on the way from the other source to a source derivatives are taken."""
TEMPERATURE = 8.0
"""Difference of saliencies, in units of their mean, that shifts the weights from 1:1 to e:1.

The released code has a number in units of its own classifier's. Of 1, 2, 4, 8, 16 and no
weighting at all, this one had scores nearest to the paper's, on eight pairs of msrs/train.
"""
_WIDTH = 24
_INFRARED, _VISIBLE = 0, 1


class _Classifier(nn.Module):
    """Four 5x5 layers with ELU; the first three halve the picture, the last one is averaged."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((_WIDTH, 32), (32, 64), (64, 32))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 5, padding=2) for a, b in widths)
        self.scores = nn.Conv2d(32, 2, 5, padding=2)

    def forward(self, features: Tensor) -> Tensor:
        """Return the scores of infrared and visible, N x 2, before the softmax."""
        for layer in self.layers:
            features = functional.avg_pool2d(functional.elu(layer(features)), 2)
        return torch.as_tensor(self.scores(features).mean(dim=(2, 3)))

    def derivative(self, features: Tensor, label: int) -> Tensor:
        """Return the derivative of a score by each feature times the size of the last layer.

        Written out, so that no back-propagation is needed to fuse.

        Args:
            features: N x 24 x H x W, H and W multiples of 8.
            label: Label whose score is taken.
        """
        slopes = []
        for layer in self.layers:
            before = layer(features)
            slopes.append(torch.exp(before.clamp(max=0)))  # the derivative of ELU
            features = functional.avg_pool2d(functional.elu(before), 2)
        ones = torch.ones_like(features[:, :1])
        weight = self.scores.weight[label : label + 1]
        change = _transposed(ones, weight)
        for layer, slope in zip(reversed(self.layers), reversed(slopes), strict=True):
            spread = functional.interpolate(change, scale_factor=2.0, mode="nearest") / 4
            change = _transposed(spread * slope, torch.as_tensor(layer.weight))
        return change


def _transposed(change: Tensor, weight: Tensor) -> Tensor:
    """Return the derivative by the input of a 5x5 layer from that by its output."""
    return functional.conv2d(change, weight.transpose(0, 1).flip(2, 3), padding=2)


def _mean(images: Tensor) -> Tensor:
    """Return the mean of each of N pictures, N x 1 x 1 x 1."""
    return images.mean(dim=(1, 2, 3), keepdim=True)


def _at_mean_of(infrared: Tensor, luminance: Tensor) -> Tensor:
    """Return the luminance shifted to the mean of the infrared picture."""
    return luminance + _mean(infrared) - _mean(luminance)


class ClassificationSaliencyNet(ComparisonNet):
    """Encoder to 24 features and decoder, four 5x5 layers each, and the classifier."""

    schedule = Schedule(steps=2500, batch=4, crop=128, tone_share=0.0)

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.encoder = nn.ModuleList(
            conv(a, b, 5) for a, b in ((1, 16), (16, _WIDTH), (_WIDTH, _WIDTH), (_WIDTH, _WIDTH))
        )
        self.decoder = nn.ModuleList(conv(a, 16, 5) for a in (_WIDTH, 16, 16))
        self.head = conv(16, 1, 5)
        self.classifier = _Classifier()

    def encode(self, image: Tensor) -> Tensor:
        """Return N x 24 x H x W features of a picture in [-1, 1]."""
        for layer in self.encoder:
            image = leaky(layer(image))
        return image

    def decode(self, features: Tensor) -> Tensor:
        """Return the picture of features, in [0, 1]."""
        for layer in self.decoder:
            features = leaky(layer(features))
        return to_unsigned(torch.tanh(in_float(self.head, features)))

    def saliency(self, image: Tensor, other: Tensor, label: int) -> Tensor:
        """Return how much the score of a source depends on each feature, N x 24 x H x W.

        The derivative is taken near the other source, on the way from there to the source.
        """
        features = self.encode(other + PLACE * (image - other))
        return torch.abs(self.classifier.derivative(features, label))

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        height, width = infrared.shape[2:]
        ir, y = (to_signed(pad_to(8, image)) for image in (infrared, luminance))
        moved = _at_mean_of(ir, y)
        of_ir, of_y = self.saliency(ir, moved, _INFRARED), self.saliency(moved, ir, _VISIBLE)
        mean_ir, mean_y = _mean(of_ir), _mean(of_y)
        # Each less its own mean, so that neither source as a whole is the more salient.
        difference = (of_ir - mean_ir) - (of_y - mean_y)
        share = torch.sigmoid(difference / (TEMPERATURE * (mean_ir + mean_y) / 2 + 1e-12))
        features_ir, features_y = self.encode(ir), self.encode(y)
        fused = self.decode(features_y + share * (features_ir - features_y))
        return fused[:, :, :height, :width]

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Reconstruction, and cross-entropy of the classifier, which shapes no feature."""
        del generator
        images = torch.cat((infrared, luminance))
        features = self.encode(to_signed(images))
        decoded = self.decode(features)
        pixels = squared_error(decoded, images).mean()
        structure = (1 - ssim(decoded, images)).mean()
        with torch.no_grad():
            moved = self.encode(to_signed(_at_mean_of(infrared, luminance)))
        scores = self.classifier(torch.cat((features[: len(infrared)].detach(), moved)))
        labels = torch.arange(2, device=images.device).repeat_interleave(len(infrared))
        entropy = functional.cross_entropy(scores, labels)
        return {
            "pixels": pixels,
            "structure": structure,
            "classification": entropy,
            "accuracy": (scores.argmax(dim=1) == labels).float().mean(),
            "loss": PIXEL_WEIGHT * pixels + structure + entropy,
        }
