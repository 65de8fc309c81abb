"""Measure how long fusing takes: one new process for each model, engine and size.

In a process of its own the peak memory has a meaning, and one engine does not share threads with
another. The first call is reported separately and a few calls warm up. Then the network alone and
the whole way from arrays to array are timed in turn. The results are medians: a busy machine makes
some calls slower and none faster.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from piafusion.errors import MeasurementError, PiafusionError
from piafusion.files import parse_json, reading
from piafusion.machine import PROCESSOR, processor_lines, usable_cores

WARM_UP = 3  # frames
FEWEST = 3  # frames that make a median
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Setup:
    """The settings of one measurement.

    Attributes:
        model: As `Fuser` takes it; of a peer, the ONNX file of any network with two inputs.
        engine: As `Fuser` takes it, and so are device, threads, method and precision.
        device: See above.
        width: The width of the pictures, in pixels.
        height: The height of the pictures, in pixels.
        threads: See above.
        method: See above.
        precision: See above.
        peer: Whether it is not one of ours: its network alone is timed, in ONNX Runtime.
    """

    model: str
    engine: str
    device: str
    width: int
    height: int
    threads: int | None = None
    method: str | None = None
    precision: str = "auto"
    peer: bool = False


@dataclass(frozen=True)
class Times:
    """Milliseconds per frame."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: ArrayLike) -> Times:
        """Sum up single times."""
        milliseconds = 1000 * np.asarray(seconds, dtype=np.float64)
        return cls(float(np.median(milliseconds)), float(np.percentile(milliseconds, 99)))


@dataclass(frozen=True)
class Measured:
    """The result of one measurement.

    Attributes:
        device: Device that the network ran on.
        precision: The numbers that it computed in.
        threads: Number of processor threads of the engine; None if it does not say.
        load_ms: Time to read the weights and prepare the engine.
        first_ms: Time of the first call, arrays to array.
        frames: Number of timed frames.
        network: Times of the network alone.
        end_to_end: Times from two uint8 arrays to one; None for a peer.
        frames_per_second: End to end, one frame after the other; of a peer, its network alone.
        peak_mib: Largest resident memory of the whole process that fuses from arrays to array.
    """

    device: str
    precision: str
    threads: int | None
    load_ms: float
    first_ms: float
    frames: int
    network: Times
    end_to_end: Times | None
    frames_per_second: float
    peak_mib: float | None


def measure(setup: Setup, *, frames: int, budget: float) -> Measured:
    """Time a setup in a new process.

    Args:
        setup: The settings.
        frames: Largest number of frames.
        budget: Seconds that they may take; a slow setup is timed with fewer, but at least 3.

    Raises:
        MeasurementError: If it cannot run.
    """
    task = json.dumps([vars(setup), frames, budget])
    # Not a pool of multiprocessing: its processes load the command line, whose memory would count.
    command = [sys.executable, "-m", __name__, task]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        why = "killed, probably because the memory is full" if done.returncode == -9 else "ended"
        raise MeasurementError(f"expected times from a process, found it {why}; try a smaller size")
    with reading("times", "a line of JSON", "look at the output", MeasurementError):
        answer = parse_json(done.stdout, dict)
    if "error" in answer:
        raise MeasurementError(answer["error"])
    names = ("network", "end_to_end")
    both = {name: answer[name] and Times(**answer[name]) for name in names}
    return Measured(**{**answer, **both})


def measure_here(setup: Setup, frames: int, budget: float) -> Measured:
    """Time a setup in this process; see `measure`."""
    if setup.peer:
        return _measure_peer(setup, frames, budget)
    from piafusion import Fuser

    arguments = {name: value for name, value in vars(setup).items() if name != "peer"}
    infrared, visible = scene(arguments.pop("width"), arguments.pop("height"))
    try:
        start = time.perf_counter()
        fuser = Fuser(**arguments)
        loaded = time.perf_counter()
        fuser(infrared, visible)
        first = time.perf_counter()
    except PiafusionError as error:
        raise MeasurementError(str(error)) from error
    if quick := (first - loaded) * WARM_UP < budget:
        fuser(infrared, visible)  # needs more memory than the first call: one result is still held
    peak = memory_mib("VmHWM")
    inputs = [
        np.multiply(plane, 1 / 255, dtype=np.float32, order="C")[None, None]
        for plane in (infrared, visible[..., 1])
    ]

    def timed(count: int) -> tuple[list[float], list[float]]:
        network, end_to_end = [], []
        for _ in range(count):  # in turn, so that both see the same machine
            start = time.perf_counter()
            fuser.engine.fuse(*inputs)
            middle = time.perf_counter()
            fuser(infrared, visible)
            end_to_end.append(time.perf_counter() - middle)
            network.append(middle - start)
        return network, end_to_end

    pace = sum(map(np.median, timed(WARM_UP if quick else 1)))
    count = max(min(FEWEST, frames), min(frames, int(budget / pace)))
    network, end_to_end = map(Times.of, timed(count))
    return Measured(
        device=fuser.engine.device,
        precision=fuser.engine.precision,
        threads=getattr(fuser.engine, "threads", None),
        load_ms=1000 * (loaded - start),
        first_ms=1000 * (first - loaded),
        frames=count,
        network=network,
        end_to_end=end_to_end,
        frames_per_second=1000 / end_to_end.median,
        peak_mib=peak,
    )


