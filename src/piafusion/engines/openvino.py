"""The OpenVINO engine: Intel's runtime, often the fastest on a processor that has no GPU."""

from __future__ import annotations

import os
import sys
import threading
from functools import cache, cached_property
from types import ModuleType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from piafusion.engines import FileEngine, Size, SizeCache, memory_errors
from piafusion.errors import WeightsError, needing
from piafusion.machine import usable_cores
from piafusion.reach import SHARE, Reach, context_side

# OpenVINO tells Google that it was loaded, and leaves a number for the user at home, by a package
# that comes with it; without that one it tells nobody. A program that has loaded it keeps it.
sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))

with needing("openvino", "the device 'openvino'"):
    import openvino


class OpenVinoEngine(FileEngine):
    """A network in the ONNX format on the processor, for any image size; threads may share it.

    A network compiled for one size is a quarter faster than one for all sizes. It is compiled for
    the first size, and for others that come twice in a row; all else is run by the latter.
    """

    device = "openvino"

    def __init__(
        self, weights: bytes, threads: int | None = None, precision: str = "float"
    ) -> None:
        """Load a network.

        There is a thread for each usable core by default. The precision is "float", "bf16", or
        "int8" for weights in it; what these leave to floats is computed in bf16 where that can be.

        Raises:
            WeightsError: If the bytes are no ONNX network.
        """
        self.threads, self.precision = threads or usable_cores(), precision
        self._weights = weights
        self._lock = threading.Lock()  # a request serves one thread at a time
        try:
            model = self._read()
        except RuntimeError as error:
            raise WeightsError(
                "expected an ONNX network, found data that OpenVINO cannot read; export it again"
            ) from error
        self._sized = SizeCache(build=self._compile, first=True)
        self._metadata = _metadata(model)
        self.reach = Reach.from_metadata(self._metadata)
        self.context_side = context_side(self._metadata)
        shares = (node.shape for node in model.inputs if node.any_name == SHARE)
        self._own_share = next((np.full(shape, -1, np.float32) for shape in shares), None)

    @memory_errors()
    def run(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on float32 arrays, N x C x H x W each; the share may be left out."""
        if self._own_share is not None and len(inputs) == 2:
            inputs += (self._own_share,)
        with self._lock:
            request = self._sized.get(tuple(image.shape for image in inputs))
            if request is None:  # it reads its last inputs again when the size changes: give copies
                return np.asarray(self._any_size.infer(list(inputs), share_inputs=False)[0])
            result = np.empty(request.get_output_tensor().shape, np.float32)
            request.set_output_tensor(openvino.Tensor(result, shared_memory=True))
            # `infer` does the same in more time. OpenVINO takes only arrays that are contiguous and
            # can be written, and does not own them: copies have to live until it has run.
            images = [np.require(image, requirements=("C", "W")) for image in inputs]
            for index, image in enumerate(images):
                request.set_input_tensor(index, openvino.Tensor(image, shared_memory=True))
            request.start_async()
            request.wait()
            return result

    def _open(self, weights: bytes, *, in_float: bool = False) -> OpenVinoEngine:
        in_bf16 = self._in_bf16 and not in_float
        return OpenVinoEngine(weights, self.threads, "bf16" if in_bf16 else "float")

    @property
    def _in_bf16(self) -> bool:
        return self.precision == "bf16" or (self.precision == "int8" and has_bf16())

    @cached_property
    def _any_size(self) -> openvino.InferRequest:
        return self._compile()

    def _read(self) -> openvino.Model:
        """Read the network; make its share, which OpenVINO takes for a constant, an input."""
        model = _core().read_model(self._weights)
        for node in model.get_ops():
            if node.get_friendly_name() == SHARE:
                share = openvino.opset13.parameter(node.get_output_shape(0), np.float32)
                share.output(0).set_names({SHARE})
                node.output(0).replace(share.output(0))
                model.add_parameters([share])
        return model

    def _compile(self, size: Size | None = None) -> openvino.InferRequest:
        model = self._read()
        if size is not None:
            model.reshape(
                {node.any_name: shape for node, shape in zip(model.inputs, size, strict=True)}
            )
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self._in_bf16 else "f32",
        }
        return _core().compile_model(model, "CPU", settings).create_infer_request()


@cache
def _core() -> openvino.Core:
    return openvino.Core()


@cache
def has_bf16() -> bool:
    """Tell whether the processor computes in bf16 itself, and oneDNN may let it."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()  # OpenVINO does not look there
    allowed = any(name in limit for name in ("DEFAULT", "ALL", "BF16", "AMX"))
    return allowed and "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _metadata(model: openvino.Model) -> dict[str, str]:
    """Return the metadata of the ONNX file, where OpenVINO keeps it."""
    return model.get_rt_info("framework").value if model.has_rt_info("framework") else {}
