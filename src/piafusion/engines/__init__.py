"""Engines run networks: ONNX Runtime by default, OpenVINO and torch if they are installed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import DeviceError, UsageError, WeightsError
from piafusion.machine import has_dot_products
from piafusion.reach import CONTEXT, ENCODER, Reach, inner_network
from piafusion.weights import Format, Kind, has_format, read_weights

Tensor = NDArray[np.float32]

DEVICES = ("auto", "cpu", "cuda", "tensorrt", "openvino")
PRECISIONS = ("auto", "float", "bf16", "int8")
# In errors of ONNX Runtime, OpenVINO and torch; the last two on a GPU, and on Windows.
_NO_MEMORY = (
    "failed to allocate",
    "can't allocate",
    "bad_alloc",
    "out of memory",
    "bad allocation",
)


class Engine(Protocol):
    """Fuses the luminance of a pair: float32 arrays N x 1 x H x W in [0, 1], in and out.

    Attributes:
        device: The device that computes: a name of `DEVICES`, never "auto".
        precision: Numbers that it computes in: a name of `PRECISIONS`, never "auto", or float16.
        threads: The number of processor threads it uses.
        reach: Distance that the network looks; None if it cannot fuse tiles.
        context_side: Longest side, in pixels, of the small copy that the context network sees;
            None if there is no such network.
    """

    device: str
    precision: str
    threads: int

    @property
    def reach(self) -> Reach | None: ...  # noqa: D102
    @property
    def context_side(self) -> int | None: ...  # noqa: D102

    def fuse(self, infrared: Tensor, luminance: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the fused luminance, a fresh N x 1 x H x W array.

        Args:
            infrared: N x 1 x H x W in [0, 1].
            luminance: The visible picture's luminance, same shape and range.
            share: The infrared's share at the gate, 1 x C x 1 x 1, if it was measured over the
                whole of a larger picture; only for a network with a reach.
        """
        ...

    def encode(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return the features that the gate averages, N x C x h x w; needs a reach."""
        ...

    def judge(self, thumbnails: Tensor) -> Tensor:
        """Run the context network; needs a context side.

        Args:
            thumbnails: N x 2 x h x w, infrared and luminance in [0, 1]; sides that 16 divides.

        Returns:
            N x 3 x h/2 x w/2: see `piafusion.lab.models.context`.
        """
        ...


class Network(Engine, Protocol):
    """An engine that runs a network of any kind: the illumination network, too."""

    def run(self, *inputs: Tensor) -> Tensor:
        """Run the network on float32 arrays, N x C x H x W each; return a fresh array."""
        ...


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise a MemoryError where a library says in its own way that memory is short."""
    try:
        yield
    except Exception as error:  # each library has its own classes
        if not any(words in str(error).lower() for words in _NO_MEMORY):
            raise
        raise MemoryError("expected enough memory for the network, found too little") from error


class FusesByRunning(ABC):
    """The engines of networks: to fuse a pair is to run the network on it."""

    @abstractmethod
    def run(self, *inputs: Tensor) -> Tensor:
        """Run the network; see `Network.run`."""

    def fuse(self, infrared: Tensor, luminance: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the fused luminance; see `Engine.fuse`."""
        return self.run(infrared, luminance, *([] if share is None else [share]))


class FileEngine(FusesByRunning):
    """The engines of ONNX files; the metadata of a file hold the networks that belong to it."""

    _metadata: Mapping[str, str]

    @abstractmethod
    def _open(self, weights: bytes, *, in_float: bool = False) -> FileEngine:
        """Return an engine like this one for another file; it may be asked to compute in float."""

    def encode(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Run the layers before the gate and return the features that it averages."""
        return self._encoder.run(infrared, luminance)

    def judge(self, thumbnails: Tensor) -> Tensor:
        """Run the context network; see `Engine.judge`."""
        return self._context.run(thumbnails)

    @cached_property
    def _encoder(self) -> FileEngine:
        """The layers before the gate, loaded when they are first used."""
        return self._open(inner_network(self._metadata, ENCODER))

    @cached_property
    def _context(self) -> FileEngine:
        """The context network, loaded when it is first used.

        It is small, so bf16 gains nothing, and a threshold that moves a little moves a region.
        """
        return self._open(inner_network(self._metadata, CONTEXT), in_float=True)


def create_engine(
    model: str,
    *,
    kind: Kind,
    device: str,
    engine: str,
    threads: int | None = None,
    precision: str = "float",
) -> Network:
    """Load a model's weights into an engine.

    Args:
        model: A shipped model or the path of an exported file.
        kind: The task of the network.
        device: A name of `DEVICES`; see `resolve` for "auto".
        engine: "onnx" (on "openvino", OpenVINO runs the ONNX file) or "torch".
        threads: Threads of the processor; one for each usable core by default.
        precision: A name of `PRECISIONS`; "auto" is the fastest.

    Raises:
        UsageError: If the model, device, engine or precision is unknown.
        WeightsError: If the weights are missing or corrupt.
        DeviceError: If the engine cannot use the device, or has not the precision.
        MissingExtraError: If the engine is not installed.
    """
    for what, found, known in (("device", device, DEVICES), ("precision", precision, PRECISIONS)):
        if found not in known:
            raise UsageError(f"expected a {what} of {', '.join(known)}, found {found!r}")
    if threads is not None and threads < 1:
        raise UsageError(f"expected at least 1 thread, found {threads}")
    if engine not in ("onnx", "torch"):
        raise UsageError(f"expected an engine of onnx, torch, found {engine!r}")
    if engine == "torch" and device in ("tensorrt", "openvino"):
        raise UsageError(f"expected auto, cpu or cuda for the engine torch, found {device!r}")
    if engine == "onnx":
        device = resolve(device, model, precision)
    chosen = _choose(precision, model, device, engine)
    suffix: Format = "int8" if chosen == "int8" else "onnx" if engine == "onnx" else "safetensors"
    weights = read_weights(model, suffix, kind)
    try:
        return _load(weights, device, engine, threads, chosen)
    except WeightsError as error:  # engines see bytes, which have no name
        raise WeightsError(f"{model}: {error}") from error


def resolve(device: str, model: str, precision: str = "auto") -> str:
    """Return where the ONNX file of a model runs.

    "auto" is OpenVINO where that is installed and the processor computes in bf16, or in int8 and
    the model has such a file. It stays "auto", for ONNX Runtime, in float: there OpenVINO brings a
    tenth, and ONNX Runtime gives the same picture on every machine; and where a CUDA card may be.

    Raises:
        UsageError: If the model is unknown.
    """
    if device != "auto" or precision == "float" or not find_spec("openvino"):
        return device
    from onnxruntime import get_available_providers

    if "CUDAExecutionProvider" in get_available_providers():
        return device
    fastest = _precisions(model, "openvino", "onnx")[0]
    return "openvino" if precision == "bf16" or fastest != "float" else device


def _precisions(model: str, device: str, engine: str) -> list[str]:
    """Return the precisions that a model can be run in, the fastest first."""
    if engine == "torch":
        return ["float"]
    int8 = ["int8"] if device not in ("cuda", "tensorrt") and has_format(model, "int8") else []
    if device != "openvino":
        return ["float", *int8]  # int8 is faster here, too, but not worth another picture
    from piafusion.engines.openvino import has_bf16

    if has_bf16():
        return ["bf16", *int8, "float"]
    return [*int8, "float"] if has_dot_products() else ["float", *int8]


def _choose(precision: str, model: str, device: str, engine: str) -> str:
    """Return the precision to run in.

    Raises:
        DeviceError: If it cannot be had.
    """
    has = _precisions(model, device, engine)
    if precision not in ("auto", *has):
        runs = {"openvino": "OpenVINO"}.get(device, "ONNX Runtime") if engine == "onnx" else engine
        step = "use one of these"
        if precision == "bf16" and runs == "ONNX Runtime":
            step = "bf16 needs the device openvino (pip install 'piafusion[openvino]')"
        raise DeviceError(
            f"{model}: expected a precision of {', '.join(has)} or auto, which {runs} has for it "
            f"on this machine, found {precision!r}; {step}"
        )
    return has[0] if precision == "auto" else precision


def _load(weights: bytes, device: str, engine: str, threads: int | None, precision: str) -> Network:
    if engine == "torch":
        from piafusion.engines.torch import TorchEngine

        return TorchEngine(weights, device, threads)
    if device == "openvino":
        from piafusion.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(weights, threads, precision)
    from piafusion.engines.onnx import OnnxEngine

    return OnnxEngine(weights, device, threads, precision)


Built = TypeVar("Built")
Size = tuple[tuple[int, ...], ...]  # the shapes of all inputs


class SizeCache(Generic[Built]):
    """Builds for a size when it comes twice in a row; a folder of all sizes builds nothing.

    >>> cache = SizeCache(build=str)
    >>> [cache.get(size) for size in ("small", "small", "large", "small")]
    [None, 'small', None, 'small']
    """

    def __init__(
        self, build: Callable[[Size], Built], capacity: int = 4, *, first: bool = False
    ) -> None:
        """Build nothing yet.

        The least recently used of the kept sizes is dropped first. With `first`, the first size of
        all is built for at once.
        """
        self._first = first
        self._build = build
        self._capacity = capacity
        self._kept: OrderedDict[Size, Built] = OrderedDict()
        self._last: Size | None = None

    def get(self, size: Size) -> Built | None:
        """Return the object for a size, built now if the last call had that size too, else None."""
        again, self._last = size == self._last or (self._first and not self._last), size
        if size not in self._kept:
            if not again:
                return None
            while len(self._kept) >= self._capacity:
                self._kept.popitem(last=False)
            self._kept[size] = self._build(size)
        self._kept.move_to_end(size)
        return self._kept[size]
