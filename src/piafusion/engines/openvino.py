"""The OpenVINO engine: Intel's runtime, often the fastest on a processor that has no GPU."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from piafusion.engines.cores import usable_cores
from piafusion.engines.sizes import Size, SizeCache
from piafusion.errors import MissingExtraError, WeightsError

try:
    import openvino
except ImportError as error:
    raise MissingExtraError(
        "expected openvino for the device 'openvino', found it not installed; "
        "run: pip install 'piafusion[openvino]'"
    ) from error


class OpenVinoEngine:
    """A network in the ONNX format on the processor, for any image size; threads may share it.

    A network compiled for one size is a quarter faster than one that takes all sizes. So the
    latter runs a size that comes once, and a size that comes again gets its own.
    """

    device = "openvino"

    def __init__(self, weights: bytes, threads: int | None = None) -> None:
        """Load a network.

        Args:
            weights: An ONNX file.
            threads: One for each usable core by default.

        Raises:
            WeightsError: If the bytes are no ONNX network.
        """
        self.threads = threads or usable_cores()
        self._core = openvino.Core()
        self._weights = weights
        self._lock = threading.Lock()  # a request serves one thread at a time
        try:
            self._any_size = self._compile()
        except RuntimeError as error:
            raise WeightsError(
                "expected an ONNX network, found data that OpenVINO cannot read; export it again"
            ) from error
        self._sized = SizeCache(build=self._compile)

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on float32 arrays, N x C x H x W each."""
        with self._lock:
            request = self._sized.get(tuple(image.shape for image in inputs)) or self._any_size
            # Inputs are copied: a request that refers to the last one's memory reads it when the
            # size changes, though it may be gone.
            return np.asarray(request.infer(list(inputs), share_inputs=False)[0])

    def _compile(self, size: Size | None = None) -> openvino.InferRequest:
        model = self._core.read_model(self._weights)
        if size is not None:
            model.reshape(
                {node.any_name: shape for node, shape in zip(model.inputs, size, strict=True)}
            )
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32",  # where it can, it takes bfloat16 otherwise
        }
        return self._core.compile_model(model, "CPU", settings).create_infer_request()
