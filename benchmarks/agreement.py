"""Check on real pairs that the engines agree, that grey stays grey and colour is kept.

    python benchmarks/agreement.py DATA [--pairs 5]

For each shipped fusion model: the largest difference of torch and, where it is installed, of
OpenVINO from ONNX Runtime in grey levels of 8 bits, before rounding; the largest difference
between the channels of a fused image whose visible image is grey; and the largest change of Cb
and Cr, in grey levels, where no channel of the fused image is 0 or 255.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from piafusion import Fuser
from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair
from piafusion.lab.data.folders import dataset_pairs
from piafusion.weights import load_manifest


def main() -> None:
    """Print one row per model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()

    found = dataset_pairs(options.data).pairs
    pairs = found[:: max(1, len(found) // options.pairs)][: options.pairs]
    print(f"{len(pairs)} pairs of {options.data}; grey levels of 8 bits")
    others = {"torch": {"engine": "torch"}}
    if find_spec("openvino"):
        others["openvino"] = {"device": "openvino"}
    heads = "".join(f"{f'{other} - onnx':>18}" for other in others)
    print(f"{'':16}{heads}{'grey':>8}{'Cb, Cr':>8}")
    for name, record in load_manifest().items():
        if record.kind != "fusion":
            continue
        by_onnx = Fuser(name, device="cpu")
        engines = {other: Fuser(name, **choice).engine for other, choice in others.items()}
        differences: dict[str, list[float]] = {other: [] for other in others}
        greys, chromas = [], []
        for pair in pairs:
            ir, vi = read_pair(pair.infrared, pair.visible)
            inputs = to_unit(ir)[None, None], luminance(to_unit(vi))[None, None]
            expected = by_onnx.engine.fuse(*inputs)
            for other, engine in engines.items():
                apart = 255 * np.abs(engine.fuse(*inputs) - expected)
                differences[other].append(float(apart.max()))
            grey = vi if vi.ndim == 2 else vi[..., 1]
            of_grey = by_onnx(ir, np.stack([grey] * 3, axis=2)).astype(int)
            greys.append(int(np.ptp(of_grey, axis=2).max()))
            if vi.ndim == 3:
                chromas.append(_chroma_change(vi, by_onnx(ir, vi)))
        largest = "".join(f"{max(values):18.4f}" for values in differences.values())
        row = f"{largest}{max(greys):8d}{max(chromas, default=0.0):8.3f}"
        print(f"{name:16}{row}")


def _chroma_change(visible: Image, fused: Image) -> float:
    """Return the largest change of Cb or Cr in grey levels where nothing is clipped."""
    before, after = visible.astype(np.float64), fused.astype(np.float64)
    unclipped = ((fused > 0) & (fused < 255)).all(axis=2)
    changes = [
        np.abs((after[..., c] - luminance(after)) - (before[..., c] - luminance(before))) / scale
        for c, scale in ((2, 1.772), (0, 1.402))
    ]
    return float(np.max(changes, axis=0)[unclipped].max())


if __name__ == "__main__":
    main()
