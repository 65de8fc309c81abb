"""Fuse infrared and visible images, day and night.

>>> import piafusion  # loads neither torch nor onnxruntime
>>> piafusion.Fuser
<class 'piafusion.fuser.Fuser'>
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from piafusion.fuser import Fuser
    from piafusion.illumination import Illumination

__version__ = "0.1.0"
__all__ = ["Fuser", "Illumination", "__version__"]

_HOMES = {"Fuser": "piafusion.fuser", "Illumination": "piafusion.illumination"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute can be anything
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
