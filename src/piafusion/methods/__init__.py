"""Comparison methods behind one registry, one file each.

All of them fuse infrared with the luminance of the visible picture; `Fuser(method=NAME)` treats
range, chroma and dtype as for the models.

>>> import numpy as np
>>> from piafusion import Fuser
>>> list_methods()["average"].title
'Average'
>>> Fuser(method="average")(np.full((8, 8), 100, np.uint8), np.zeros((8, 8), np.uint8))[0, 0]
np.uint8(50)
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec

from piafusion.engines import Engine
from piafusion.errors import MissingExtraError, UsageError
from piafusion.machine import usable_cores
from piafusion.methods import baselines, gtf, guided, laplacian, mdlatlrr, wavelet
from piafusion.methods._spec import WEIGHTS, MethodSpec, Rule, RuleEngine
from piafusion.methods.learned import LEARNED
from piafusion.plugins import load_plugins

__all__ = [
    "BUILT_IN",
    "PLUGINS",
    "WEIGHTS",
    "MethodSpec",
    "check_needs",
    "create_method",
    "find_method",
    "list_methods",
    "register_method",
]

PLUGINS = "piafusion.methods"
"""The entry point group in which other packages offer methods."""

_METHODS: dict[str, MethodSpec] = {
    spec.name: spec
    for spec in (
        baselines.AVERAGE,
        baselines.MAXIMUM,
        baselines.VISIBLE,
        laplacian.SPEC,
        wavelet.SPEC,
        guided.SPEC,
        gtf.SPEC,
        mdlatlrr.SPEC,
        *LEARNED,
    )
}

BUILT_IN = frozenset(_METHODS)
"""Names of the methods of this package; plug-ins and registered methods come later."""


def list_methods() -> dict[str, MethodSpec]:
    """Return all methods by name: built in, registered, and of installed plug-ins.

    Raises:
        UsageError: If a plug-in cannot be loaded.
    """
    _load_plugins()
    return dict(_METHODS)


def find_method(name: str) -> MethodSpec:
    """Return a method of the registry.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in _METHODS:
        _load_plugins()
    if name not in _METHODS:
        raise UsageError(f"expected a method of {', '.join(_METHODS)}, found {name!r}")
    return _METHODS[name]


def register_method(name: str, method: Rule | MethodSpec, *, title: str = "") -> None:
    """Add a method to the registry of this process, so that `Fuser(method=name)` finds it.

    A package that is installed registers its methods for every process and for the command line
    by an entry point in the group `piafusion.methods`: the name, and the function or `MethodSpec`.

    Args:
        name: The name it is chosen by.
        method: A function that takes infrared and luminance, float32 H x W in [0, 1] each, and
            returns the fused luminance, H x W; or a `MethodSpec`, which describes it further.
        title: Its title in tables; the name by default.

    Raises:
        UsageError: If another method has the name, or `method` is neither of the two.
    """
    if name in _METHODS:
        raise UsageError(f"expected a new name for a method, found {name!r}, which is taken")
    if isinstance(method, MethodSpec):
        _METHODS[name] = replace(method, name=name)
        return
    if not callable(method):
        raise UsageError(
            f"{name}: expected a function of infrared and luminance, found "
            f"{type(method).__name__}; see piafusion.register_method"
        )
    rule = method
    _METHODS[name] = MethodSpec(
        name=name, create=lambda threads: rule, title=title or name, paper="", kind="plug-in"
    )


@cache
def _load_plugins() -> None:
    """Register the methods that installed packages offer."""
    for name, method in load_plugins(PLUGINS, "a method"):
        register_method(name, method)


def create_method(
    name: str, *, device: str = "auto", threads: int | None = None, precision: str = "auto"
) -> Engine:
    """Get a method ready.

    The device is "auto" or "cpu", the precision "auto" or "float"; there is a thread for each
    usable core by default.

    Raises:
        UsageError: If the method is unknown, or cannot use the device, precision or number of
            threads.
        MissingExtraError: If a package that it needs is not installed.
        WeightsError: If its weights are missing or damaged.
    """
    spec = find_method(name)
    check_needs(spec)
    if device not in ("auto", "cpu"):
        raise UsageError(f"expected auto or cpu for the method {name!r}, found {device!r}")
    if precision not in ("auto", "float"):
        raise UsageError(f"expected auto or float for the method {name!r}, found {precision!r}")
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
