"""Fuse the shipped scenes with every comparison method onto one contact sheet.

    python benchmarks/methods.py OUT.jpg

The default model comes last; six columns, then the next six, then the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from piafusion import Fuser
from piafusion.imaging.arrays import Image
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import read_pair, write_image
from piafusion.lab.data.folders import dataset_pairs
from piafusion.methods import list_methods
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.weights import DEFAULT_MODEL

COLUMNS = 6


def main() -> None:
    """Write the sheet, at two fifths of the size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    fusers = {name: Fuser(method=name) for name in list_methods()} | {DEFAULT_MODEL: Fuser()}
    scenes = []
    for pair in dataset_pairs(demo_scenes_root()).pairs:
        infrared, visible = read_pair(pair.infrared, pair.visible)
        pictures: dict[str, Image] = {"infrared": infrared, "visible": visible}
        pictures |= {name: fuser(infrared, visible) for name, fuser in fusers.items()}
        scenes.append(pictures)
    titles = list(scenes[0])
    parts = [titles[start : start + COLUMNS] for start in range(0, len(titles), COLUMNS)]
    sheet = np.vstack(
        [
            contact_sheet([{title: each[title] for title in part} for each in scenes])
            for part in parts
        ]
    )
    small = cv2.resize(sheet, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    write_image(options.output, small, overwrite=True)


if __name__ == "__main__":
    main()
