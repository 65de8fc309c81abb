"""The spine: an infrared and a visible image in, one fused image out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from piafusion.engines import create_engine
from piafusion.imaging.arrays import as_visible, check_minimum, check_same_size
from piafusion.imaging.colour import join_luminance, split_luminance
from piafusion.imaging.curve import ToneRange
from piafusion.imaging.io import read_pair, write_image
from piafusion.imaging.scratch import ScratchPool
from piafusion.imaging.tone import AnyTone, as_tone
from piafusion.weights import DEFAULT_MODEL

Image = NDArray[np.generic]

MIN_SIDE = 8  # pixels; the networks look at least that far


@dataclass(frozen=True)
class Fused:
    """What became of a pair.

    Attributes:
        image: With the shape and dtype of the visible picture.
        tone: The range of infrared values that was used.
    """

    image: Image
    tone: ToneRange


class Fuser:
    """Fuses aligned pairs with one model; make it once, call it for each pair, from any thread.

    >>> fuser = Fuser()
    >>> infrared = np.zeros((48, 64), np.uint8)
    >>> visible = np.full((48, 64, 3), 200, np.uint8)
    >>> fuser(infrared, visible).shape
    (48, 64, 3)
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        engine: str = "onnx",
        threads: int | None = None,
        tone: str | AnyTone = "full",
    ) -> None:
        """Load the weights of a model.

        Args:
            model: A shipped model (`piafusion models` lists them) or the path of an exported
                `.onnx` or `.safetensors` file.
            device: "auto" (CUDA where it works, else the processor), "cpu", "cuda", "tensorrt"
                or "openvino" (needs the `openvino` extra).
            engine: "onnx" (ONNX Runtime, or OpenVINO on that device) or "torch" (needs the
                `train` extra).
            threads: Of the processor; one for each usable core by default. Give 1 where
                several processes or threads fuse at the same time, one for each core.
            tone: How raw infrared values become [0, 1]: "full" (by the dtype), "percentile",
                "span:LOW,HIGH", "plateau" or "clahe" (see `piafusion.imaging.tone`), or an object
                of that module; `SmoothedTone` for the frames of a video.

        Raises:
            UsageError: If the model, device, engine or tone is unknown.
            WeightsError: If the weights are missing or corrupt.
            DeviceError: If the engine cannot use the device.
            MissingExtraError: If the engine is not installed.
        """
        self.model = model
        self.tone = as_tone(tone)
        self.engine = create_engine(
            model, kind="fusion", device=device, engine=engine, threads=threads
        )
        self._scratch = ScratchPool()

    def __call__(self, infrared: Image, visible: Image) -> Image:
        """Fuse one pair of the same height and width.

        Args:
            infrared: H x W, or H x W x 3 with three equal channels; uint8, uint16 or float, or
                whatever the tone takes.
            visible: H x W grey or H x W x 3 RGB; uint8, uint16 or float.
            The dtype decides the range: all of it for integers, [0, 1] for floats; for the
            infrared the tone does. At least 8 x 8 pixels.

        Returns:
            The fused image, with the shape and dtype of `visible` and its chroma.

        Raises:
            ImageError: If a shape, dtype or value cannot be used.
            SizeMismatchError: If the sizes differ.
        """
        return self.fuse(infrared, visible).image

    def fuse(self, infrared: Image, visible: Image) -> Fused:
        """Fuse one pair and tell what was done; arguments and errors are those of a call."""
        ir, vi = self.tone.check(infrared), as_visible(visible)  # 1. two pictures of one size
        check_same_size(ir, vi)
        check_minimum(vi, MIN_SIDE)
        with self._scratch.lend() as scratch:
            heat, tone = self.tone(ir, out=scratch("heat", ir.shape, np.float32))  # 2. to [0, 1]
            channels, y = split_luminance(vi, scratch)  # 3. the visible's luminance, in [0, 1]
            fused_y = self.engine(heat[None, None], y[None, None])[0, 0]  # 4. the network fuses
            fused = join_luminance(channels, y, fused_y, scratch)  # 5. join it with the chroma
        fused = fused.astype(visible.dtype, copy=False).reshape(visible.shape)  # 6. as it came
        return Fused(fused, tone)

    def fuse_files(
        self,
        infrared: Path | str,
        visible: Path | str,
        output: Path | str,
        *,
        overwrite: bool = False,
    ) -> Fused:
        """Read a pair, fuse it, write the result whole or not at all, and return it.

        Args:
            infrared: Grey PNG, TIFF, JPEG, BMP or WebP of 8 or 16 bits, any TIFF of integers or
                floats, or a radiometric FLIR JPEG (needs the `thermal` extra).
            visible: PNG, TIFF, JPEG, BMP or WebP of 8 or 16 bits or float TIFF; grey or colour.
            output: File to write; its suffix decides the format.
            overwrite: Replace an existing file.

        Raises:
            ImageError: If a file or the pair cannot be used; the message names the file.
            UsageError: If the output exists or its format is unknown.
            OutputError: If the result cannot be written.
            MissingExtraError: If a radiometric JPEG needs it.
        """
        ir, vi = read_pair(infrared, visible, check=self.tone.check)
        check_minimum(vi, MIN_SIDE, name=str(visible))
        fused = self.fuse(ir, vi)
        write_image(output, fused.image, overwrite=overwrite)
        return fused
