"""CSF (Xu, Zhang, Ma 2021): features weighted by what tells the two modalities apart.

An autoencoder reproduces single pictures. A classifier learns to tell from the features whether
a picture is infrared or visible. How much a feature matters for the right answer, the derivative
of the score times the feature, is its saliency; features are fused in proportion to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.models.blocks import conv, leaky
from piafusion.models.comparison._terms import ComparisonNet, squared_error, ssim

SSIM_WEIGHT = 10.0
_FEATURES, _HIDDEN = 64, 32
_INFRARED, _VISIBLE = 0, 1


class ClassificationSaliencyNet(ComparisonNet):
    """Encoder to 64 features, decoder, and a classifier of two layers on their means."""

    def __init__(self) -> None:
        """Build the layers with torch's default initialisation."""
        super().__init__()
        self.encoder = nn.ModuleList((conv(1, 16), conv(16, 32), conv(32, _FEATURES)))
        self.decoder = nn.ModuleList((conv(_FEATURES, 32), conv(32, 16)))
        self.head = conv(16, 1)
        self.hidden = nn.Linear(_FEATURES, _HIDDEN)
        self.scores = nn.Linear(_HIDDEN, 2)

    def encode(self, image: Tensor) -> Tensor:
        """Return N x 64 x H x W features."""
        for layer in self.encoder:
            image = leaky(layer(image))
        return image

    def decode(self, features: Tensor) -> Tensor:
        """Return the picture of features."""
        for layer in self.decoder:
            features = leaky(layer(features))
        return torch.sigmoid(self.head(features))

    def classify(self, features: Tensor) -> Tensor:
        """Return the scores of infrared and visible, N x 2, before the softmax."""
        return torch.as_tensor(self.scores(functional.relu(self.hidden(features.mean(dim=(2, 3))))))

    def saliency(self, features: Tensor, label: int) -> Tensor:
        """Return the magnitude of the score's derivative times the feature, N x 64 x H x W.

        The derivative is written out, so that no back-propagation is needed to fuse; its common
        factor 1 / HW is left out.
        """
        is_active = (self.hidden(features.mean(dim=(2, 3))) > 0).to(features.dtype)
        derivative = (is_active * self.scores.weight[label]) @ self.hidden.weight
        return torch.abs(derivative[:, :, None, None] * features)

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `ComparisonNet`."""
        ir, y = self.encode(infrared), self.encode(luminance)
        of_ir, of_y = self.saliency(ir, _INFRARED), self.saliency(y, _VISIBLE)
        share = (of_ir + 1e-6) / (of_ir + of_y + 2e-6)
        return self.decode(y + share * (ir - y))

    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Reconstruction, and cross-entropy of the classifier, which shapes no feature."""
        del generator
        images = torch.cat((infrared, luminance))
        features = self.encode(images)
        decoded = self.decode(features)
        pixels = squared_error(decoded, images).mean()
        structure = (1 - ssim(decoded, images)).mean()
        scores = self.classify(features.detach())
        labels = torch.arange(2, device=images.device).repeat_interleave(len(infrared))
        entropy = functional.cross_entropy(scores, labels)
        return {
            "pixels": pixels,
            "structure": structure,
            "classification": entropy,
            "accuracy": (scores.argmax(dim=1) == labels).float().mean(),
            "loss": pixels + SSIM_WEIGHT * structure + entropy,
        }
