"""The description of a metric, and the three grey pictures that every metric works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, SizeMismatchError
from piafusion.imaging.arrays import as_visible, full_scale
from piafusion.imaging.colour import luminance

if TYPE_CHECKING:
    from piafusion.metrics.natural import Box

FUSED: tuple[str, ...] = ("fused",)
ALL: tuple[str, ...] = ("infrared", "visible", "fused")

Grey = NDArray[np.floating[Any]]
"""A grey picture, ``H x W``, on the 0..255 scale.

In float64, or, if all its levels are whole, in float32, which holds them exactly and is quicker.
"""

Double = NDArray[np.float64]
Single = NDArray[np.float32]

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Greys:
    """A source pair and its fused picture, each ``H x W`` float64, on the 0..255 scale.

    All three have the same size and finite values; `read_greys` checks it. A result that several
    metrics need is computed once and kept.

    Attributes:
        infrared: The infrared picture.
        visible: The visible picture.
        fused: The fused picture.
        colours: The fused and the visible picture as they were given, H x W x 3 RGB; None if one
            of them is grey.
        boxes: Boxes of the pair.
    """

    infrared: Grey
    visible: Grey
    fused: Grey
    colours: tuple[NDArray[Any], NDArray[Any]] | None = None
    boxes: Sequence[Box] = ()
    _results: dict[Callable[[Greys], Any], Any] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def sources(self) -> tuple[Grey, Grey]:
        """The two pictures that were fused."""
        return self.infrared, self.visible

    @property
    def planes(self) -> tuple[Grey, Grey, Grey]:
        """Infrared, visible and fused."""
        return self.infrared, self.visible, self.fused

    @cached_property
    def levels(self) -> tuple[NDArray[np.uint8], ...]:
        """Nearest grey levels of the three planes; halves go up."""
        return tuple(
            plane.astype(np.uint8) if plane.dtype == np.float32 else (plane + 0.5).astype(np.uint8)
            for plane in self.planes
        )

    @cached_property
    def doubles(self) -> tuple[Double, ...]:
        """The three planes in float64."""
        return tuple(plane.astype(np.float64, copy=False) for plane in self.planes)

    @cached_property
    def singles(self) -> tuple[Single, ...]:
        """The three planes in float32, for formulas that do not subtract large numbers."""
        return tuple(plane.astype(np.float32, copy=False) for plane in self.planes)

    def once(self, function: Callable[[Greys], Result]) -> Result:
        """Return ``function(self)``, computed when first asked for."""
        if function not in self._results:
            self._results[function] = function(self)
        return cast(Result, self._results[function])


@dataclass(frozen=True)
class Arithmetic:
    """A metric in one convention.

    Attributes:
        function: Computes the value from three grey pictures.
        range: Smallest and largest value that the definition allows, in `unit`.
        unit: Unit of the value, or an empty string for a pure number.
    """

    function: Callable[[Greys], float]
    range: tuple[float, float]
    unit: str = ""


@dataclass(frozen=True)
class MetricSpec:
    """One fusion metric: how to compute it and how to read its value.

    Attributes:
        name: The name that `evaluate` takes and that tables show.
        direction: The better direction, ``"higher"`` or ``"lower"``.
        inputs: The pictures that the value depends on.
        reference: The paper that defined the metric.
        float: The metric in the float convention.
        uint8: The metric in the uint8 convention, where its arithmetic or its unit differs;
            None where both conventions are the same on whole grey levels.
        minimum_size: Least height and least width, in pixels, on which it is defined.
        needs: Property that a picture must have beside its size, or it has no value: NaN.
    """

    name: str
    direction: Literal["higher", "lower"]
    inputs: tuple[str, ...]
    reference: str
    float: Arithmetic
    uint8: Arithmetic | None = None
    minimum_size: int = 1
    needs: str = ""

    def arithmetic(self, convention: str) -> Arithmetic:
        """Return the metric in the convention ``"float"`` or ``"uint8"``."""
        return self.uint8 if convention == "uint8" and self.uint8 else self.float


def read_greys(
    infrared: NDArray[Any],
    visible: NDArray[Any],
    fused: NDArray[Any],
    *,
    whole_levels: bool = False,
    boxes: Sequence[Box] = (),
) -> Greys:
    """Check three pictures and bring them to the 0..255 grey scale.

    Args:
        infrared: ``H x W`` or ``H x W x 3`` RGB; uint8, uint16, or floating in [0, 1].
        visible: The same height and width; dtype and colour may differ.
        fused: The same height and width; dtype and colour may differ.
        whole_levels: Round every picture to whole grey levels, halves up.
        boxes: Boxes of the pair.

    Returns:
        The three pictures as grey on the 0..255 scale. The luminance of uint8 colour is
        rounded to whole grey levels, like the grey files that published figures were made from;
        uint16 and floats stay as fine as they are unless `whole_levels` is set.

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
    if whole_levels:
        greys = {name: np.floor(grey + 0.5).astype(np.float32) for name, grey in greys.items()}
    in_colour = fused.shape[2:] == visible.shape[2:] == (3,)
    return Greys(**greys, colours=(fused, visible) if in_colour else None, boxes=boxes)


def _to_grey(image: NDArray[Any], name: str) -> Grey:
    try:
        checked = as_visible(image)
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error
    if checked.dtype == np.uint8:
        return _whole_luminance(checked) if checked.ndim == 3 else checked.astype(np.float32)
    grey = np.asarray(luminance(checked.astype(np.float64)), dtype=np.float64)
    return np.asarray(grey * (255.0 / full_scale(checked.dtype)), dtype=np.float64)


def _whole_luminance(image: NDArray[np.uint8]) -> Single:
    """Nearest level to 0.299 R + 0.587 G + 0.114 B, halves up.

    In thousandths of a level the sum is a whole number below 2^24, which float32 holds exactly.
    """
    weights = np.array([[299.0, 587.0, 114.0]], dtype=np.float32)
    thousandths = np.asarray(cv2.transform(image.astype(np.float32), weights), dtype=np.float32)
    thousandths += 500.0
    thousandths /= 1000.0
    return np.floor(thousandths, out=thousandths)
