"""Measures that the usual metrics lack: how far colours bleach by day and people stand out.

Naturalness is measured where the visible picture is well exposed: nothing is missing there, so the
fused picture should change nothing. Target contrast is measured on people in boxes that somebody
drew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import PiafusionError, UsageError
from piafusion.imaging.arrays import to_unit
from piafusion.metrics._spec import ALL, Arithmetic, Greys, MetricSpec

Plane = NDArray[np.floating[Any]]

EXPOSURE_SIGMA = 8.0
"""Pixels: the blur of the luminance that exposure is judged by."""
WELL_EXPOSED = (60.0, 215.0)
"""Grey levels between which the blurred luminance of a well exposed place lies."""
DAY = 95.0
"""Mean grey level of the luminance from which on a picture whose name says nothing is by day."""
RING = 0.5
"""Width of the ring around a box, as a share of its sides."""
LEAST_RING = 4
"""Pixels that the ring is wide at least."""
STANDS_OUT = 0.2
"""Share of the contrast between box and ring from which on a pixel belongs to the target."""
HOTTEST = 95
"""Percentile of the infrared in a box that its contrast is measured with."""
LEAST_CONTRAST = 8.0
"""Grey levels by which the infrared of a box has to exceed its ring for a target to be there."""
TARGETS = (0,)
"""Classes of the boxes whose contrast is measured: people."""
_STRIP = 16384  # colours that are compared at once: they stay in the processor's cache


class BoxError(PiafusionError):
    """A file of boxes cannot be used."""


def well_exposed(luminance: Plane) -> NDArray[np.bool_]:
    """Return where the visible picture shows all there is to see, H x W.

    Args:
        luminance: H x W on the 0..255 scale.
    """
    blurred = cv2.GaussianBlur(luminance, (0, 0), EXPOSURE_SIGMA)
    low, high = WELL_EXPOSED
    return np.asarray((blurred > low) & (blurred < high))


def bleach(fused: Plane, luminance: Plane) -> float:
    """Mean of max(F - Y, 0) over well exposed pixels, in grey levels; lower is better.

    Args:
        fused: Luminance of the fused picture, H x W on the 0..255 scale.
        luminance: The luminance of the visible picture.

    Returns:
        0 to 255 levels; NaN where no pixel is well exposed.
    """
    return _mean_rise(fused, luminance, well_exposed(luminance))


def _mean_rise(fused: Plane, luminance: Plane, places: NDArray[np.bool_]) -> float:
    if not places.any():
        return float("nan")
    return float(np.maximum(fused - luminance, 0)[places].mean(dtype=np.float64))


def colour_difference(
    fused: NDArray[Any], visible: NDArray[Any], places: NDArray[np.bool_]
) -> float:
    """Mean CIEDE2000 difference between two colour pictures; lower is better.

    Args:
        fused: H x W x 3, sRGB; uint8, uint16, or floating in [0, 1].
        visible: The same shape; the dtype may differ.
        places: H x W; the pixels that count.

    Returns:
        0 for equal pictures; 1 is about the least that an eye sees. NaN if no pixel counts.
    """
    if not places.any():
        return float("nan")
    one, other = fused[places], visible[places]
    total = 0.0
    for start in range(0, len(one), _STRIP):
        labs = (_lab(colours[start : start + _STRIP]) for colours in (one, other))
        total += float(ciede2000(*labs).sum(dtype=np.float64))
    return total / len(one)


def _lab(colours: NDArray[Any]) -> Plane:
    lab = cv2.cvtColor(to_unit(colours)[None], cv2.COLOR_RGB2LAB)
    return np.asarray(lab[0], dtype=np.float32)


def ciede2000(one: Plane, other: Plane) -> Plane:
    """Return the CIEDE2000 differences of colours given as L*, a*, b* in the last axis.

    Reference:
        G. Sharma, W. Wu, E. Dalal, The CIEDE2000 color-difference formula, Color Research and
        Application 30(1), 2005, whose symbols these are.
    """
    l1, a1, b1 = np.moveaxis(one, -1, 0)
    l2, a2, b2 = np.moveaxis(other, -1, 0)
    c_mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)
    grey = c1 * c2 == 0
    turn = h2 - h1
    turn = np.where(turn > 180, turn - 360, np.where(turn < -180, turn + 360, turn))
    turn = np.where(grey, 0, turn)
    d_l, d_c = l2 - l1, c2 - c1
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    total = h1 + h2
    h_mean = np.where(np.abs(h1 - h2) > 180, np.where(total < 360, total + 360, total - 360), total)
    h_mean = np.where(grey, total, h_mean / 2)
    t = (
        1
        - 0.17 * np.cos(np.radians(h_mean - 30))
        + 0.24 * np.cos(np.radians(2 * h_mean))
        + 0.32 * np.cos(np.radians(3 * h_mean + 6))
        - 0.20 * np.cos(np.radians(4 * h_mean - 63))
    )
    rotation = 30 * np.exp(-(((h_mean - 275) / 25) ** 2))
    r_c = 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    r_t = -np.sin(np.radians(2 * rotation)) * r_c
    lightness, chroma, hue = d_l / s_l, d_c / s_c, d_h / s_h
    square = lightness**2 + chroma**2 + hue**2 + r_t * chroma * hue
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def _hue(a: Plane, b: Plane) -> Plane:
    degrees = np.degrees(np.arctan2(b, a))
    return np.where(degrees < 0, degrees + 360, degrees)


@dataclass(frozen=True)
class Box:
    """A box around an object: class, and rows and columns in pixels (the last ones excluded)."""

    label: int
    top: int
    bottom: int
    left: int
    right: int


def read_boxes(path: Path, height: int, width: int) -> list[Box]:
    """Read a file of boxes: YOLO text, one a line: class, centre x, y, width, height as shares.

    Args:
        path: The file; an empty one has no boxes.
        height: The height of the picture, in pixels.
        width: Likewise.

    Raises:
        BoxError: If it cannot be read, or a line is malformed; the message names both.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BoxError(
            f"{path}: expected a text file of boxes, found {error}; write one box a line"
        ) from error
    boxes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            label, *shares = line.split()
            x, y, w, h = (float(share) for share in shares)
            box = _box(int(label), x, y, w, h, height, width)
        except (ValueError, OverflowError) as error:
            raise BoxError(
                f"{path}, line {number}: expected a class and centre x, y, width and height as "
                f"shares of the picture, found {line.strip()[:60]!r}; mend the line"
            ) from error
        boxes.append(box)
    return boxes


