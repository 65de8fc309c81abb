"""Write the pictures at which FusionGAN's content loss is least, without a network.

    python benchmarks/content_optimum.py PAIRS FOLDER

The loss is the squared difference to the infrared picture and five times the squared difference of
the Laplacians of the fused and the visible picture (`piafusion.lab.models.comparison.fusiongan`).
With mirrored borders its least is found exactly, frequency by frequency of the cosine transform.
The pictures are stretched, as the method's authors stretch theirs. `piafusion evaluate PAIRS
--method content=FOLDER` scores them: how near can a network come that minimises this loss?
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from piafusion.imaging.arrays import from_unit, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair, write_image
from piafusion.lab.data.folders import dataset_pairs
from piafusion.lab.models.comparison.fusiongan import GRADIENTS
from piafusion.methods.learned import stretch

Floats = NDArray[np.float64]


def main() -> None:
    """Write a picture for each pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for pair in dataset_pairs(options.pairs).pairs:
        infrared, visible = map(to_unit, read_pair(pair.infrared, pair.visible))
        fused = optimum(infrared.astype(float), luminance(visible).astype(float))
        levels = from_unit(stretch(fused.astype(np.float32)), np.dtype(np.uint8))
        write_image(options.folder / f"{pair.visible.stem}.png", levels)


def optimum(infrared: Floats, y: Floats) -> Floats:
    """Return the picture of the least loss; all are H x W."""
    down, across = (2 * np.cos(np.pi * np.arange(n) / n) - 2 for n in infrared.shape)
    gain = GRADIENTS * (down[:, None] + across) ** 2  # of the Laplacian, squared
    shares = (dctn(infrared) + gain * dctn(y)) / (1 + gain)
    return np.asarray(idctn(shares))


if __name__ == "__main__":
    main()
