"""Labels as colours, and scenes side by side with what networks made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from piafusion.lab.segmentation.confusion import IGNORED

COLOURS = np.array([(40, 40, 40), (90, 140, 255), (255, 80, 60), (90, 220, 90)], np.uint8)
"""Of background, vehicle, person and bicycle, RGB."""
_IGNORED = (200, 200, 200)


def coloured(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return labels as RGB, H x W x 3; grey is what counts nowhere."""
    table = np.full((256, 3), 0, np.uint8)
    table[: len(COLOURS)] = COLOURS
    table[IGNORED] = _IGNORED
    return table[labels]


def laid_over(picture: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, H x W x 3, with its classes in colour over it; background stays."""
    shown = (labels > 0)[..., None]
    mixed = 0.35 * picture + 0.65 * coloured(labels)
    return np.where(shown, np.rint(mixed), picture).astype(np.uint8)


def choose(stems: Sequence[str], lights: Mapping[str, str], count: int) -> list[str]:
    """Return `count` scenes, evenly spread, of each light as many if lights are known."""
    from piafusion.lab.evaluation.sets import spread

    if not lights:
        return spread(stems, count)
    kinds = sorted(set(lights.values()))
    of = {kind: [stem for stem in stems if lights[stem] == kind] for kind in kinds}
    shares = [count // len(kinds) + (i < count % len(kinds)) for i in range(len(kinds))]
    each = (spread(of[kind], n) for kind, n in zip(kinds, shares, strict=True) if n)
    return [stem for stems in each for stem in stems]
