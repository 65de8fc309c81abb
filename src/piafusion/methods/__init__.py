"""Comparison methods behind one registry, one file each.

All of them fuse infrared with the luminance of the visible picture; `Fuser(method=NAME)` does for
them what it does for the models: range, chroma, dtype.

>>> import numpy as np
>>> from piafusion import Fuser
>>> METHODS["average"].title
'Average'
>>> Fuser(method="average")(np.full((8, 8), 100, np.uint8), np.zeros((8, 8), np.uint8))[0, 0]
np.uint8(50)
"""

from __future__ import annotations

from importlib.util import find_spec

from piafusion.engines import Engine
from piafusion.engines.cores import usable_cores
from piafusion.errors import MissingExtraError, UsageError
from piafusion.methods import average, gtf, guided, laplacian, maximum, mdlatlrr, wavelet
from piafusion.methods._spec import WEIGHTS, MethodSpec, RuleEngine
from piafusion.methods.learned import LEARNED

__all__ = ["METHODS", "WEIGHTS", "MethodSpec", "check_needs", "create_method", "find_method"]

METHODS: dict[str, MethodSpec] = {
    spec.name: spec
    for spec in (
        average.SPEC,
        maximum.SPEC,
        laplacian.SPEC,
        wavelet.SPEC,
        guided.SPEC,
        gtf.SPEC,
        mdlatlrr.SPEC,
        *LEARNED,
    )
}


def find_method(name: str) -> MethodSpec:
    """Return a method of the registry.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in METHODS:
        raise UsageError(f"expected a method of {', '.join(METHODS)}, found {name!r}")
    return METHODS[name]


def create_method(name: str, *, device: str = "auto", threads: int | None = None) -> Engine:
    """Get a method ready.

    Args:
        name: One of `METHODS`.
        device: "auto" or "cpu"; the methods run on the processor.
        threads: Of the processor; one for each usable core by default.

    Raises:
        UsageError: If the method is unknown, or cannot use the device or number of threads.
        MissingExtraError: If a package that it needs is not installed.
        WeightsError: If what it has learned is missing or damaged.
    """
    spec = find_method(name)
    check_needs(spec)
    if device not in ("auto", "cpu"):
        raise UsageError(f"expected auto or cpu for the method {name!r}, found {device!r}")
    if threads is not None and threads < 1:
        raise UsageError(f"expected at least 1 thread, found {threads}")
    threads = threads or usable_cores()
    return RuleEngine(spec.create(threads), threads)


def check_needs(spec: MethodSpec) -> None:
    """Raise `MissingExtraError`, naming the pip command, unless all that it needs is installed."""
    for package in spec.packages:
        if not _is_installed(package):
            raise MissingExtraError(
                f"expected {package} for the method {spec.name!r}, found it not installed; "
                f"run: pip install 'piafusion[{spec.needs}]'"
            )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
