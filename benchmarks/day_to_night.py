"""Measure the illumination network over synthetic scenes from day to night.

    python benchmarks/day_to_night.py [--scenes 50] [--steps 11] [--sheet FILE]

For each scene, the rank correlation (Spearman) between how far it is from noon to night and the
day probability: -1 is a probability that falls at every step. Then the mean day probability and
the mean level of the visible picture at each step, and the rate at which pairs were made on one
core, without and with the painting of the parts. `--sheet` writes some of the scenes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from piafusion import Illumination
from piafusion.imaging.arrays import Image
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import write_image
from piafusion.scenes.synthetic import labelled_scene


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--steps", type=int, default=11)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))

    cv2.setNumThreads(1)
    estimate = Illumination()
    hours = np.linspace(1.0, 0.0, options.steps)
    day = np.empty((options.scenes, options.steps))
    level, cost = np.empty_like(day), np.empty_like(day)
    for seed in range(options.scenes):
        for step, daylight in enumerate(hours):
            began = time.process_time()
            scene = labelled_scene(seed, daylight=float(daylight), height=height, width=width)
            cost[seed, step] = time.process_time() - began
            day[seed, step] = estimate(scene.visible).day
            level[seed, step] = scene.visible.mean()
    correlations = np.array([_spearman(row) for row in day])
    print(
        f"{options.scenes} scenes, {options.steps} steps from day to night: Spearman "
        f"median {np.median(correlations):.3f}, worst {correlations.max():.3f}; "
        f"{(correlations <= -0.9).sum()} of {options.scenes} at -0.9 or better; "
        f"all scenes together {_spearman(day.mean(axis=0)):.3f} (mean curve)"
    )
    for step, daylight in enumerate(hours):
        print(
            f"daylight {daylight:.2f}: day probability {day[:, step].mean():.3f} "
            f"({day[:, step].min():.3f}..{day[:, step].max():.3f}), "
            f"mean level {level[:, step].mean():.0f}"
        )
    late = cost[options.scenes // 2 :]
    print(
        f"{late.size / late.sum():.1f} pairs of {options.size} a second on one core, "
        f"{cost.size / cost.sum():.1f} with the painting of the parts"
    )
    if options.sheet:
        write_image(options.sheet, contact_sheet(_rows(height, width)), overwrite=True)


def _spearman(probabilities: np.ndarray) -> float:
    """Rank correlation with the position; 0 if nothing varies."""
    _, places, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        return 0.0
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # ties share the mean of their ranks
    return float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1])


def _rows(height: int, width: int) -> list[dict[str, Image]]:
    rows = []
    for seed in range(4):
        row: dict[str, Image] = {}
        for name, daylight in (("day", 1.0), ("dusk", 0.2), ("night", 0.0)):
            scene = labelled_scene(seed, daylight=daylight, height=height, width=width)
            for kind, image in (("", scene.visible), (", infrared", scene.infrared)):
                size = (width // 2, height // 2)
                small = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
                row[name + kind] = small
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
