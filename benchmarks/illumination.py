"""Measure the illumination network on a dataset folder with names in D or N.

    python benchmarks/illumination.py DATA [--record]

For whole images and for their 64x64 patches: accuracy by day, by night and balanced (the mean of
both), and the expected calibration error, the mean distance between the probability of the
chosen label and how often it is right, over ten equal bins weighted by their size. Then the day
probability of the images in the order of their names, block by block. `--record` puts the
figures into the manifest of the shipped weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from piafusion import Illumination
from piafusion.imaging.arrays import as_visible
from piafusion.imaging.io import read_image
from piafusion.lab.data.folders import dataset_name, dataset_pairs, is_day, neighbours
from piafusion.weights import add_scores

PATCH = 64  # pixels
BINS = 10


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()

    estimate = Illumination()
    images: dict[str, float] = {}
    patches: list[tuple[float, bool]] = []
    for pair in dataset_pairs(options.data).pairs:
        day = is_day(pair.stem)
        if day is None:
            continue
        visible = read_image(pair.visible, check=as_visible)
        images[pair.stem] = estimate(visible).day
        height, width = visible.shape[:2]
        patches += [
            (estimate(visible[top : top + PATCH, left : left + PATCH]).day, day)
            for top in range(0, height - PATCH + 1, PATCH)
            for left in range(0, width - PATCH + 1, PATCH)
        ]
    figures: dict[str, float] = {"images": len(images), "patches": len(patches)}
    for name, rows in (
        ("images", [(probability, bool(is_day(stem))) for stem, probability in images.items()]),
        ("patches", patches),
    ):
        probability, label = np.array([p for p, _ in rows]), np.array([day for _, day in rows])
        right = (probability > 0.5) == label
        shares = {
            light: float(right[label == is_light].mean())
            for light, is_light in (("day", True), ("night", False))
            if (label == is_light).any()
        }
        balanced = float(np.mean(list(shares.values())))
        error = _calibration_error(probability, right)
        by_light = ", ".join(f"{light} {share:.1%}" for light, share in shares.items())
        print(
            f"{name}: {right.sum()} of {right.size} right ({by_light}, balanced {balanced:.1%}), "
            f"calibration error {error:.3f}"
        )
        figures.update({f"{name}_balanced": balanced, f"{name}_calibration_error": error})
    print("day probability of the images, mean (least..most), by block of neighbours:")
    for block in neighbours(list(images)):
        values = [images[stem] for stem in block]
        spread = f"{np.mean(values):.3f} ({min(values):.3f}..{max(values):.3f})"
        print(f"  {block[0]} to {block[-1]}, {len(block)}: {spread}")
    if options.record:
        command = "python benchmarks/illumination.py DATA --record"
        add_scores("illumination", dataset_name(options.data), figures, command)


def _calibration_error(day: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of the chosen label."""
    confidence = np.maximum(day, 1 - day)
    chosen = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return sum(
        float(
            abs(confidence[chosen == i].mean() - right[chosen == i].mean()) * (chosen == i).mean()
        )
        for i in np.unique(chosen)
    )


if __name__ == "__main__":
    main()
