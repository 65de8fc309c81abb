"""The default engine: ONNX Runtime, which needs no torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from piafusion.engines import FileEngine, memory_errors
from piafusion.errors import DeviceError, WeightsError
from piafusion.machine import usable_cores
from piafusion.reach import Reach, context_side

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"
# Device -> what may run the network's nodes, the first choice first.
_PROVIDERS = {"cpu": (_CPU,), "cuda": (_CUDA, _CPU), "tensorrt": (_TENSORRT, _CUDA, _CPU)}


class OnnxEngine(FileEngine):
    """A network in the ONNX format, for any image size; threads may share it."""

    def __init__(
        self,
        weights: bytes,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "float",
    ) -> None:
        """Load a network.

        The device is "auto" (CUDA if it works, else the processor), "cpu", "cuda" or "tensorrt";
        there is a thread for each usable core by default. The precision is that of the weights:
        float or int8.

        Raises:
            WeightsError: If the bytes are no ONNX network.
            DeviceError: If the installed ONNX Runtime cannot use the device.
        """
        self.threads, self.precision = threads or usable_cores(), precision
        available = onnxruntime.get_available_providers()
        wanted = _PROVIDERS["cuda" if device == "auto" else device]
        if device != "auto" and wanted[0] not in available:
            raise DeviceError(_advice(device, available))
        providers = [provider for provider in wanted if provider in available]
        try:
            self._session = onnxruntime.InferenceSession(
                weights, session_options(self.threads), providers=providers
            )
        except Exception as error:  # onnxruntime's own classes share no public base
            raise WeightsError(
                f"expected an ONNX network, found {str(error).splitlines()[0]}; export it again"
            ) from error
        # A provider whose libraries are missing or that finds no card is dropped without an error.
        running = self._session.get_providers()
        if device != "auto" and wanted[0] not in running:
            raise DeviceError(_advice(device, running))
        self.device = device if device != "auto" else ("cuda" if _CUDA in running else "cpu")
        optional = self._session.get_overridable_initializers()  # the gate's share
        self._inputs = [node.name for node in (*self._session.get_inputs(), *optional)]
        self._metadata = self._session.get_modelmeta().custom_metadata_map
        self.reach = Reach.from_metadata(self._metadata)
        self.context_side = context_side(self._metadata)

    @memory_errors()
    def run(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on float32 arrays, N x C x H x W each; the share may be left out."""
        feeds = dict(zip(self._inputs, inputs, strict=False))
        return np.asarray(self._session.run(None, feeds)[0])

    def _open(self, weights: bytes, *, in_float: bool = False) -> OnnxEngine:
        return OnnxEngine(weights, self.device, self.threads)  # always in float


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return how a session runs on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # nothing: errors are raised, too; warnings do not matter
    options.enable_mem_pattern = False  # plans memory for each size anew; a quarter less without
    # Threads that wait in a loop start the next layer sooner; after the last layer they must leave
    # their cores to other work.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _advice(device: str, found: list[str]) -> str:
    more = " and TensorRT's libraries" if device == "tensorrt" else ""
    return (
        f"expected ONNX Runtime with {_PROVIDERS[device][0]} at work, found {', '.join(found)}; "
        f"install onnxruntime-gpu in place of onnxruntime{more}, or use the device cpu"
    )