def _box(
    label: int, x: float, y: float, w: float, h: float, height: int, width: int
) -> Box:  # ValueError if it is none
    inside = 0 <= x <= 1 and 0 <= y <= 1 and 0 < w <= 1 and 0 < h <= 1
    if label < 0 or not inside:
        raise ValueError("not a share of the picture")
    rows = np.clip(np.rint([(y - h / 2) * height, (y + h / 2) * height]), 0, height).astype(int)
    columns = np.clip(np.rint([(x - w / 2) * width, (x + w / 2) * width]), 0, width).astype(int)
    return Box(label, int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1]))


@dataclass(frozen=True)
class Target:
    """A target's pixels and those of the ring around its box, within a window of the picture.

    Attributes:
        window: Rows and columns of the picture.
        body: Pixels of the window that belong to the target, bool.
        ring: Pixels of the window that surround it and lie in no box, bool.
    """

    window: tuple[slice, slice]
    body: NDArray[np.bool_]
    ring: NDArray[np.bool_]

    def contrast(self, picture: Plane) -> float:
        """Return the mean of the body minus the mean of the ring, in the picture's units."""
        part = picture[self.window]
        return float(part[self.body].mean() - part[self.ring].mean())


def find_targets(
    infrared: Plane, boxes: Sequence[Box], labels: Sequence[int] = TARGETS
) -> list[Target]:
    """Return the targets in boxes: pixels that are hotter than the ring around their box.

    Hotter by a fifth of the contrast, that is of the 95th percentile in the box minus the median
    of the ring. A box whose contrast is less than 8 levels, or that has no ring, has no target.

    Args:
        infrared: H x W on the 0..255 scale.
        boxes: The boxes of the picture; other objects are no part of a ring.
        labels: Classes that are targets.
    """
    height, width = infrared.shape
    taken = np.zeros(infrared.shape, bool)
    for box in boxes:
        taken[box.top : box.bottom, box.left : box.right] = True
    targets = []
    for box in boxes:
        if box.label not in labels or box.bottom <= box.top or box.right <= box.left:
            continue
        up = max(LEAST_RING, round(RING * (box.bottom - box.top) / 2))
        aside = max(LEAST_RING, round(RING * (box.right - box.left)))
        window = (
            slice(max(0, box.top - up), min(height, box.bottom + up)),
            slice(max(0, box.left - aside), min(width, box.right + aside)),
        )
        ring = ~taken[window]
        inside = np.zeros_like(taken[window])
        rows = slice(box.top - window[0].start, box.bottom - window[0].start)
        columns = slice(box.left - window[1].start, box.right - window[1].start)
        inside[rows, columns] = True
        part = infrared[window]
        if not ring.any():
            continue
        cool = float(np.median(part[ring]))
        contrast = float(np.percentile(part[inside], HOTTEST)) - cool
        if contrast < LEAST_CONTRAST:
            continue
        body = inside & (part > cool + STANDS_OUT * contrast)
        targets.append(Target(window, body, ring))
    return targets


