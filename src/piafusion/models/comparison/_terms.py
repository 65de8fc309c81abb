"""What the networks of the comparison methods and their losses share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

_SSIM_SIDE, _SSIM_SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class ComparisonNet(nn.Module, ABC):
    """A network that knows its own loss.

    Pictures are N x 1 x H x W float in [0, 1], infrared and luminance of one size.
    """

    @abstractmethod
    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance, N x 1 x H x W."""

    @abstractmethod
    def losses(
        self, infrared: Tensor, luminance: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch and, as `loss`, what is minimised.

        Args:
            infrared: Crops, N x 1 x S x S.
            luminance: Crops of the same places.
            generator: Of what the loss draws, on the CPU.
        """


def to_signed(image: Tensor) -> Tensor:
    """Map [0, 1] to [-1, 1]."""
    return 2 * image - 1


def to_unsigned(image: Tensor) -> Tensor:
    """Map [-1, 1] to [0, 1]."""
    return (image + 1) / 2


def laplacian(image: Tensor) -> Tensor:
    """Return the Laplacian of N x 1 x H x W; borders are replicated."""
    kernel = image.new_tensor(_LAPLACIAN)[None, None]
    return functional.conv2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), kernel)


def ssim(image: Tensor, other: Tensor) -> Tensor:
    """Return the structural similarity of each of N pictures N x 1 x H x W on [0, 1], N.

    Wang, Bovik, Sheikh, Simoncelli 2004: Gaussian windows of 11x11 pixels, those inside alone.
    """
    at = torch.arange(_SSIM_SIDE, dtype=image.dtype, device=image.device) - _SSIM_SIDE // 2
    bell = torch.exp(-(at**2) / (2 * _SSIM_SIGMA**2))
    bell = bell / bell.sum()
    kernel = (bell[:, None] * bell)[None, None]
    planes = torch.cat((image, other, image * image, other * other, image * other), dim=1)
    kernels = kernel.expand(5, 1, -1, -1)
    mean_a, mean_b, aa, bb, ab = functional.conv2d(planes, kernels, groups=5).unbind(dim=1)
    variances = aa - mean_a**2 + bb - mean_b**2
    covariance = ab - mean_a * mean_b
    alike = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return (alike * (2 * covariance + _C2) / (variances + _C2)).mean(dim=(1, 2))


def squared_error(image: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference of each of N pictures, N."""
    return ((image - other) ** 2).mean(dim=(1, 2, 3))
