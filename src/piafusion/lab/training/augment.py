"""Augmentation: other exposures, and cameras that are slightly misaligned.

A network that has only seen one thermal camera with dark backgrounds draws halos if another
camera's backgrounds are bright. A network that has only seen aligned pairs leaves ghosts in other
pairs; so some infrared crops are moved, and the loss compares the output with the unmoved crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class CurveRanges:
    """Ranges of `offset + gain * value ** gamma`, drawn uniformly; gamma by its logarithm."""

    log_gamma: tuple[float, float]
    gain: tuple[float, float]
    offset: tuple[float, float]


INFRARED = CurveRanges(log_gamma=(-1.0, 0.3), gain=(0.7, 1.1), offset=(-0.05, 0.25))
VISIBLE = CurveRanges(log_gamma=(-0.5, 0.5), gain=(0.6, 1.2), offset=(-0.05, 0.1))

FURTHEST = 3
"""Largest move of an infrared crop in either direction, in pixels."""


def draw_curves(
    tones: CurveRanges, share: float, count: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw gamma, gain and offset for each image of a batch, 3 x `count`.

    An image is changed with probability `share`; the others get the identity: 1, 1 and 0.
    """
    curves = np.stack(
        [
            np.exp(generator.uniform(*tones.log_gamma, count)),
            generator.uniform(*tones.gain, count),
            generator.uniform(*tones.offset, count),
        ]
    )
    curves[:, generator.random(count) >= share] = [[1.0], [1.0], [0.0]]
    return curves


def change_tone(images: Tensor, curves: NDArray[np.float64]) -> Tensor:
    """Give each image of a batch its tone curve.

    Args:
        images: N x 1 x H x W in [0, 1].
        curves: Gamma, gain and offset of each image, 3 x N.

    Returns:
        The batch, same shape, clipped to [0, 1].
    """
    gamma, gain, offset = images.new_tensor(curves).view(3, -1, 1, 1, 1)
    toned: Tensor = offset + gain * images**gamma
    return toned.clamp(0, 1)


def draw_moves(
    furthest: int, share: float, count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw rows and columns by which each infrared image of a batch is moved, `count` x 2.

    An image is moved with probability `share`, by at most `furthest` pixels in either direction;
    the others get 0 and 0.
    """
    moves = generator.integers(-furthest, furthest + 1, (count, 2))
    moves[generator.random(count) >= share] = 0
    return moves


def inner(images: Tensor, margin: int, moves: NDArray[np.int64] | None = None) -> Tensor:
    """Cut a margin off each side, the same for all images or after moving them.

    Args:
        images: N x C x H x W.
        margin: Pixels to cut off.
        moves: Rows and columns that each image is moved by, N x 2, at most `margin`.

    Returns:
        N x C x (H - 2 margin) x (W - 2 margin).
    """
    height, width = (side - 2 * margin for side in images.shape[2:])
    starts = np.full((len(images), 2), margin) - (0 if moves is None else moves)
    return torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(images, starts, strict=True)
        ]
    )
