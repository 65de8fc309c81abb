"""Score the shipped models on a dataset folder beside the average and the maximum.

    python benchmarks/quality.py DATA [--models NAME...] [--record] [--sheet OUT.png] [--every N]

DATA holds `ir` and `vi`. MI, SD, SF, VIF and Qabf follow the float convention of
`piafusion.metrics`. "reversed" is the share of strong edges, in percent, whose fused gradient
points against that of the source that has the stronger one there: black outlines show in it.
NAME is a model, or NAME@STRENGTH.
Below each mean stands its 95 % interval, by bootstrap over the pairs; where names end in D or N,
day and night follow apart. `--record` puts means and intervals into the manifest of the shipped
weights. `--sheet` writes a contact sheet of every eighth pair, or every N-th.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from piafusion import Fuser
from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import read_pair, write_image
from piafusion.lab.data.folders import dataset_name, dataset_pairs, is_day
from piafusion.lab.evaluation.methods import BASELINES
from piafusion.lab.evaluation.statistics import mean_interval
from piafusion.metrics import evaluate
from piafusion.weights import add_scores, fusion_models

METRICS = ("MI", "SD", "SF", "VIF", "Qabf")
REVERSED = "reversed"
COMMAND = "python benchmarks/quality.py DATA --record"
STRONG_EDGE = 0.5  # of abs(gx) + abs(gy) by Sobel on [0, 1]: a step of an eighth of the range

Method = Callable[[Image, Image], Image]


def main() -> None:
    """Print a table of means, one row per method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    shipped = fusion_models()
    at_one = [f"{name}@1" for name in shipped if Fuser(name).strength is not None]
    parser.add_argument("--models", nargs="*", default=[*shipped, *at_one], metavar="NAME")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--every", type=int, default=8, metavar="N")
    options = parser.parse_args()

    methods: dict[str, Method] = {name: Fuser(method=name) for name in BASELINES}
    methods.update({name: _fuser(name) for name in options.models})
    rows: dict[str, list[list[float]]] = {name: [] for name in methods}
    sheet = []
    pairs = dataset_pairs(options.data).pairs
    for index, pair in enumerate(pairs):
        ir, vi = read_pair(pair.infrared, pair.visible)
        pictures: dict[str, Image] = {"infrared": ir, "visible": vi}
        for name, method in methods.items():
            pictures[name] = fused = method(ir, vi)
            scores = evaluate(ir, vi, fused, metrics=METRICS)
            rows[name].append([*scores.values(), _reversed_edges(ir, vi, fused)])
        if index % options.every == 0:
            sheet.append(pictures)

    columns = (*METRICS, REVERSED)
    print(f"{len(pairs)} pairs of {options.data}, means and 95 % intervals")
    print(f"{'':16}" + "".join(f"{column:>16}" for column in columns))
    lights = [is_day(pair.stem) for pair in pairs]
    for name, scores in rows.items():
        table = np.array(scores)
        print(_line(name, [f"{value:.3f}" for value in table.mean(axis=0)]))
        low, high = mean_interval(table)
        print(_line("", [f"{a:.3f}..{b:.3f}" for a, b in zip(low, high, strict=True)]))
        for light, title in ((True, "  by day"), (False, "  by night")):
            if light in lights:
                part = table[[each is light for each in lights]]
                print(_line(title, [f"{value:.3f}" for value in part.mean(axis=0)]))
        if options.record and name in options.models:
            means = dict(zip(columns, map(float, table.mean(axis=0)), strict=True))
            ends = ((float(a), float(b)) for a, b in zip(low, high, strict=True))
            model, at, strength = name.partition("@")
            data = dataset_name(options.data)
            add_scores(
                model,
                f"{data}, strength {strength}" if at else data,
                {"pairs": len(pairs), **means},
                COMMAND,
                intervals=dict(zip(columns, ends, strict=True)),
            )
    if options.sheet:
        write_image(options.sheet, contact_sheet(sheet), overwrite=True)


def _fuser(name: str) -> Fuser:
    model, at, strength = name.partition("@")
    # In float, as a picture is the same on every machine.
    return Fuser(model=model, strength=float(strength) if at else None, precision="float")


def _line(name: str, cells: list[str]) -> str:
    return f"{name:16}" + "".join(f"{cell:>16}" for cell in cells)


def _reversed_edges(infrared: Image, visible: Image, fused: Image) -> float:
    """Return the percentage of strong edges that the fused image shows the wrong way round."""
    of_ir, of_vi, of_fused = (
        np.stack([cv2.Sobel(y, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1))])
        for y in (luminance(to_unit(image)) for image in (infrared, visible, fused))
    )
    strength_ir, strength_vi = np.abs(of_ir).sum(axis=0), np.abs(of_vi).sum(axis=0)
    stronger = np.where(strength_ir > strength_vi, of_ir, of_vi)
    strong = np.maximum(strength_ir, strength_vi) > STRONG_EDGE
    against = (stronger * of_fused).sum(axis=0) < 0
    return float(100 * against[strong].mean()) if strong.any() else 0.0


if __name__ == "__main__":
    main()
