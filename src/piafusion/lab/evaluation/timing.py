"""How long fusing takes: one fresh process for each model, engine and size.

A process of its own makes peak memory meaningful and keeps one engine's threads from the other.
The first call is told apart, a few calls warm up, then the network alone and the whole way from
arrays to array are timed in turn. What is told of them are medians: a busy machine adds time and
never takes any away.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from piafusion.lab.evaluation.workers import Setup, start_worker

WARM_UP = 3  # frames
FEWEST = 3  # frames that make a median


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
    """What one setup took.

    Attributes:
        device: Where the network ran.
        threads: Processor threads that the engine uses; None where it does not tell.
        load_ms: Reading the weights and preparing the engine.
        first_ms: The first call, arrays to array.
        frames: How many were timed.
        network: The network alone.
        end_to_end: From two uint8 arrays to one.
        frames_per_second: End to end, one frame after the other.
        peak_mib: Most resident memory of the whole process.
    """

    device: str
    threads: int | None
    load_ms: float
    first_ms: float
    frames: int
    network: Times
    end_to_end: Times
    frames_per_second: float
    peak_mib: float | None


def measure(setup: Setup, *, frames: int, budget: float) -> Measured:
    """Time a setup.

    Args:
        setup: What to measure.
        frames: How many, at most.
        budget: Seconds that they may take; a slow setup is timed with fewer, but 3 at least.

    Raises:
        MeasurementError: If it cannot run.
    """
    with start_worker(setup) as running:
        warm = running.run(WARM_UP if running.start["first"] * WARM_UP < budget else 1)
        pace = float(np.median(warm["network"]) + np.median(warm["end_to_end"]))
        count = max(min(FEWEST, frames), min(frames, int(budget / pace)))
        times = running.run(count)
    end_to_end = Times.of(times["end_to_end"])
    return Measured(
        device=running.start["device"],
        threads=running.start["threads"],
        load_ms=1000 * running.start["load"],
        first_ms=1000 * running.start["first"],
        frames=count,
        network=Times.of(times["network"]),
        end_to_end=end_to_end,
        frames_per_second=1000 / end_to_end.median,
        peak_mib=times["peak_mib"],
    )


def processor_name(source: Path = Path("/proc/cpuinfo")) -> str:
    """Return what the processor calls itself."""
    try:
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
