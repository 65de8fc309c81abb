"""Compare the speed of two builds of piafusion, or of two models, on this machine.

    python benchmarks/against.py piafusion-0.1.0-py3-none-any.whl [--model NAME] [--size WxH]
    python benchmarks/against.py ../other-checkout --frames 50
    python benchmarks/against.py piafusion --model piafusion-fast

OTHER is a wheel or a source folder of piafusion, or else a model. Two processes fuse the same
pair in alternation, from arrays to array. Alternation makes the comparison fair: whatever slows
the machine down slows both. The interval of the ratio comes from a bootstrap over the pairs of
times. A worker process uses only `Fuser` of its build, so that any build can be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 3  # frames
RESAMPLES = 2000


def main() -> None:
    """Print one line for each size."""
    import piafusion
    from piafusion.lab.evaluation.timing import Times, processor_name
    from piafusion.weights import DEFAULT_MODEL

    this = Path(piafusion.__file__).parents[1]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("other", metavar="OTHER", help="wheel, source folder or model")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", nargs="+", default=["640x480"], metavar="WxH")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()

    fixed = {"model": options.model, "engine": options.engine, "device": options.device}
    if options.threads:  # older builds do not know the argument
        fixed["threads"] = options.threads
    is_build = Path(options.other).suffix == ".whl" or Path(options.other).is_dir()
    print(f"{processor_name()}; end to end, medians and 99th percentiles in ms")
    with unpacked(Path(options.other) if is_build else this) as build:
        other = fixed if is_build else {**fixed, "model": options.other}
        for size in options.size:
            width, height = (int(side) for side in size.split("x"))
            picture = {"width": width, "height": height}
            with _worker(this, fixed | picture) as a, _worker(build, other | picture) as b:
                first, second = alternate(a, b, options.frames)
            ratio, (low, high) = median_ratio(first, second)
            one, two = Times.of(first), Times.of(second)
            print(
                f"{options.model}, {size}, {options.frames} frames: this {one.median:.1f} "
                f"({one.p99:.1f}), {options.other} {two.median:.1f} ({two.p99:.1f}), "
                f"other / this {ratio:.3f} (95 % interval {low:.3f} to {high:.3f})"
            )


@contextmanager
def unpacked(build: Path) -> Iterator[Path]:
    """Give the folder that holds the package of a wheel, a source tree or a `src` folder."""
    with tempfile.TemporaryDirectory() as folder:
        candidates = [build, build / "src"]
        if build.suffix == ".whl":
            zipfile.ZipFile(build).extractall(folder)
            candidates = [Path(folder)]
        for candidate in candidates:
            if (candidate / "piafusion" / "__init__.py").is_file():
                yield candidate.resolve()
                return
    raise SystemExit(f"{build}: expected a wheel or a source folder of piafusion, found none")


@contextmanager
def _worker(build: Path, settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Start this script as a worker that imports piafusion from `build`; end it afterwards."""
    paths = [str(build), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, __file__, "--serve", json.dumps(settings | {"build": str(build)})]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            _answer(process)  # it is ready
            yield process
        finally:
            process.kill()


def alternate(
    first: subprocess.Popen[str], second: subprocess.Popen[str], frames: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of each frame by two workers that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    both = ((first, times[0]), (second, times[1]))
    for frame in range(frames + WARM_UP):
        for process, kept in both if frame % 2 == 0 else both[::-1]:
            kept.append(_fuse_once(process))
    return times[0][WARM_UP:], times[1][WARM_UP:]


def _fuse_once(process: subprocess.Popen[str]) -> float:
    assert process.stdin  # noqa: S101 - opened as a pipe
    print(file=process.stdin, flush=True)
    return float(_answer(process))


def _answer(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("a worker ended; its own message says why")
    return line


def median_ratio(
    first: list[float], second: list[float], seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return median(second) / median(first) and its 95 % interval, by bootstrap over pairs."""
    a, b = np.asarray(first), np.asarray(second)
    draws = np.random.default_rng(seed).integers(0, len(a), (RESAMPLES, len(a)))
    low, high = np.quantile(
        np.median(b[draws], axis=1) / np.median(a[draws], axis=1), [0.025, 0.975]
    )
    return float(np.median(b) / np.median(a)), (float(low), float(high))


def serve(build: str, width: int, height: int, **settings: Any) -> None:  # noqa: ANN401
    """Fuse one pair for each line that arrives, and answer with the seconds that it took."""
    import piafusion

    found = str(Path(piafusion.__file__).parents[1])
    if found != build:
        raise SystemExit(f"expected piafusion from {build}, found it from {found}")
    visible = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    infrared = visible[::-1, :, 0].copy()
    fuser = piafusion.Fuser(**settings)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        fuser(infrared, visible)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(**json.loads(sys.argv[2]))
    else:
        main()
