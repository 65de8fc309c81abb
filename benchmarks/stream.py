"""Fuse a long stream of pairs and watch the memory.

    python benchmarks/stream.py [--model NAME] [--device NAME] [--size WxH] [--frames N]

Prints the resident memory of this process after each twentieth of the frames, then the peak, the
growth over the second half, which is 0 where nothing leaks, and the frames per second.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from piafusion import Fuser
from piafusion.lab.evaluation.timing import memory_mib, scene
from piafusion.weights import DEFAULT_MODEL

REPORTS = 20


def main() -> None:
    """Print memory and speed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", default="640x480", metavar="WxH")
    parser.add_argument("--frames", type=int, default=2000)
    options = parser.parse_args()

    width, height = (int(side) for side in options.size.split("x"))
    fuser = Fuser(options.model, options.device)
    infrared, visible = scene(width, height)
    print(f"{options.model} on {fuser.engine.device}, {width}x{height}, {options.frames} frames")
    held: list[float] = []
    began = time.perf_counter()
    for frame in range(1, options.frames + 1):
        # Each pair is another array with another content, as from a camera.
        fuser(np.roll(infrared, frame, axis=1), np.roll(visible, frame, axis=1))
        if frame % max(1, options.frames // REPORTS) == 0:
            held.append(memory_mib() or float("nan"))
            print(f"  frame {frame:6d}: {held[-1]:7.1f} MiB")
    seconds = time.perf_counter() - began
    growth = held[-1] - held[len(held) // 2]
    print(
        f"peak {memory_mib('VmHWM') or float('nan'):.1f} MiB, growth over the second half "
        f"{growth:.1f} MiB, {options.frames / seconds:.1f} frames/s"
    )


if __name__ == "__main__":
    main()
