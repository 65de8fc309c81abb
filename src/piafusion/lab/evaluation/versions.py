"""The versions that decide results: a journal of other versions is not used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import piafusion

RESULTS = 1
"""Raise this number in a change after which fused pictures, scores or measures come out different
for the same input. Results that were recorded before are then computed again."""


def versions(*packages: str) -> dict[str, Any]:
    """Return the versions of this package, of its results, and of other packages.

    Args:
        packages: Other packages that compute, by the names they are imported by.
    """
    computing = {package: import_module(package).__version__ for package in packages}
    return {"piafusion": piafusion.__version__, "results": RESULTS, **computing}
