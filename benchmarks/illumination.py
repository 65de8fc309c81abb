"""Count how often the illumination network is right on a dataset folder with names in D or N.

    python benchmarks/illumination.py DATA [--record]

Reports the share of whole images and of their 64x64 patches that are classified right, and
the images that are not. `--record` puts the shares into the manifest of the shipped weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from piafusion import Illumination
from piafusion.datasets.folders import dataset_name, dataset_pairs, is_day
from piafusion.imaging.arrays import as_visible
from piafusion.imaging.io import read_image
from piafusion.weights import add_scores

PATCH = 64  # pixels


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()

    estimate = Illumination()
    images = patches = right_images = right_patches = 0
    for pair in dataset_pairs(options.data).pairs:
        visible, day = read_image(pair.visible, check=as_visible), is_day(pair.stem)
        if day is None:
            continue
        expected = "day" if day else "night"
        light = estimate(visible)
        images += 1
        right_images += light.label == expected
        if light.label != expected:
            print(f"wrong: {pair.stem}, day {light.day:.3f}")
        height, width = visible.shape[:2]
        for top in range(0, height - PATCH + 1, PATCH):
            for left in range(0, width - PATCH + 1, PATCH):
                patches += 1
                patch = visible[top : top + PATCH, left : left + PATCH]
                right_patches += estimate(patch).label == expected
    print(f"images right:  {right_images} of {images} ({right_images / images:.1%})")
    print(f"patches right: {right_patches} of {patches} ({right_patches / patches:.1%})")
    if options.record:
        shares = {
            "images": images,
            "images_right": right_images / images,
            "patches_right": right_patches / patches,
        }
        command = "python benchmarks/illumination.py DATA --record"
        add_scores("illumination", dataset_name(options.data), shares, command)


if __name__ == "__main__":
    main()
