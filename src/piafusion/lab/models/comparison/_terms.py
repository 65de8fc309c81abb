"""Base class, schedule and loss terms of the comparison networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.models.blocks import conv

_SSIM_SIDE, _SSIM_SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class Schedule(NamedTuple):
    """The schedule of a short training on one core.

    Attributes:
        steps: Number of steps of Adam.
        batch: Crops in each step.
        crop: Side of a crop in pixels.
        learning_rate: Learning rate of the first step.
        tone_share: Share of the crops that are shown in another exposure.
    """

    steps: int
    batch: int
    crop: int
    learning_rate: float = 1e-3
    tone_share: float = 0.5


class ComparisonNet(nn.Module, ABC):
    """A network that knows its own loss.

    Pictures are N x 1 x H x W float in [0, 1], infrared and luminance of one size.
    """

    schedule: Schedule
    """The schedule of its preset."""

    @abstractmethod
    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance, N x 1 x H x W; it may leave [0, 1]."""

    @abstractmethod
    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch and, as `loss`, their weighted sum.

        Args:
            infrared: Crops, N x 1 x S x S.
            luminance: Crops of the same places.
            generator: Random generator of the loss, on the CPU.
        """


class NormedConv(nn.Sequential):
    """A convolution and its batch normalisation; `fold` makes one convolution of them.

    Small batches of few crops differ in their statistics, and what is normalised by them cannot
    know how bright a picture is. The training therefore keeps the running statistics after a
    while (`MethodTraining`), and what it minimises from then on is what will fuse.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1) -> None:
        """Arguments are those of `blocks.conv`."""
        super().__init__(conv(inputs, outputs, kernel, stride=stride), nn.BatchNorm2d(outputs))


class PictureNormedConv(nn.Sequential):
    """A convolution and a normalisation by the statistics of what it is given, then as always.

    While it is trained these are the statistics of the batch; of a picture that is fused, they are
    its own, as in the released code of FusionGAN and PMGI.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        """Arguments are those of `blocks.conv`."""
        super().__init__(
            conv(inputs, outputs, kernel, bias=False), nn.InstanceNorm2d(outputs, affine=True)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return N x C_out x H x W for N x C_in x H x W."""
        features, norm = self[0](features), cast(nn.InstanceNorm2d, self[1])
        if not self.training:
            return torch.as_tensor(norm(features))
        return functional.batch_norm(
            features, None, None, norm.weight, norm.bias, training=True, eps=norm.eps
        )


def in_float(head: nn.Module, features: Tensor) -> Tensor:
    """Return what a last layer answers in single precision, in a half-precision training, too.

    The loss compares structures that are finer than the steps of half precision.
    """
    with torch.autocast(features.device.type, enabled=False):
        return torch.as_tensor(head(features.float()))


def to_signed(image: Tensor) -> Tensor:
    """Map [0, 1] to [-1, 1]."""
    return 2 * image - 1


def to_unsigned(image: Tensor) -> Tensor:
    """Map [-1, 1] to [0, 1]."""
    return (image + 1) / 2


def laplacian(image: Tensor) -> Tensor:
    """Return the Laplacian of N x 1 x H x W; borders are replicated."""
    kernel = image.new_tensor(_LAPLACIAN)[None, None]
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    with torch.autocast(image.device.type, enabled=False):
        return functional.conv2d(padded, kernel)


def gaussian(image: Tensor, side: int, sigma: float) -> Tensor:
    """Blur N x C x H x W by a Gaussian of side x side pixels; only whole windows are kept."""
    at = torch.arange(side, dtype=image.dtype, device=image.device) - side // 2
    bell = torch.exp(-(at**2) / (2 * sigma**2))
    bell = bell / bell.sum()
    kernel = (bell[:, None] * bell)[None, None]
    channels = image.shape[1]
    with torch.autocast(image.device.type, enabled=False):
        return functional.conv2d(image, kernel.expand(channels, 1, -1, -1), groups=channels)


def ssim(image: Tensor, other: Tensor) -> Tensor:
    """Return the structural similarity of each of N pictures N x 1 x H x W on [0, 1], N.

    Wang, Bovik, Sheikh, Simoncelli 2004: Gaussian windows of 11x11 pixels, those inside alone.
    """
    planes = torch.cat((image, other, image * image, other * other, image * other), dim=1)
    mean_a, mean_b, aa, bb, ab = gaussian(planes, _SSIM_SIDE, _SSIM_SIGMA).unbind(dim=1)
    variances = aa - mean_a**2 + bb - mean_b**2
    covariance = ab - mean_a * mean_b
    alike = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return (alike * (2 * covariance + _C2) / (variances + _C2)).mean(dim=(1, 2))


def squared_error(image: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference of each of N pictures, N."""
    return ((image - other) ** 2).mean(dim=(1, 2, 3))


def pad_to(multiple: int, image: Tensor) -> Tensor:
    """Repeat the last row and column until both sides are multiples of a number."""
    height, width = image.shape[2:]
    return functional.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
