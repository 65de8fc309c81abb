"""The torch engine: for those who train, and the reference that the ONNX files must match."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import DeviceError, MissingExtraError

try:
    import torch

    from piafusion.models import load
except ImportError as error:
    raise MissingExtraError(
        "expected torch and safetensors for the engine 'torch', found them not installed; "
        "run: pip install 'piafusion[train]'"
    ) from error


class TorchEngine:
    """A network as a torch module, in evaluation mode."""

    def __init__(self, weights: bytes, device: str = "auto") -> None:
        """Load a network.

        Args:
            weights: A safetensors file that names its network.
            device: "auto", "cpu" or "cuda".

        Raises:
            WeightsError: If the bytes are no weights of a known network.
            DeviceError: If torch cannot use the device.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise DeviceError("expected a CUDA device for torch, found none; use the device cpu")
        self.device = device
        self._network = load(weights).to(device).eval()

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on float32 arrays, N x C x H x W each."""
        with torch.inference_mode():
            tensors = [torch.from_numpy(image).to(self.device) for image in inputs]
            return np.asarray(self._network(*tensors).cpu().numpy())
