"""Fuse infrared and visible images, day and night.

>>> import piafusion as pf  # loads neither NumPy nor onnxruntime
>>> pf.Fuser
<class 'piafusion.fuser.Fuser'>
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from piafusion import errors
    from piafusion.fuser import Fused, Fuser
    from piafusion.illumination import Illumination
    from piafusion.imaging.align import Alignment, estimate_alignment, read_alignment
    from piafusion.imaging.formats import register_reader
    from piafusion.imaging.io import read_image, read_infrared, read_pair, write_image
    from piafusion.methods import list_methods, register_method
    from piafusion.metrics import evaluate
    from piafusion.weights import list_models

__version__ = "0.1.0"
__all__ = [
    "Alignment",
    "Fused",
    "Fuser",
    "Illumination",
    "__version__",
    "errors",
    "estimate_alignment",
    "evaluate",
    "list_methods",
    "list_models",
    "read_alignment",
    "read_image",
    "read_infrared",
    "read_pair",
    "register_method",
    "register_reader",
    "write_image",
]

# ONNX Runtime reads this when it is loaded; it would write down how it is used, and send that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Alignment": "imaging.align",
    "Fused": "fuser",
    "Fuser": "fuser",
    "Illumination": "illumination",
    "estimate_alignment": "imaging.align",
    "evaluate": "metrics",
    "list_methods": "methods",
    "list_models": "weights",
    "read_alignment": "imaging.align",
    "read_image": "imaging.io",
    "read_infrared": "imaging.io",
    "read_pair": "imaging.io",
    "register_method": "methods",
    "register_reader": "imaging.formats",
    "write_image": "imaging.io",
}
"""The module that each public name comes from; it is imported when the name is first used."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute can be anything
    """Import a public name when it is first used."""
    from importlib import import_module

    if name == "errors":
        return import_module("piafusion.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"piafusion.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
