"""How far a network looks, which is what tiles of a picture need to know of it.

An ONNX file keeps it in its metadata: the numbers, and the layers before the gate as an ONNX file
in base64. The network itself has, after the pictures, an input `share` for what the gate found
over all tiles; it may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

SHARE = "share"
ENCODER = "encoder"


@dataclass(frozen=True)
class Reach:
    """What a fused pixel depends on, apart from the gate, which sees the whole picture.

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
        """Return what `metadata` wrote into an ONNX file, None if there is nothing of it."""
        try:
            return cls(int(metadata["stride"]), int(metadata["margin"]), float(metadata["width"]))
        except KeyError:
            return None

    def metadata(self) -> dict[str, str]:
        """Return the values as an ONNX file keeps them."""
        return {key: str(value) for key, value in asdict(self).items()}