def _measure_peer(setup: Setup, frames: int, budget: float) -> Measured:
    """Time any network with two inputs."""
    import onnxruntime

    from piafusion.engines.onnx import session_options

    threads, start = setup.threads or usable_cores(), time.perf_counter()
    try:
        session = onnxruntime.InferenceSession(
            setup.model, session_options(threads), providers=["CPUExecutionProvider"]
        )
        nodes = session.get_inputs()
        if len(nodes) != 2:
            raise ValueError(f"expected a network with 2 inputs, found {len(nodes)}")
        pair = scene(setup.width, setup.height)
        feeds = {node.name: _as_input(node, each) for node, each in zip(nodes, pair, strict=True)}
        loaded = time.perf_counter()
        session.run(None, feeds)
    except Exception as error:  # onnxruntime's own classes share no public base
        why = str(error).splitlines()[0]
        raise MeasurementError(f"{Path(setup.model).name}: {why}") from error
    first = time.perf_counter() - loaded

    def timed(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            begun = time.perf_counter()
            session.run(None, feeds)
            seconds.append(time.perf_counter() - begun)
        return seconds

    pace = float(np.median(timed(WARM_UP if first * WARM_UP < budget else 1)))
    count = max(min(FEWEST, frames), min(frames, int(budget / pace)))
    network = Times.of(timed(count))
    return Measured(
        device="cpu",
        precision="as in the file",
        threads=threads,
        load_ms=1000 * (loaded - start),
        first_ms=1000 * first,
        frames=count,
        network=network,
        end_to_end=None,
        frames_per_second=1000 / network.median,
        peak_mib=memory_mib("VmHWM"),
    )


def _as_input(node: Any, picture: NDArray[np.uint8]) -> NDArray[Any]:  # noqa: ANN401 - onnxruntime's
    """Return a picture in the layout that an input of a network has.

    Raises:
        ValueError: If the network takes no pictures of that size.
    """
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
    if len(node.shape) != 4 or node.type not in types:
        raise ValueError(f"expected pictures, found the input {node.name}: {node.type}{node.shape}")
    last = node.shape[1] not in (1, 3) and node.shape[3] in (1, 3)  # channels last
    channels = node.shape[3 if last else 1]
    planes = np.atleast_3d(picture)
    planes = planes[..., :1] if channels == 1 else np.broadcast_to(planes, (*picture.shape[:2], 3))
    batch = (planes if last else planes.transpose(2, 0, 1))[None]
    if not all(
        side in (of, None) or isinstance(side, str)
        for side, of in zip(node.shape, batch.shape, strict=True)
    ):
        raise ValueError(f"expected {node.shape} at {node.name}, which is another size")
    scaled = batch if node.type == "tensor(uint8)" else batch / np.float32(255)
    return np.ascontiguousarray(scaled, types[node.type])


def scene(width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an infrared picture, H x W, and a visible one, H x W x 3; always the same ones."""
    down, across = (np.arange(side, dtype=np.float32) for side in (height, width))
    levels = np.empty((height, width, 4), np.uint8)
    for i in range(4):  # one after the other: their memory would count as that of the fusion
        wave = np.outer(np.sin(down / (9 + 4 * i)), np.cos(across / (7 + 5 * i)))
        levels[..., i] = 127 + 120 * wave
    return np.ascontiguousarray(levels[..., 3]), np.ascontiguousarray(levels[..., :3])


def memory_mib(field: str = "VmRSS") -> float | None:
    """Return the resident memory of this process in MiB, or None if the system does not tell.

    Args:
        field: "VmRSS" for the current memory, "VmHWM" for the largest so far.
    """
    if not STATUS.exists():
        return None
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def processor_name(source: Path = PROCESSOR) -> str:
    """Return the name of the processor."""
    lines = processor_lines(source)
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def main() -> None:
    """Measure the setup in the first argument, and print the result as a line of JSON."""
    setup, frames, budget = json.loads(sys.argv[1])
    try:
        answer = asdict(measure_here(Setup(**setup), frames, budget))
    except MeasurementError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
