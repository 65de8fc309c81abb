"""Exposures that the training pairs do not show: other cameras, other gains, other weather.

A network that has only seen one thermal camera's dark backgrounds draws halos where another
one's are bright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class ToneRange:
    """What `offset + gain * value ** gamma` is drawn from, uniformly; gamma by its logarithm."""

    log_gamma: tuple[float, float]
    gain: tuple[float, float]
    offset: tuple[float, float]


INFRARED = ToneRange(log_gamma=(-1.0, 0.3), gain=(0.7, 1.1), offset=(-0.05, 0.25))
VISIBLE = ToneRange(log_gamma=(-0.5, 0.5), gain=(0.6, 1.2), offset=(-0.05, 0.1))


def change_tone(
    images: Tensor, tones: ToneRange, share: float, generator: np.random.Generator
) -> Tensor:
    """Give some images of a batch another tone curve.

    Args:
        images: N x 1 x H x W in [0, 1].
        tones: What curves to draw from.
        share: Probability that an image is changed.
        generator: Where the draws come from.

    Returns:
        The batch, same shape, clipped to [0, 1].
    """
    count = len(images)
    gamma = np.exp(generator.uniform(*tones.log_gamma, count))
    gain = generator.uniform(*tones.gain, count)
    offset = generator.uniform(*tones.offset, count)
    unchanged = generator.random(count) >= share
    gamma[unchanged] = gain[unchanged] = 1
    offset[unchanged] = 0
    gamma_, gain_, offset_ = (
        images.new_tensor(values).view(-1, 1, 1, 1) for values in (gamma, gain, offset)
    )
    return (offset_ + gain_ * images**gamma_).clamp(0, 1)
