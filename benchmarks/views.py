"""Time every view of a pair beside its fusion, in one thread.

    python -m benchmarks.views [--size WxH] [--model NAME] [--rounds N] [--sheet FILE]

Milliseconds of processor time, the least of the rounds, which a busy machine disturbs less than the
clock; in every round the pair is fused and each view is drawn once. Aligned: the infrared has half
of the size and is brought onto the visible picture, and its values are 32-bit floats. `--sheet`
draws the views of the shipped scenes instead (docs/pictures/views.jpg).
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from piafusion import Fuser
from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import read_pair
from piafusion.imaging.views import VIEWS, Seen, parse_view
from piafusion.lab.data.folders import dataset_pairs
from piafusion.lab.evaluation.timing import processor_name, scene
from piafusion.scenes.synthetic import demo_scenes_root


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="640x480", metavar="WxH")
    parser.add_argument("--model", default="piafusion-fast")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    if options.sheet:
        write_sheet(options.sheet)
        return
    cv2.setNumThreads(1)

    width, height = (int(side) for side in options.size.split("x"))
    infrared, visible = scene(width, height)
    fuser = Fuser(options.model, "cpu", threads=1)
    fused = fuser(infrared, visible)
    thermal, _ = fuser.tone(infrared)
    small = cv2.resize(infrared, (width // 2, height // 2)).astype(np.float32)
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    sizes = (height // 2, width // 2), (height, width)
    rig = Alignment.of("similarity", half, *sizes, Quality(0, 0, 0, 0, 0))

    work: dict[tuple[str, str], Callable[[], object]] = {
        ("the fusion itself", "as it is"): lambda: fuser(infrared, visible)
    }
    for name, kind in VIEWS.items():
        for bar in (False, True)[: 1 + (kind.paint is not None)]:
            view, label = parse_view(name, bar=bar), name + " with a bar" * bar
            work[label, "as it is"] = lambda view=view: view(
                Seen(visible, thermal, fused, infrared)
            )
            work[label, "aligned"] = lambda view=view: view(
                Seen(visible, small / 255, fused, small, rig)
            )
    least: dict[tuple[str, str], float] = defaultdict(lambda: np.inf)
    for _ in range(options.rounds):
        for key, function in work.items():
            start = time.process_time()
            function()
            least[key] = min(least[key], time.process_time() - start)
    fusion = least["the fusion itself", "as it is"]
    print(f"{options.size}, {options.model}, one thread, {processor_name()}\n")
    print("| view | ms | aligned, ms | share of the fusion |\n| --- | --- | --- | --- |")
    for label in dict.fromkeys(label for label, _ in work):
        times = [least[label, how] for how in ("as it is", "aligned")]
        texts = [f"{1000 * seconds:.2f}" if np.isfinite(seconds) else "" for seconds in times]
        print(f"| {label} | {' | '.join(texts)} | {times[0] / fusion:.0%} |")


def write_sheet(path: Path) -> None:
    """Write the views of both shipped scenes, two rows of four for each, as JPEG."""
    shown = (
        ("fused", "edges", "palette", "hot:98%"),
        ("isotherm", "inset", "blend", "checker"),
    )
    parts = []
    for specs in shown:
        rows = []
        for pair in dataset_pairs(demo_scenes_root()).pairs:
            both = read_pair(pair.infrared, pair.visible)
            row = {spec: Fuser(view=spec)(*both) for spec in specs}
            rows.append(
                {
                    spec: cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
                    for spec, picture in row.items()
                }
            )
        parts.append(contact_sheet(rows))
    sheet = np.vstack(parts)[..., ::-1]
    if not cv2.imwrite(str(path), sheet, (cv2.IMWRITE_JPEG_QUALITY, 76)):
        raise SystemExit(f"{path}: expected a file that can be written; choose another place")


if __name__ == "__main__":
    main()
