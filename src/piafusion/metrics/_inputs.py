"""From the caller's arrays to the three grey pictures that every metric works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, SizeMismatchError
from piafusion.imaging.arrays import as_visible, full_scale
from piafusion.imaging.colour import luminance

Grey = NDArray[np.float64]
"""A grey picture, ``H x W``, float64, on the 0..255 scale."""


@dataclass(frozen=True)
class Greys:
    """A source pair and its fused picture, each ``H x W``, float64, on the 0..255 scale.

    All three have the same size and hold finite values only; `read_greys` sees to it.
    """

    infrared: Grey
    visible: Grey
    fused: Grey

    @property
    def sources(self) -> tuple[Grey, Grey]:
        """The two pictures that were fused."""
        return self.infrared, self.visible


def read_greys(infrared: NDArray[Any], visible: NDArray[Any], fused: NDArray[Any]) -> Greys:
    """Check three pictures and bring them to the 0..255 grey scale.

    Args:
        infrared: ``H x W`` or ``H x W x 3`` RGB; uint8, uint16, or floating in [0, 1].
        visible: The same height and width; dtype and colour may differ.
        fused: The same height and width; dtype and colour may differ.

    Returns:
        The three pictures as float64 grey on the 0..255 scale. The luminance of uint8 colour is
        rounded to whole grey levels, as the grey files are that published figures were made of;
        uint16 and floats stay as fine as they are.

    Raises:
        SizeMismatchError: The three heights and widths are not the same.
        ImageError: A picture has a wrong type, dtype, shape, or value.
    """
    named = {"infrared": infrared, "visible": visible, "fused": fused}
    greys = {name: _to_grey(image, name) for name, image in named.items()}
    if len({grey.shape for grey in greys.values()}) > 1:
        found = ", ".join(f"{name} {g.shape[1]}x{g.shape[0]}" for name, g in greys.items())
        raise SizeMismatchError(
            f"expected three pictures of one size, found {found}; align and resize them first"
        )
    return Greys(**greys)


def round_to_levels(grey: Grey) -> NDArray[np.intp]:
    """Nearest grey levels 0..255 of an ``H x W`` picture on the 0..255 scale; halves go up."""
    return np.floor(grey + 0.5).astype(np.intp)


def _to_grey(image: NDArray[Any], name: str) -> Grey:
    try:
        checked = as_visible(image)
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error
    grey = np.asarray(luminance(checked.astype(np.float64)), dtype=np.float64)
    if checked.dtype == np.uint8:
        return np.floor(grey + 0.5)  # grey levels stay what they are
    return grey * (255.0 / full_scale(checked.dtype))
