"""False-colour palettes: 256 colours from cold to hot.

The tables are made here, from control points of our own or from polynomials. No two levels have
the same colour, but for four pairs of neighbours in inferno and cividis, so that a picture in a
palette can be turned back into grey levels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError

Table = NDArray[np.uint8]

# Place from 0, cold, to 1, hot: red, green, blue.
_POINTS: dict[str, tuple[tuple[float, int, int, int], ...]] = {
    "white-hot": ((0, 0, 0, 0), (1, 255, 255, 255)),
    "black-hot": ((0, 255, 255, 255), (1, 0, 0, 0)),
    "ironbow": (
        (0, 0, 0, 20),
        (0.1, 30, 0, 110),
        (0.25, 110, 0, 155),
        (0.4, 185, 25, 140),
        (0.5, 225, 70, 75),
        (0.6, 240, 110, 20),
        (0.75, 255, 165, 0),
        (0.9, 255, 225, 60),
        (1, 255, 255, 245),
    ),
    "ironred": (  # as drones have it: dark, and not up to white
        (0, 15, 15, 45),
        (0.11, 42, 15, 96),
        (0.27, 116, 15, 132),
        (0.34, 147, 15, 146),
        (0.5, 205, 43, 81),
        (0.72, 235, 131, 12),
        (0.87, 233, 208, 12),
        (1, 235, 235, 70),
    ),
    "lava": (
        (0, 0, 0, 0),
        (0.15, 10, 55, 85),
        (0.3, 105, 20, 110),
        (0.5, 205, 40, 40),
        (0.7, 245, 130, 20),
        (0.88, 255, 210, 60),
        (1, 255, 255, 255),
    ),
    "arctic": (
        (0, 5, 5, 45),
        (0.2, 15, 40, 150),
        (0.4, 40, 120, 215),
        (0.55, 130, 170, 205),
        (0.7, 195, 185, 165),
        (0.85, 245, 200, 80),
        (1, 255, 245, 205),
    ),
    "rainbow": (
        (0, 0, 0, 90),
        (0.15, 0, 0, 255),
        (0.35, 0, 230, 255),
        (0.5, 0, 220, 60),
        (0.65, 230, 255, 0),
        (0.8, 255, 150, 0),
        (0.92, 255, 0, 0),
        (1, 140, 0, 0),
    ),
    "rainbow-hc": (
        (0, 10, 0, 20),
        (0.1, 200, 0, 200),
        (0.23, 20, 0, 200),
        (0.37, 0, 220, 230),
        (0.48, 0, 100, 20),
        (0.62, 225, 225, 0),
        (0.74, 140, 0, 0),
        (0.84, 235, 40, 40),
        (1, 255, 255, 255),
    ),
}
# Coefficients, from the constant on, of red, green and blue: fits of our own to the perceptual
# maps of these names, 1.9 and 0.9 levels off on average, 11 and 10 at most (in the blue).
_POLYNOMIALS: dict[str, tuple[tuple[float, ...], ...]] = {
    "inferno": (
        (0.1, 27.0, 2962.4, -10635.9, 19675.2, -18178.4, 6398.6),
        (0.4, 144.4, -1006.7, 4451.7, -8521.0, 8301.2, -3116.6),
        (-9.5, 1050.1, -4145.6, 11384.5, -20974.8, 18765.0, -5894.5),
    ),
    "cividis": (
        (-2.3, -98.1, 3934.4, -15039.1, 26104.5, -21212.7, 6572.9),
        (34.9, 163.1, 98.3, -358.1, 663.2, -545.9, 175.5),
        (75.0, 760.6, -5702.8, 19090.2, -30932.3, 23963.4, -7206.9),
    ),
}
NAMES = (*_POINTS, *_POLYNOMIALS)
"""The palettes that there are."""


@lru_cache(maxsize=len(NAMES))
def palette(name: str) -> Table:
    """Return the colours of a palette: 256 x 3 RGB uint8, cold first, read-only.

    Raises:
        UsageError: If there is none of that name.
    """
    place = np.linspace(0, 1, 256)
    if name in _POINTS:
        points = np.array(_POINTS[name])
        colours = np.stack([np.interp(place, points[:, 0], each) for each in points.T[1:]], axis=1)
    elif name in _POLYNOMIALS:
        powers = place[:, None] ** np.arange(7)
        colours = powers @ np.array(_POLYNOMIALS[name]).T
    else:
        raise UsageError(f"expected a palette of auto, {', '.join(NAMES)}, found {name!r}")
    table: Table = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def check_name(name: str) -> str:
    """Return the name of a palette, or "auto"; raise `UsageError` if there is none of it."""
    if name != "auto":
        palette(name)
    return name
