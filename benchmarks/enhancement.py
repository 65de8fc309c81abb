"""Measure what the dark channel prior does to noisy, flat infrared pictures.

    python benchmarks/enhancement.py [--scenes 20] [--size 640x480] [--sheet FILE]

Synthetic scenes by day, at dusk and by night are stored as MFNet stores its pictures, RGB and
thermal in four channels, the thermal one flat (level = 90 + 0.35 x, for x the scene's) and noisy
(deviation 5 of 255). Before and after `enhance`: contrast, the standard deviation of the levels;
the difference between people and the rest; and the signal to noise, from two pictures of a scene
that differ in their noise alone: the variance of what they share over that of the noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from piafusion.imaging.arrays import Image
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import write_image
from piafusion.lab.data.dark_channel import enhance
from piafusion.scenes.synthetic import CLASSES, labelled_scene

HOURS = (1.0, 0.2, 0.0)
FLOOR, GAIN, NOISE = 90, 0.35, 5.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))

    figures = []
    rows: list[dict[str, Image]] = []
    for seed in range(options.scenes):
        daylight = HOURS[seed % len(HOURS)]
        scene = labelled_scene(seed, daylight=daylight, height=height, width=width)
        people = scene.labels == CLASSES.index("person")
        before = [_four_channels(scene.infrared, scene.visible, seed, i)[..., 3] for i in (0, 1)]
        after = [enhance(picture) for picture in before]
        figures.append([value for pair in (before, after) for value in _figures(pair, people)])
        if len(rows) < len(HOURS):
            rows.append({"before": before[0], "after": after[0], "truth": scene.infrared})
    contrast, people_off, noise, contrast_after, people_after, noise_after = np.nanmean(
        figures, axis=0
    )
    table = np.array(figures)
    print(f"{options.scenes} scenes of {options.size}, means before and after:")
    print(
        f"contrast {contrast:.1f} to {contrast_after:.1f} levels "
        f"(higher in {(table[:, 3] > table[:, 0]).sum()} scenes)"
    )
    print(f"people over the rest {people_off:.1f} to {people_after:.1f} levels")
    print(
        f"signal to noise {noise:.1f} to {noise_after:.1f} dB "
        f"(higher in {(table[:, 5] > table[:, 2]).sum()} scenes)"
    )
    if options.sheet:
        write_image(options.sheet, contact_sheet(rows), overwrite=True)


def _four_channels(infrared: Image, visible: Image, seed: int, copy: int) -> Image:
    """Return RGB and a flat, noisy thermal channel, uint8 H x W x 4."""
    noise = np.random.default_rng((seed, copy)).normal(0, NOISE, infrared.shape)
    levels = np.clip(np.rint(FLOOR + GAIN * infrared + noise), 0, 255).astype(np.uint8)
    return np.dstack([visible, levels])


def _figures(pictures: list[Image], people: Image) -> list[float]:
    one, other = (picture.astype(float) for picture in pictures)
    noise = (one - other).var() / 2
    signal = ((one + other) / 2).var() - noise / 2
    apart = one[people].mean() - one[~people].mean() if people.any() else np.nan
    return [one.std(), apart, 10 * np.log10(signal / noise)]


if __name__ == "__main__":
    main()
