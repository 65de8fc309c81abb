"""Measure how long each comparison method and the default model take for one pair.

    python benchmarks/running_times.py [--size 640x480] [--rounds 3]

What is measured is the processor's time of one thread, from arrays to array, after a first call:
on a machine with other work it says what the clock would say on one that is idle. The shipped
day scene is fused, brought to the size asked for.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from piafusion import Fuser
from piafusion.imaging.io import read_pair
from piafusion.lab.data.folders import dataset_pairs
from piafusion.methods import list_methods
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.weights import DEFAULT_MODEL


def main() -> None:
    """Print a table in Markdown: milliseconds, the least and the most beside the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    pair = dataset_pairs(demo_scenes_root()).pairs[0]
    infrared, visible = (
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in read_pair(pair.infrared, pair.visible)
    )
    cv2.setNumThreads(1)
    print(f"{options.size}, one thread, {options.rounds} rounds after the first")
    print("| method | ms | least to most |\n| --- | --- | --- |")
    for name in (*list_methods(), DEFAULT_MODEL):
        is_method = name in list_methods()
        fuser = Fuser(method=name, threads=1) if is_method else Fuser(name, threads=1)
        fuser(infrared, visible)
        times = []
        for _ in range(options.rounds):
            start = time.process_time()
            fuser(infrared, visible)
            times.append(1000 * (time.process_time() - start))
        least, most = min(times), max(times)
        print(f"| `{name}` | {np.median(times):,.0f} | {least:,.0f} to {most:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
