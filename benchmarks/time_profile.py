"""Where the time of one pair goes, and how far that is from what the machine could do.

    python benchmarks/time_profile.py [--model NAME] [--size WxH] [--frames N] [--threads N]

First the steps of `Fuser` on two uint8 arrays: both networks, and the passes in strips (split into
channels and luminance; reduce, "<lambda>", for the context network; weigh, blend and join). Then
the network's kinds of operators by ONNX Runtime's own profile. Then two floors: the multiply-adds
of the convolutions at the speed of a large matrix product, and each operator's inputs and outputs
once through memory at the speed of a large copy, both measured here with as many threads. Caches
hold much of the traffic, so a network may be below the second floor; none is below the first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from piafusion import Fuser
from piafusion.engines.onnx import session_options
from piafusion.imaging.arrays import to_unit
from piafusion.lab.evaluation.timing import processor_name, scene
from piafusion.weights import DEFAULT_MODEL, read_weights

MATRIX = 1536  # rows and columns
COPIED = 2**26  # bytes, far more than a cache holds
REPEATS = 12
WARM_UP = 3
Event = dict[str, Any]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--size", default="640x480", metavar="WxH")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()

    width, height = (int(side) for side in options.size.split("x"))
    fuser = Fuser(options.model, options.device, threads=options.threads)
    threads = fuser.engine.threads
    print(f"{options.model}, {width}x{height}, {threads} threads, {processor_name()}")
    print("\nsteps of one pair, medians in ms")
    for name, seconds in _steps(fuser, width, height, options.frames).items():
        print(f"  {name:28}{1000 * seconds:8.2f}")

    runs = _profile(options.model, threads, width, height, options.frames)
    operators: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        sums: dict[str, float] = defaultdict(float)
        for event in run:
            sums[event["args"]["op_name"]] += event["dur"] / 1000
        for kind, milliseconds in sums.items():
            operators[kind].append(milliseconds)
    medians = {kind: float(np.median(values)) for kind, values in operators.items()}
    total = sum(medians.values())
    print("\noperators of the network, medians in ms")
    for kind, median in sorted(medians.items(), key=lambda item: -item[1]):
        count = sum(event["args"]["op_name"] == kind for event in runs[-1])
        print(f"  {kind:22}{count:4d} x {median:8.2f} {median / total:7.1%}")
    print(f"  {'all':28}{total:8.2f}")

    flops = sum(_convolution_flops(event) for event in runs[-1])
    traffic = sum(_traffic(event) for event in runs[-1])
    speed, bandwidth = _matrix_speed(), _copy_speed(threads)
    print(f"\nfloors: matrix products {speed / 1e9:.0f} GFLOP/s, copies {bandwidth / 1e9:.1f} GB/s")
    for name, amount, floor in (
        ("arithmetic", f"{flops / 1e9:.2f} GFLOP", 1000 * flops / speed),
        ("memory", f"{traffic / 1e6:.0f} MB", 1000 * traffic / bandwidth),
    ):
        print(
            f"  {name:12}{amount:16}{floor:8.2f} ms; the network takes {total / floor:.2f} x that"
        )


def _steps(fuser: Fuser, width: int, height: int, frames: int) -> dict[str, float]:
    """Return the median seconds of each step of `Fuser.__call__` and of the whole."""
    infrared, visible = scene(width, height)
    times: dict[str, list[float]] = defaultdict(list)

    def timed(name: str | None, step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:  # noqa: ANN401 - whatever the step takes and returns
            start = time.perf_counter()
            result = step(*given)
            label = name or f"strips: {getattr(given[0], '__name__', '')}"
            times[label].append(time.perf_counter() - start)
            return result

        return call

    fuser.engine.fuse = timed("network", fuser.engine.fuse)  # type: ignore[method-assign]
    fuser.engine.judge = timed("context network", fuser.engine.judge)  # type: ignore[method-assign]
    fuser._strips = timed(None, fuser._strips)  # type: ignore[assignment]
    whole = timed("all, arrays to array", fuser)
    for _ in range(WARM_UP + frames):
        whole(infrared, visible)
    return {name: float(np.median(values[WARM_UP:])) for name, values in times.items()}


def _profile(model: str, threads: int, width: int, height: int, frames: int) -> list[list[Event]]:
    """Return ONNX Runtime's kernel events, a list for each run after the first few."""
    options = session_options(threads)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(
            read_weights(model, "onnx", "fusion"), options, providers=["CPUExecutionProvider"]
        )
        infrared, visible = scene(width, height)
        planes = [to_unit(plane)[None, None] for plane in (infrared, visible[..., 1])]
        feeds = dict(zip((node.name for node in session.get_inputs()), planes, strict=True))
        for _ in range(WARM_UP + frames):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    ends = sorted(event["ts"] + event["dur"] for event in events if event["name"] == "model_run")
    limits = pairwise([0, *ends])
    return [[e for e in kernels if low <= e["ts"] < high] for low, high in limits][WARM_UP:]


def _shapes(event: Event, which: str) -> list[list[int]]:
    """Return the shapes of an operator's `input` or `output` tensors."""
    return [next(iter(tensor.values())) for tensor in event["args"][f"{which}_type_shape"]]


def _convolution_flops(event: Event) -> int:
    """Return the additions and multiplications of a convolution, 0 for anything else."""
    if "Conv" not in event["args"]["op_name"]:
        return 0
    kernel, (result, *_) = _shapes(event, "input")[1], _shapes(event, "output")
    return 2 * prod(result) * prod(kernel[1:])


def _traffic(event: Event) -> int:
    """Return the bytes of an operator's inputs and outputs, taken as float32."""
    return 4 * sum(prod(shape) for which in ("input", "output") for shape in _shapes(event, which))


def _matrix_speed() -> float:
    """Return the best floating-point operations a second of NumPy's matrix product."""
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return 2 * MATRIX**3 / _best(lambda: matrix @ matrix)


def _copy_speed(threads: int) -> float:
    """Return the best bytes a second, read and written, of copies in all threads."""
    sources, targets = (np.array_split(np.ones(COPIED // 4, np.float32), threads) for _ in range(2))
    with ThreadPoolExecutor(threads) as pool:
        return 2 * COPIED / _best(lambda: list(pool.map(np.copyto, targets, sources)))


def _best(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
