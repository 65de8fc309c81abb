"""Quality against time over the size of our own network, each size trained alike and briefly.

    python benchmarks/tradeoff.py DATA RUNS [--steps 1500] [--figure OUT.png]

DATA is a training set; every fourth block of neighbouring pairs is held apart to score on. RUNS
keeps a training run per size, so a second call only trains what is missing. Times are medians of
the network alone at 640x480 in ONNX Runtime, all sizes in turn; scores are means of day and
night. Needs the extras `train` and `eval`.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from piafusion.engines.onnx import OnnxEngine
from piafusion.errors import TrainingError
from piafusion.lab.models import MixingFusionNet, load
from piafusion.lab.training import run
from piafusion.lab.training.config import resolve
from piafusion.lab.training.export import export_onnx

# Stride and window of the first layer, width, residual layers.
SIZES = (
    (4, 12, 16, 2),
    (4, 12, 24, 2),
    (4, 12, 32, 1),
    (4, 12, 32, 2),
    (4, 12, 32, 3),
    (8, 24, 48, 3),
    (4, 12, 48, 5),
)
HEIGHT, WIDTH, ROUNDS = 480, 640, 40


@dataclass(frozen=True)
class Result:
    """What one size gives."""

    name: str
    parameters: int
    operations: float
    seconds: float
    fidelity: float
    edges: float


def main() -> None:
    """Train, score and time each size; print a table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()

    folders = [_train(sizes, options.data, options.runs, options.steps) for sizes in SIZES]
    networks = [_network(folder) for folder in folders]
    times = _times(networks)
    results = [
        Result(
            folder.name,
            sum(parameter.numel() for parameter in network.parameters()),
            _operations(network),
            seconds,
            *_scores(folder),
        )
        for folder, network, seconds in zip(folders, networks, times, strict=True)
    ]
    print(f"{'size':16}{'parameters':>12}{'GFLOP':>8}{'ms':>8}{'VIF':>8}{'Qabf':>8}")
    for result in results:
        print(
            f"{result.name:16}{result.parameters:12,}{result.operations / 1e9:8.2f}"
            f"{1e3 * result.seconds:8.1f}{result.fidelity:8.4f}{result.edges:8.4f}"
        )
    if options.figure:
        _draw(results, options.figure, options.steps)


def _train(sizes: tuple[int, int, int, int], data: Path, runs: Path, steps: int) -> Path:
    """Train one size unless it is there already; return the folder of its run."""
    stride, window, width, layers = sizes
    folder = runs / f"{stride}-{window}-{width}-{layers}"
    settings = resolve(
        "fast",
        data,
        {
            "steps": str(steps),
            "validation": "4",
            "validate_every": str(steps),
            "sizes.stride": str(stride),
            "sizes.window": str(window),
            "sizes.width": str(width),
            "sizes.residual_layers": str(layers),
        },
    )
    if not (folder / run.WEIGHTS).exists():
        if (folder / run.SETTINGS).exists():
            run.resume(folder, settings)
        else:
            run.start(settings, folder)
    return folder


def _network(folder: Path) -> MixingFusionNet:
    network = load((folder / run.WEIGHTS).read_bytes()).eval()
    if not isinstance(network, MixingFusionNet):
        raise TrainingError(f"{folder}: expected a network of our own, found another")
    return network


def _operations(network: MixingFusionNet) -> float:
    """Floating-point operations per picture: every convolution works on whole blocks."""
    weights = sum(p.numel() for p in network.parameters() if p.ndim == 4)
    return 2 * weights * HEIGHT * WIDTH / network.sizes.stride**2


def _times(networks: list[MixingFusionNet]) -> list[float]:
    """Return the median seconds of each network, run in turn."""
    names = ("infrared", "luminance")
    engines = [OnnxEngine(export_onnx(network, names, 1, "fused"), "cpu") for network in networks]
    picture = np.random.default_rng(0).random((1, 1, HEIGHT, WIDTH), dtype=np.float32)
    seconds: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, taken in zip(engines, seconds, strict=True):
            engine.fuse(picture, picture)  # wakes this one's threads
            start = time.perf_counter()
            engine.fuse(picture, picture)
            taken.append(time.perf_counter() - start)
    return [float(np.median(taken)) for taken in seconds]


def _scores(folder: Path) -> tuple[float, float]:
    """Return VIF and Qabf of the last validation, each the mean of day and night."""
    with (folder / "log" / "metrics.csv").open() as file:
        *_, last = (row for row in csv.DictReader(file) if row["validation/score"])
    fidelity, edges = (
        float(np.mean([float(last[f"validation/{light}/{name}"]) for light in ("day", "night")]))
        for name in ("VIF", "Qabf")
    )
    return fidelity, edges


def _draw(results: list[Result], path: Path, steps: int) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for place, (title, values) in enumerate(
        (("VIF", [r.fidelity for r in results]), ("Qabf", [r.edges for r in results]))
    ):
        axes = figure.add_subplot(1, 2, place + 1, title=f"{title} after {steps:,} steps")
        for result, value in zip(results, values, strict=True):
            axes.plot(1e3 * result.seconds, value, "o", color="tab:blue")
            label = (1e3 * result.seconds, value)
            axes.annotate(result.name, label, xytext=(5, 3), textcoords="offset points")
        axes.set_xlabel("ms for 640x480, network alone")
        axes.margins(x=0.25)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