def target_contrast(
    fused: Plane, infrared: Plane, boxes: Sequence[Box], labels: Sequence[int] = TARGETS
) -> list[float]:
    """Return the contrast of each target over its ring in the fused picture, in grey levels.

    Args:
        fused: Luminance, H x W on the 0..255 scale.
        infrared: The same shape; it says which pixels of a box are hot.
        boxes: As `read_boxes` returns them.
        labels: Classes that are targets; by default people.

    Returns:
        One value for each box that holds a target; higher is better.

    Raises:
        UsageError: If the pictures differ in size.
    """
    if fused.shape != infrared.shape:
        raise UsageError(
            f"expected a fused picture of {infrared.shape}, found {fused.shape}; resize it first"
        )
    return [target.contrast(fused) for target in find_targets(infrared, boxes, labels)]


def _well_exposed(greys: Greys) -> NDArray[np.bool_]:
    return well_exposed(greys.visible)


def _bleach(greys: Greys) -> float:
    return _mean_rise(greys.fused, greys.visible, greys.once(_well_exposed))


def _colours(greys: Greys) -> float:
    if greys.colours is None:
        return float("nan")
    return colour_difference(*greys.colours, greys.once(_well_exposed))


def _targets(greys: Greys) -> float:
    infrared, _, fused = greys.doubles
    contrasts = target_contrast(fused, infrared, greys.boxes) if greys.boxes else []
    return float(np.mean(contrasts)) if contrasts else float("nan")


SPECS = (
    MetricSpec(
        name="bleach",
        direction="lower",
        inputs=("visible", "fused"),
        reference="piafusion's own: `piafusion.metrics.natural.bleach`",
        float=Arithmetic(_bleach, range=(0.0, 255.0), unit="grey level"),
        needs="well exposed places",
    ),
    MetricSpec(
        name="CIEDE2000",
        direction="lower",
        inputs=("visible", "fused"),
        reference="Sharma, Wu, Dalal, Color Research and Application 30(1), 2005",
        float=Arithmetic(_colours, range=(0.0, 120.0)),
        needs="well exposed places, and colour in the visible and the fused picture",
    ),
    MetricSpec(
        name="targets",
        direction="higher",
        inputs=ALL,
        reference="piafusion's own: `piafusion.metrics.natural.target_contrast`",
        float=Arithmetic(_targets, range=(-255.0, 255.0), unit="grey level"),
        needs="boxes with people who are hotter than their surroundings",
    ),
)
