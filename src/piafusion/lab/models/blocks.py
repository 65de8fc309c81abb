"""Blocks that the fusion networks share, and the base of those with one gate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from piafusion.reach import Reach

LEAKY_SLOPE = 0.2

Cmdaf = Literal["printed", "released", "none"]
"""Eq. 5 as printed, with the sign of the authors' released code, or left out."""


def conv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = True,
) -> nn.Conv2d:
    """Return a convolution that keeps the size at stride 1 without inventing dark borders.

    The border is reflected, by half the kernel if `padding` is not given.
    """
    padding = kernel // 2 if padding is None else padding
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, padding_mode="reflect", bias=bias)


def leaky(features: Tensor) -> Tensor:
    """LeakyReLU with the slope that all networks here use."""
    return nn.functional.leaky_relu(features, LEAKY_SLOPE)


class _ReflectActivated(torch.autograd.Function):
    """LeakyReLU and a reflected border of one pixel in one pass over channels-last memory."""

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, slope: float) -> Tensor:
        n, c, h, w = features.shape
        padded = features.new_empty((n, c, h + 2, w + 2)).to(memory_format=torch.channels_last)
        torch.ops.aten.leaky_relu.out(features, slope, out=padded[..., 1:-1, 1:-1])
        for edge, inside in ((0, 2), (-1, -3)):
            padded[:, :, edge, 1:-1] = padded[:, :, inside, 1:-1]
        for edge, inside in ((0, 2), (-1, -3)):
            padded[..., edge] = padded[..., inside]
        ctx.save_for_backward(padded)
        ctx.slope = slope  # type: ignore[attr-defined]
        return padded

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        padded, slope = ctx.saved_tensors[0], ctx.slope  # type: ignore[attr-defined]
        # Comes from the one convolution that takes the padded features, so it may be changed.
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        for edge, inside in ((0, 2), (-1, -3)):
            gradient[..., inside] += gradient[..., edge]
        for edge, inside in ((0, 2), (-1, -3)):
            gradient[:, :, inside] += gradient[:, :, edge]
        inner = (..., slice(1, -1), slice(1, -1))
        back = torch.ops.aten.leaky_relu_backward(gradient[inner], padded[inner], slope, True)
        return back, None


def convolve_activated(
    layer: nn.Conv2d, features: Tensor, slope: float = LEAKY_SLOPE, weight: Tensor | None = None
) -> Tensor:
    """Return `layer(leaky(features))` of a 3x3 layer of `conv`, in half the time of a training.

    Args:
        layer: From `conv`, kernel 3, stride 1.
        features: N x C x H x W, H and W at least 2, before the activation.
        slope: The slope of the LeakyReLU; 1 for features that are not activated.
        weight: Used in the place of the layer's.
    """
    padded: Tensor = _ReflectActivated.apply(features, slope)  # type: ignore[no-untyped-call]
    return nn.functional.conv2d(padded, layer.weight if weight is None else weight, layer.bias)


def exchange_differences(
    infrared: Tensor, visible: Tensor, cmdaf: Cmdaf = "printed"
) -> tuple[Tensor, Tensor]:
    """Cross-modality differential aware fusion (CMDAF), Eq. 5 of the paper.

    Each modality receives the difference to the other one, weighted per channel by the sigmoid of
    the mean difference. There is nothing to learn in it.

    As printed it gives both modalities the same features: since sigmoid(-x) = 1 - sigmoid(x),
    `F_ir - (1 - s) d` and `F_vi + s d` are equal for d = F_ir - F_vi. `mix` computes them once.
    The authors' released TensorFlow code has the sign of the added term reversed: the difference of
    the two becomes 2 d, and the streams stay apart.

    Args:
        infrared: Features of the infrared image, N x C x H x W.
        visible: Features of the visible image, same shape.
        cmdaf: "none" returns the features as they are.

    Returns:
        The enriched infrared and visible features, N x C x H x W each.
    """
    if cmdaf == "none":
        return infrared, visible
    difference = infrared - visible
    mean = difference.mean(dim=(2, 3), keepdim=True)
    if cmdaf == "released":
        difference = -difference
    to_infrared = infrared - torch.sigmoid(-mean) * difference
    to_visible = visible + torch.sigmoid(mean) * difference
    return to_infrared, to_visible


def infrared_share(difference: Tensor) -> Tensor:
    """Return the infrared's share in what Eq. 5 gives to both modalities, N x C x 1 x 1.

    The modality whose mean in a channel is the larger one has the larger share of it.

    Args:
        difference: Infrared minus visible features, N x C x H x W.
    """
    return torch.sigmoid(difference.mean(dim=(2, 3), keepdim=True))


def mix(visible: Tensor, difference: Tensor, share: Tensor) -> Tensor:
    """Return what Eq. 5 gives to both modalities: one mix per channel, N x C x H x W.

    Args:
        visible: Features of the visible image, N x C x H x W.
        difference: Infrared minus visible features, same shape.
        share: The infrared's share in each channel, in [0, 1]; N or 1 x C x 1 x 1.
    """
    return visible + share * difference


class GatedFusionNet(nn.Module, ABC):
    """Layers before the gate of Eq. 5, the gate, and layers behind it.

    All layers see a limited part of the picture. The gate's shares are means over the whole of
    it; whoever fuses a picture in tiles gathers them first, from `encode`, and passes them in.
    """

    @property
    @abstractmethod
    def reach(self) -> Reach:
        """How far the layers look."""

    @abstractmethod
    def encode(self, infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of both pictures at the gate, N x C x h x w each."""

    @abstractmethod
    def decode(self, features: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the fused luminance, N x 1 x H x W, from the gate's mix and the pictures."""

    def forward(self, infrared: Tensor, luminance: Tensor, share: Tensor | None = None) -> Tensor:
        """Fuse a batch.

        Args:
            infrared: N x 1 x H x W float in [0, 1]; any size, odd ones are extended inside.
            luminance: Y of the visible images, same shape and range.
            share: The infrared's share in each channel at the gate, 1 x C x 1 x 1 in [0, 1];
                by default that of each pair itself.

        Returns:
            Fused luminance, N x 1 x H x W. In [0, 1] in evaluation mode; in training mode it
            may leave the range a little, so that the loss can still pull it back.
        """
        ir, vi = self.encode(infrared, luminance)
        difference = ir - vi
        share = infrared_share(difference) if share is None else share
        return self.decode(mix(vi, difference, share), infrared, luminance)
