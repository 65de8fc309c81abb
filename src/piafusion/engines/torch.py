"""The torch engine: used in training, and the reference that the ONNX files must match."""

from __future__ import annotations

import threading
from typing import cast

import numpy as np
from numpy.typing import NDArray

from piafusion.engines import FusesByRunning, Size, SizeCache, memory_errors
from piafusion.errors import DeviceError, needing
from piafusion.reach import Reach

with needing("train", "the engine 'torch'"):
    import torch
    from torch import Tensor, nn

    from piafusion.lab.models import load
    from piafusion.lab.models.blocks import GatedFusionNet
    from piafusion.lab.models.folding import fold
    from piafusion.lab.models.mixing import MixingFusionNet


class TorchEngine(FusesByRunning):
    """A network as a torch module, in evaluation mode; threads may share it.

    On the processor it computes in float32. On a GPU it computes in half precision with
    channels last, and a size that comes again is replayed as a CUDA graph: one launch instead
    of one for each layer.
    """

    def __init__(self, weights: bytes, device: str = "auto", threads: int | None = None) -> None:
        """Load a network.

        The device is "auto", "cpu" or "cuda"; torch has one number of threads for the whole
        process.

        Raises:
            WeightsError: If the bytes are no weights of a known network.
            DeviceError: If torch cannot use the device.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise DeviceError("expected a CUDA device for torch, found none; use the device cpu")
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = device
        self.precision = "float" if device == "cpu" else "float16"
        self.threads = torch.get_num_threads()
        self._network = fold(load(weights).eval())
        if device == "cuda":
            # torch's types do not know of the last argument
            self._network.to(device, torch.float16, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._graphs = SizeCache(build=lambda size: _Graph(self._network, size))
        self._lock = threading.Lock()  # a graph has one set of inputs

    @property
    def reach(self) -> Reach | None:
        """The distance that the network looks; None if it cannot fuse tiles."""
        return self._network.reach if isinstance(self._network, GatedFusionNet) else None

    @property
    def context_side(self) -> int | None:
        """Longest side of what the context network sees; None without one."""
        network = self._network
        return network.context_side if isinstance(network, MixingFusionNet) else None

    @memory_errors()
    @torch.inference_mode()
    def judge(self, thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the context network; see `Engine.judge`."""
        context = cast(nn.Module, self._network.context)
        given = _tensor(thumbnails).to(self.device, next(context.parameters()).dtype)
        return np.asarray(context(given).float().cpu().numpy())

    @memory_errors()
    @torch.inference_mode()
    def encode(
        self, infrared: NDArray[np.float32], luminance: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Run the layers before the gate and return the features that it averages."""
        network = cast(GatedFusionNet, self._network)
        dtype = next(network.parameters()).dtype
        pair = (_tensor(image).to(self.device, dtype) for image in (infrared, luminance))
        ir, vi = network.encode(*pair)
        return np.asarray((ir - vi).float().cpu().numpy())

    @memory_errors()
    @torch.inference_mode()
    def run(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on float32 arrays, N x C x H x W each; the share may be left out."""
        tensors = [_tensor(image) for image in inputs]
        if self.device == "cpu":
            return np.asarray(self._network(*tensors).numpy())
        with self._lock:
            graph = self._graphs.get(tuple(image.shape for image in inputs))
            if graph is None:
                fused = self._network(*(tensor.to("cuda").half() for tensor in tensors))
            else:
                fused = graph(tensors)
            return np.asarray(fused.float().cpu().numpy())


def _tensor(image: NDArray[np.float32]) -> Tensor:
    """Return a tensor; torch takes no negative strides, foreign byte order or read-only array."""
    return torch.from_numpy(np.require(image, np.float32, ["C", "W"]))


class _Graph:
    """The network's launches for inputs of one size, recorded once."""

    def __init__(self, network: nn.Module, size: Size) -> None:
        self._inputs = [torch.zeros(shape, dtype=torch.float16, device="cuda") for shape in size]
        # Before the recording the libraries choose their kernels; they want another stream.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                network(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output: Tensor = network(*self._inputs)

    def __call__(self, tensors: list[Tensor]) -> Tensor:
        for mine, given in zip(self._inputs, tensors, strict=True):
            mine.copy_(given)
        self._graph.replay()
        return self._output
