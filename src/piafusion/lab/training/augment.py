"""What the training pairs do not show: other exposures, and lenses a little out of line.

A network that has only seen one thermal camera's dark backgrounds draws halos where another
one's are bright. One that has only seen pairs in line leaves ghosts where they are not: it is shown
some that are moved, and has to answer as if they were not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class ToneRange:
    """What `offset + gain * value ** gamma` is drawn from, uniformly; gamma by its logarithm."""

    log_gamma: tuple[float, float]
    gain: tuple[float, float]
    offset: tuple[float, float]


INFRARED = ToneRange(log_gamma=(-1.0, 0.3), gain=(0.7, 1.1), offset=(-0.05, 0.25))
VISIBLE = ToneRange(log_gamma=(-0.5, 0.5), gain=(0.6, 1.2), offset=(-0.05, 0.1))

FURTHEST = 3
"""Pixels by which an infrared crop is moved at most, in either direction."""


def draw_curves(
    tones: ToneRange, share: float, count: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw gamma, gain and offset for each image of a batch, 3 x `count`.

    Args:
        tones: What to draw from.
        share: Probability that an image is changed; the others get the identity, 1, 1 and 0.
        count: Images in the batch.
        generator: Where the draws come from.
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

    Args:
        furthest: Largest move in either direction, in pixels.
        share: Probability that an image is moved; the others get 0 and 0.
        count: Images in the batch.
        generator: Where the draws come from.
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
