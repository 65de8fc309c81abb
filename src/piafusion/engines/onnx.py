"""The default engine: ONNX Runtime, which needs no torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from piafusion.errors import DeviceError, WeightsError

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
    """A network in the ONNX format, for any image size."""

    def __init__(self, weights: bytes, device: str = "auto") -> None:
        """Load a network.

        Args:
            weights: An ONNX file.
            device: "auto", "cpu" or "cuda".

        Raises:
            WeightsError: If the bytes are no ONNX network.
            DeviceError: If the installed ONNX Runtime cannot use the device.
        """
        available = onnxruntime.get_available_providers()
        if device == "auto":
            device = "cuda" if _PROVIDERS["cuda"] in available else "cpu"
        if _PROVIDERS[device] not in available:
            raise DeviceError(
                f"expected ONNX Runtime with {_PROVIDERS[device]}, found {', '.join(available)}; "
                "install onnxruntime-gpu in place of onnxruntime, or use the device cpu"
            )
        self.device = device
        try:
            self._session = onnxruntime.InferenceSession(weights, providers=[_PROVIDERS[device]])
        except Exception as error:  # onnxruntime's own classes share no public base
            raise WeightsError(
                f"expected an ONNX network, found {str(error).splitlines()[0]}; export it again"
            ) from error
        self._inputs = [node.name for node in self._session.get_inputs()]

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on float32 arrays, N x C x H x W each."""
        feeds = dict(zip(self._inputs, inputs, strict=True))
        return np.asarray(self._session.run(None, feeds)[0])
