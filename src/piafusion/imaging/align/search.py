"""The coarse start: every scale and rotation in reach is tried on small pictures.

Reach: the infrared picture spans 45 % to 140 % of the visible one's view, or any known share, is
rotated by up to 8 degrees against it and shifted by up to a quarter of its own width beyond the
border.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.geometry import (
    Matrix,
    Points,
    corners,
    distances,
    inverted,
    normalised,
    resizing,
    transform,
)
from piafusion.imaging.align.structure import Picture, Size, shrunk, structure

AREA = 176 * 132  # pixels of the infrared picture
SCALES = np.geomspace(0.45, 1.4, 26)  # visible pixels per infrared pixel, relative to the start
KNOWN = np.geomspace(0.9, 1.11, 5)  # the same, relative to a scale that is known
ROTATIONS = np.arange(-8.0, 8.1, 2.0)  # degrees
_MARGIN = 0.15  # share of the infrared picture that may lie outside the visible one
_BEYOND = 0.25  # the search goes that share of its width beyond the visible picture
_APART = 0.06  # share of the smaller view's width: candidates closer than that are one
_SAME_ASPECT = 1.02


def candidates(
    pairs: Sequence[tuple[Picture, Picture]],
    count: int,
    *,
    stretch: bool,
    share: float | None = None,
) -> list[Matrix]:
    """Return the likeliest maps from visible to infrared pixels, best first.

    The last ones are those of cameras that look the same way with the same view.

    Args:
        pairs: Infrared and visible pictures of one rig; the correlations of all are added up.
        count: Number of maps to return.
        stretch: If the pictures have different shapes, also try one stretched onto the other.
        share: Width of the infrared picture's view, as a share of the visible one's, if known.
    """
    ir_size, vi_size = pairs[0][0].size, pairs[0][1].size
    small = scaled(ir_size, (AREA / (ir_size[0] * ir_size[1])) ** 0.5)
    infrared = [structure(shrunk(ir, small)) for ir, _ in pairs]
    rows, columns = (round(side * _MARGIN) for side in small)
    templates = [each[rows : small[0] - rows, columns : small[1] - columns] for each in infrared]
    beyond = round(_BEYOND * small[1])
    area = (vi_size[0] * vi_size[1] / (ir_size[0] * ir_size[1])) ** 0.5
    centre = 1.0 if share is None else share * vi_size[1] / ir_size[1] / area
    scales = SCALES if share is None else centre * KNOWN

    found: list[tuple[float, Matrix]] = []
    centred: list[Matrix] = []
    for view in _views(ir_size, vi_size, stretch=stretch):
        same = scaled(small, 1 / centre, view)
        shift = np.array(
            [[1, 0, (small[1] - same[1]) / 2], [0, 1, (small[0] - same[0]) / 2], [0, 0, 1]]
        )
        centred.append(resizing(small, ir_size) @ shift @ resizing(vi_size, same))
        for scale in scales:
            # The visible picture at the scale at which the infrared one would fit on it.
            size = scaled(small, 1 / scale, view)
            visible = [structure(shrunk(vi, size)) for _, vi in pairs]
            canvas = (
                max(small[0] + 2 * beyond, size[0]),
                max(small[1] + 2 * beyond, size[1]),
            )
            for degrees in ROTATIONS:
                turned = turn(canvas, size, degrees)
                score = sum(
                    _correlation(each, turned, canvas, template)
                    for each, template in zip(visible, templates, strict=True)
                )
                _, best, _, (x, y) = cv2.minMaxLoc(np.asarray(score))
                shift = np.array([[1, 0, x - columns], [0, 1, y - rows], [0, 0, 1.0]])
                to_small = np.linalg.inv(turned @ shift)
                whole = resizing(small, ir_size) @ to_small @ resizing(vi_size, size)
                found.append((best, normalised(whole)))
    return distinct(found, ir_size, vi_size, count) + centred


def _views(ir_size: Size, vi_size: Size, *, stretch: bool) -> list[tuple[float, float]]:
    """Return height and width of the visible picture relative to the infrared one's at scale 1."""
    height, width = (vi / ir for vi, ir in zip(vi_size, ir_size, strict=True))
    mean = (height * width) ** 0.5
    square = (height / mean, width / mean)
    return [square, (1.0, 1.0)] if stretch and max(square) > _SAME_ASPECT else [square]


def scaled(size: Size, factor: float, by: tuple[float, float] = (1.0, 1.0)) -> Size:
    """Return a size times a factor, in whole pixels."""
    return round(size[0] * factor * by[0]), round(size[1] * factor * by[1])


def turn(canvas: Size, size: Size, degrees: float) -> Matrix:
    """Return the map from a canvas to a picture that is turned on it, centre on centre."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    centre = [(size[1] - 1) / 2, (size[0] - 1) / 2]
    back = [-(canvas[1] - 1) / 2, -(canvas[0] - 1) / 2]
    turned = np.array([[cosine, -sine, centre[0]], [sine, cosine, centre[1]], [0, 0, 1]])
    return np.asarray(turned @ [[1, 0, back[0]], [0, 1, back[1]], [0, 0, 1]])


def _correlation(
    visible: NDArray[np.float32], turn: Matrix, canvas: Size, template: NDArray[np.float32]
) -> NDArray[np.float32]:
    turned = cv2.warpPerspective(
        visible, turn, canvas[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(cv2.matchTemplate(turned, template, cv2.TM_CCOEFF_NORMED))


def distinct(
    found: list[tuple[float, Matrix]], ir_size: Size, vi_size: Size, count: int
) -> list[Matrix]:
    """Return the best maps, without those that send the smaller view to about the same place."""
    ends = corners(ir_size), corners(vi_size)
    chosen: list[tuple[Points, Points]] = []
    maps: list[Matrix] = []
    for _, matrix in sorted(found, key=lambda each: -each[0]):
        places = transform(inverted(matrix), ends[0]), transform(matrix, ends[1])
        widths = [distances(place[:1], place[1:2])[0] for place in places]
        if all(
            min(
                distances(place, other).max() / width
                for place, other, width in zip(places, one, widths, strict=True)
            )
            > _APART
            for one in chosen
        ):
            chosen.append(places)
            maps.append(matrix)
        if len(maps) == count:
            break
    return maps
