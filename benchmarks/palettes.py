"""False colours back to levels: how far from what was painted, after JPEG and after video.

    python benchmarks/palettes.py DATA/ir [--every 15]

Each infrared picture of the folder is painted in each palette, compressed with half of the chroma
(4:2:0), and turned back. The table has the mean and the 99th percentile of the error, in levels of
255, and the share of the pixels that are within 2.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from piafusion.imaging.false_colour import to_levels
from piafusion.imaging.io import read_infrared
from piafusion.imaging.pairs import list_images
from piafusion.imaging.palettes import NAMES, palette
from piafusion.video.frames import to_infrared
from piafusion.video.sources import open_source

JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
)


def by_jpeg(painted: np.ndarray, name: str, folder: Path) -> np.ndarray:
    """Return the levels of a painted picture, after JPEG."""
    del folder
    data = cv2.imencode(".jpg", painted[..., ::-1], JPEG)[1]
    return to_levels(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], name)


def by_video(painted: np.ndarray, name: str, folder: Path) -> np.ndarray:
    """Return the levels of a painted picture, after H.264."""
    path = folder / "painted.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", Fraction(25), {"crf": "1"})
        stream.height, stream.width = painted.shape[:2]
        stream.pix_fmt = "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(painted, format="rgb24")))
        file.mux(stream.encode())
    source = open_source(str(path))
    try:
        return next(source.frames(to_infrared(name))).image
    finally:
        source.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("infrared", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take one picture of so many")
    given = parser.parse_args()
    pictures = [read_infrared(path) for path in list_images(given.infrared)[:: given.every]]
    even = [picture[: len(picture) & -2, : picture.shape[1] & -2] for picture in pictures]
    print("| palette | JPEG: mean, 99 % | within 2 | video: mean, 99 % | within 2 |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            cells = [name]
            for through in (by_jpeg, by_video):
                off = [
                    np.abs(through(palette(name)[each], name, Path(folder)).astype(int) - each)
                    for each in even
                ]
                errors = np.concatenate([each.ravel() for each in off])
                cells.append(f"{errors.mean():.2f}, {np.percentile(errors, 99):.0f}")
                cells.append(f"{100 * np.mean(errors <= 2):.1f} %")
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
