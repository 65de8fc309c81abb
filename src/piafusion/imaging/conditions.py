"""Conditions that turn a camera's counts into degrees, and can be set: emissivity and so on.

`piafusion fuse --radiometry emissivity=0.8` and the environment variable PIAFUSION_RADIOMETRY say
what takes the place of the values that the camera wrote into a file. Every reader looks there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from piafusion.errors import ImageError, UsageError

VARIABLE = "PIAFUSION_RADIOMETRY"
LIMITS = {
    "emissivity": (0.01, 1.0),
    "distance": (0.0, 10_000.0),
    "reflected": (-100.0, 3000.0),
    "air": (-100.0, 100.0),
    "humidity": (0.0, 1.0),
}
"""Emissivity of the object, its distance in metres, the temperature that it reflects and that of
the air in degrees Celsius, and the relative humidity, each with its limits."""


def parse_conditions(texts: Iterable[str]) -> dict[str, float]:
    """Return the values that texts such as `emissivity=0.8` name.

    Raises:
        UsageError: If a name is unknown, or a value no number within the limits.

    >>> parse_conditions(["emissivity=0.8", "air=-5"])
    {'emissivity': 0.8, 'air': -5.0}
    """
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in LIMITS:
            names = ", ".join(LIMITS)
            raise UsageError(f"expected NAME=VALUE with a name of {names}, found {text!r}")
        low, high = LIMITS[name]
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = float("nan")
        if not low <= found[name] <= high:
            raise UsageError(f"{name}: expected a number from {low:g} to {high:g}, found {value!r}")
    return found


def chosen() -> dict[str, float]:
    """Return the values that were set for this process."""
    return parse_conditions(filter(None, os.environ.get(VARIABLE, "").split(",")))


def check_used(used: Mapping[str, float]) -> None:
    """Raise `ImageError` if values were set, and a file has none that they could replace."""
    if not used and os.environ.get(VARIABLE):
        raise ImageError(
            "expected a file with the counts of a thermal camera for --radiometry, found none; "
            "leave it out"
        )
