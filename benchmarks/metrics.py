"""Time the metrics in one thread, beside a plain NumPy and SciPy version of the same formulas.

    python -m benchmarks.metrics DATA [--rounds 15] [--plain-rounds 1]

The first pair of DATA (`ir` and `vi`) is scored with its pixelwise maximum, and with a box around a
person that is half as wide and high as the picture. Milliseconds of wall clock, least and median;
"processor" is the least processor time, which a busy machine disturbs less. Reading the arrays into
grey pictures is part of every row of ours and of none of the plain ones. Largest deviation is
between the two; measures of our own have no plain version.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from piafusion.imaging.arrays import to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair
from piafusion.lab.data.folders import dataset_pairs
from piafusion.metrics import SPECS, Box, evaluate
from tests.reference.plain_metrics import METRICS

PAPER = ("MI", "SD", "VIF", "Qabf")
FIELD = tuple(name for name, spec in SPECS.items() if not spec.needs)
SETS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in SPECS},
    "the paper's four": PAPER,
    "all but FMI": tuple(name for name in FIELD if not name.startswith("FMI")),
    "all of the field": FIELD,
    "all": tuple(SPECS),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plain-rounds", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)

    pair = dataset_pairs(options.data).pairs[0]
    ir, vi = read_pair(pair.infrared, pair.visible)
    fused = np.maximum(vi, ir if vi.ndim == 2 else ir[..., None])
    height, width = ir.shape
    person = Box(0, height // 4, height * 3 // 4, width // 4, width * 3 // 4)
    fits = [name for name, spec in SPECS.items() if min(ir.shape) >= spec.minimum_size]
    sets = {label: names for label, names in SETS.items() if set(names) <= set(fits)}
    greys = [np.floor(luminance(to_unit(image)) * 255.0 + 0.5) for image in (ir, vi, fused)]
    doubles = [grey.astype(np.float64) for grey in greys]

    ours: dict[str, list[tuple[float, float]]] = {label: [] for label in sets}
    plain: dict[str, list[tuple[float, float]]] = {name: [] for name in fits if name in METRICS}
    deviations = {}
    for _ in range(options.rounds):
        for label, names in sets.items():
            score = partial(evaluate, ir, vi, fused, metrics=names, boxes=[person])
            ours[label].append(_time(score))
    values = evaluate(*[grey.astype(np.uint8) for grey in greys], metrics=fits)
    for name in plain:
        for _ in range(options.plain_rounds):
            plain[name].append(_time(lambda name=name: METRICS[name](*doubles)))
        deviations[name] = abs(values[name] - METRICS[name](*doubles))

    print(f"{width}x{height}, {options.rounds} rounds, milliseconds, one thread\n")
    print("| metric | least | median | processor | plain | times | deviation |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for label, names in sets.items():
        wall, processor = zip(*ours[label], strict=True)
        known = all(name in plain for name in names)
        of_plain = sum(min(plain[name])[0] for name in names) if known else float("nan")
        cells = [
            *_milliseconds([min(wall), median(wall), min(processor), of_plain]),
            f"{of_plain / min(wall):.0f}" if known else "",
            f"{deviations[label]:.0e}" if label in deviations else "",
        ]
        print(f"| {label} | {' | '.join(cells)} |")


def _time(work: Callable[[], object]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def _milliseconds(seconds: Sequence[float]) -> list[str]:
    return [
        "" if np.isnan(value) else f"{1000 * value:.{1 if value < 0.1 else 0}f}"
        for value in seconds
    ]


if __name__ == "__main__":
    main()
