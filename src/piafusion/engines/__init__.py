"""Who runs a network: ONNX Runtime by default, torch where it is installed."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.weights import Kind, read_weights

Tensor = NDArray[np.float32]

DEVICES = ("auto", "cpu", "cuda")


class Engine(Protocol):
    """A loaded network: float32 arrays N x C x H x W in, one float32 array out."""

    device: str

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the network."""
        ...


def create_engine(model: str, *, kind: Kind, device: str, engine: str) -> Engine:
    """Load a model's weights into an engine.

    Raises:
        UsageError: If the model, device or engine is unknown.
        WeightsError: If the weights are missing or corrupt.
        DeviceError: If the engine cannot use the device.
        MissingExtraError: If the engine is not installed.
    """
    if device not in DEVICES:
        raise UsageError(f"expected a device of {', '.join(DEVICES)}, found {device!r}")
    if engine == "onnx":
        from piafusion.engines.onnx import OnnxEngine

        return OnnxEngine(read_weights(model, "onnx", kind), device)
    if engine == "torch":
        from piafusion.engines.torch import TorchEngine

        return TorchEngine(read_weights(model, "safetensors", kind), device)
    raise UsageError(f"expected an engine of onnx, torch, found {engine!r}")
