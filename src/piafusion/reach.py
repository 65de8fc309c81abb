"""The distance that a network looks, which decides the margins of tiles.

An ONNX file keeps it in its metadata: the numbers, and the layers before the gate as an ONNX file
in base64. The network that judges the whole picture, if there is one, is kept in the same way.
After the two pictures the network has an optional input `share`: the value that the gate found over
all tiles.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from piafusion.errors import WeightsError
from piafusion.files import reading

SHARE = "share"
ENCODER = "encoder"
CONTEXT = "context"
CONTEXT_SIDE = "context_side"
_MOST = 2**16  # pixels, or values: no network of ours comes near


@dataclass(frozen=True)
class Reach:
    """The pixels that a fused pixel depends on, apart from the gate, which sees all of them.

    Attributes:
        stride: Side of the blocks, in pixels, that the network cuts its input into from the top
            left corner; its features at the gate have one value for each block.
        margin: Pixels around a block that its features and its fused pixels depend on; a
            multiple of the stride.
        width: Values for each pixel of the picture in the widest layer, which the memory that
            the network needs grows with.
    """

    stride: int
    margin: int
    width: float

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Reach | None:
        """Return the reach that `metadata` wrote into an ONNX file, or None.

        Raises:
            WeightsError: If the numbers are damaged.
        """
        if not {"stride", "margin", "width"} <= metadata.keys():
            return None
        with reading("metadata", "an ONNX network of piafusion", "export it again", WeightsError):
            reach = cls(int(metadata["stride"]), int(metadata["margin"]), float(metadata["width"]))
            if not (1 <= reach.stride <= _MOST and 0 <= reach.margin <= _MOST):
                raise ValueError(f"the stride {reach.stride} and the margin {reach.margin}")
            if not 0 < reach.width <= _MOST or reach.margin % reach.stride:
                raise ValueError(f"the margin {reach.margin} and the width {reach.width}")
        return reach

    def metadata(self) -> dict[str, str]:
        """Return the values as an ONNX file keeps them."""
        return {key: str(value) for key, value in asdict(self).items()}


def context_side(metadata: Mapping[str, str]) -> int | None:
    """Return the longest side of the picture that the context network sees, None without one.

    Raises:
        WeightsError: If the number is damaged.
    """
    if CONTEXT_SIDE not in metadata:
        return None
    with reading("metadata", "an ONNX network of piafusion", "export it again", WeightsError):
        side = int(metadata[CONTEXT_SIDE])
        if not 1 <= side <= _MOST:
            raise ValueError(f"the side {side}")
    return side


def inner_network(metadata: Mapping[str, str], name: str) -> bytes:
    """Return a network that lies in the metadata of another one, as an ONNX file.

    Args:
        metadata: The metadata of the outer file.
        name: `ENCODER`, the layers before the gate, or `CONTEXT`.

    Raises:
        WeightsError: If it is missing or damaged.
    """
    with reading("metadata", f"the {name} of an ONNX network", "export it again", WeightsError):
        return b64decode(metadata[name], validate=True)
