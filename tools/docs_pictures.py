"""Make pictures of the tutorials, docs/pictures/alignment.jpg and tone.jpg.

    python tools/docs_pictures.py VEHICLE DRONE

The arguments are the folders in which the commands of docs/tutorials/vehicle.md and drone.md ran.
page.jpg, live.jpg and report.jpg beside them are photographs of a browser's window, 1280 pixels
wide.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


def main(vehicle: Path, drone: Path) -> None:
    """Write both pictures."""
    street = "00010D.png"
    cut = np.s_[150:330, 400:640]  # people beside the road
    pair = [cv2.imread(str(vehicle / name / street))[cut] for name in ("unaligned", "aligned")]
    write("alignment.jpg", [cv2.resize(half, None, fx=2, fy=2) for half in pair])

    counts = cv2.imread(str(drone / "raw/00021N.tiff"), cv2.IMREAD_UNCHANGED)
    low, high = np.percentile(counts, (1, 99))
    spread = np.clip((counts - low) / (high - low), 0, 1) * 255
    grey = [counts >> 8, spread]
    shown = [cv2.cvtColor(part.astype(np.uint8), cv2.COLOR_GRAY2BGR) for part in grey]
    shown.append(cv2.imread(str(drone / "fused/00021N.png")))
    write(
        "tone.jpg", [cv2.resize(part, (400, 300), interpolation=cv2.INTER_AREA) for part in shown]
    )


def write(name: str, parts: list[np.ndarray]) -> None:
    """Write parts beside each other, with a white gap."""
    gap = np.full((parts[0].shape[0], 8, 3), 255, np.uint8)
    row = np.hstack([piece for part in parts for piece in (gap, part)][1:])
    cv2.imwrite(str(PICTURES / name), row, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
