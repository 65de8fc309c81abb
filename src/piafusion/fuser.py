"""The spine: an infrared and a visible image in, one fused image out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from piafusion.engines import create_engine
from piafusion.imaging.align import Alignment, read_alignment
from piafusion.imaging.arrays import (
    as_infrared,
    as_visible,
    check_minimum,
    check_same_size,
    to_unit,
)
from piafusion.imaging.colour import join_luminance, split_luminance
from piafusion.imaging.io import read_pair, write_image
from piafusion.imaging.scratch import ScratchPool
from piafusion.methods import create_method
from piafusion.weights import DEFAULT_MODEL

Image = NDArray[np.generic]

MIN_SIDE = 8  # pixels; the networks look at least that far


class Fuser:
    """Fuses pairs with one model; make it once, call it for each pair, from any thread.

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
        alignment: Alignment | Path | str | None = None,
        method: str | None = None,
    ) -> None:
        """Load the weights of a model, or get a comparison method ready.

        Args:
            model: A shipped model (`piafusion models` lists them) or the path of an exported
                `.onnx` or `.safetensors` file.
            device: "auto" (CUDA where it works, else the processor), "cpu", "cuda", "tensorrt"
                or "openvino" (needs the `openvino` extra).
            engine: "onnx" (ONNX Runtime, or OpenVINO on that device) or "torch" (needs the
                `train` extra).
            threads: Of the processor; one for each usable core by default. Give 1 where
                several processes or threads fuse at the same time, one for each core.
            alignment: What brings the infrared picture onto the visible one, or its file; the
                two may then have different sizes.
            method: A comparison method (`piafusion methods` lists them) in place of the model.

        Raises:
            UsageError: If the model, method, device or engine is unknown.
            WeightsError: If the weights are missing or corrupt.
            DeviceError: If the engine cannot use the device.
            MissingExtraError: If the engine is not installed.
            AlignmentError: If the file holds no alignment.
        """
        self.model = method or model
        self.engine = (
            create_method(method, device=device, threads=threads)
            if method
            else create_engine(model, kind="fusion", device=device, engine=engine, threads=threads)
        )
        if isinstance(alignment, (str, Path)):
            alignment = read_alignment(alignment)
        self.alignment = alignment
        self._scratch = ScratchPool()

    def __call__(self, infrared: Image, visible: Image) -> Image:
        """Fuse one pair of the same height and width, or of any that the alignment fits.

        Args:
            infrared: H x W, or H x W x 3 with three equal channels; uint8, uint16 or float.
            visible: H x W grey or H x W x 3 RGB; uint8, uint16 or float.
            The dtype decides the range: all of it for integers, [0, 1] for floats. At least
            8 x 8 pixels.

        Returns:
            The fused image, with the shape and dtype of `visible` and its chroma.

        Raises:
            ImageError: If a shape, dtype or value cannot be used.
            SizeMismatchError: If the sizes differ, or do not fit the alignment.
        """
        ir, vi = as_infrared(infrared), as_visible(visible)  # 1. two pictures
        if self.alignment is None:
            check_same_size(ir, vi)
        check_minimum(vi, MIN_SIDE)
        with self._scratch.lend() as scratch:
            heat = to_unit(ir, out=scratch("heat", ir.shape, np.float32))  # 2. to [0, 1]
            channels, y = split_luminance(vi, scratch)  # 3. the visible's luminance, in [0, 1]
            heat = self.alignment.warp_onto(heat, y) if self.alignment else heat  # 4. one grid
            fused_y = self.engine(heat[None, None], y[None, None])[0, 0]  # 5. the network fuses
            fused = join_luminance(channels, y, fused_y, scratch)  # 6. join it with the chroma
        return fused.astype(visible.dtype, copy=False).reshape(visible.shape)  # 7. as it came

    def fuse_files(
        self,
        infrared: Path | str,
        visible: Path | str,
        output: Path | str,
        *,
        overwrite: bool = False,
    ) -> Image:
        """Read a pair, fuse it, write the result whole or not at all, and return it.

        Args:
            infrared: Grey PNG, TIFF, JPEG, BMP or WebP of 8 or 16 bits, or float TIFF.
            visible: The same, grey or colour.
            output: File to write; its suffix decides the format.
            overwrite: Replace an existing file.

        Raises:
            ImageError: If a file or the pair cannot be used; the message names the file.
            UsageError: If the output exists or its format is unknown.
            OutputError: If the result cannot be written.
        """
        ir, vi = read_pair(infrared, visible, same_size=self.alignment is None)
        check_minimum(vi, MIN_SIDE, name=str(visible))
        fused = self(ir, vi)
        write_image(output, fused, overwrite=overwrite)
        return fused
