"""Exposures that the training pairs do not show: other cameras, other gains, other weather.

A network that has only seen one thermal camera's dark backgrounds draws halos where another
one's are bright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
