"""Compare the pictures of a model in bf16 or int8 with those in float.

    python benchmarks/precision.py DATA [--model piafusion-fast] [--precision int8] [--device cpu]

Per strength (0.5, the natural picture, and 1, what the fusion network itself gives): the difference
of the fused luminance in grey levels of 8 bits, before rounding (mean, 99.9th percentile, largest,
and the share of pixels in steps of it), and the change of VIF and Qabf.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from piafusion import Fuser
from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair
from piafusion.lab.data.folders import dataset_pairs
from piafusion.metrics import evaluate

METRICS = ("VIF", "Qabf")
STEPS = (0, 0.25, 0.5, 1, 2, 4, 8, 256)


def main() -> None:
    """Print some lines per strength."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="piafusion-fast")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    pairs = dataset_pairs(options.data).pairs
    for strength in (0.5, 1.0):
        exact = Fuser(options.model, "cpu", strength=strength, precision="float")
        other = Fuser(options.model, options.device, strength=strength, precision=options.precision)
        apart, scores = [], []
        for pair in pairs:
            ir, vi = read_pair(pair.infrared, pair.visible)
            one, two = (fuser(ir, to_unit(vi)) for fuser in (exact, other))
            apart.append(255 * np.abs(_y(one) - _y(two)).ravel())
            scores.append([list(evaluate(ir, vi, each, METRICS).values()) for each in (one, two)])
        levels = np.concatenate(apart)
        shares = np.histogram(levels, STEPS)[0] / len(levels)
        before, after = np.mean(scores, axis=0)
        print(
            f"{len(pairs)} pairs of {options.data}, strength {strength}: mean {levels.mean():.3f}, "
            f"99.9 % {np.quantile(levels, 0.999):.2f}, largest {levels.max():.1f}"
        )
        parts = zip(STEPS, STEPS[1:], shares, strict=False)
        print("  " + ", ".join(f"{low:g} to {high:g}: {share:.4%}" for low, high, share in parts))
        changes = zip(METRICS, before, after - before, strict=True)
        print("  " + ", ".join(f"{name} {was:.4f} {by:+.4f}" for name, was, by in changes))


def _y(image: Image) -> Image:
    return image if image.ndim == 2 else luminance(image)


if __name__ == "__main__":
    main()
