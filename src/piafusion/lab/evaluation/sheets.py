"""Contact sheets with zoomed boxes, like the paper's Figs. 5 to 15."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, as_visible, to_rgb8, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_image, read_pair
from piafusion.lab.data.clips import is_clip, read_clip, read_frames
from piafusion.lab.evaluation.sets import DataSet, spread

Scene = dict[str, NDArray[np.uint8]]
"""Pictures of one scene, each above its enlarged boxes, by title; all of one size."""

_COLOURS = ((255, 64, 64), (64, 220, 64))  # RGB of the first and the second box
_SHARE = 6  # a box has this part of the picture's sides
_GAP = 4  # pixels around the zoomed boxes
_BACKGROUND = 24
_WIDTH = 400  # of a picture, in pixels


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


def draw_scenes(
    data: DataSet, files: Mapping[str, Mapping[str, Path]], count: int, first: Sequence[str] = ()
) -> dict[str, Scene]:
    """Draw some scenes of a data set: the source pictures, then each method.

    Args:
        data: The data set.
        files: Scored fused pictures by method and stem.
        count: Number of scenes.
        first: Stems that are preferred to others if the data set has them.

    Returns:
        The scenes by stem. Only scenes that all methods have are drawn; if there are none, a
        method that lacks a scene gets an empty picture.
    """
    pairs = {pair.stem: pair for pair in data.pairs}
    shared = [stem for stem in pairs if all(stem in own for own in files.values())]
    scenes: dict[str, Scene] = {}
    wanted = [stem for stem in first if stem in (shared or pairs)][:count]
    others = [stem for stem in shared or pairs if stem not in wanted]
    for stem in [*wanted, *choose_stems(others, data.lights, count - len(wanted))]:
        if data.clips:
            infrared, visible = next(read_clip(pairs[stem]))
        else:
            infrared, visible = read_pair(pairs[stem].infrared, pairs[stem].visible)
        boxes = choose_boxes(infrared, visible)
        scene = {
            "infrared": with_enlarged_boxes(infrared, boxes, _WIDTH),
            "visible": with_enlarged_boxes(visible, boxes, _WIDTH),
        }
        empty = np.full_like(scene["visible"], _BACKGROUND)
        for method, own in files.items():
            if method in scene:  # the method `visible`
                continue
            scene[method] = empty
            if stem in own:
                fused = _first(own[stem])
                scene[method] = with_enlarged_boxes(fused, boxes, _WIDTH)
        scenes[stem] = scene
    return scenes


def _first(path: Path) -> Image:
    """Return a fused picture, or the first frame of a clip."""
    return next(read_frames(path)) if is_clip(path) else read_image(path, check=as_visible)


def choose_stems(stems: Sequence[str], lights: Mapping[str, str], count: int) -> list[str]:
    """Return `count` stems, evenly spread; half by day and half by night where that is known."""
    groups = [[stem for stem in stems if lights.get(stem) == light] for light in ("day", "night")]
    if not all(groups):
        return spread(stems, count)
    return [stem for group in groups for stem in spread(group, (count + 1) // 2)][:count]


def choose_boxes(infrared: Image, visible: Image) -> tuple[Box, Box]:
    """Return two boxes worth looking at; the same sources give the same boxes.

    Args:
        infrared: H x W.
        visible: H x W or H x W x 3 RGB.

    Returns:
        The box in which the infrared is brightest against both its surroundings and the visible
        picture, and a box beside it in which the visible picture has most texture that the
        infrared lacks.
    """
    thermal = to_unit(infrared)
    y = np.asarray(luminance(to_unit(visible)), dtype=np.float32)
    height, width = y.shape
    size = (max(1, width // _SHARE), max(1, height // _SHARE))
    surroundings = cv2.blur(thermal, (max(1, width // 3), max(1, height // 3)))
    target = np.maximum(thermal - surroundings, 0) * np.maximum(thermal - y, 0)
    first = _at_highest(_sums(target, size), size)
    texture = _strength(y) - _strength(thermal)
    left, top = first.left - size[0], first.top - size[1]
    texture_sums = _sums(texture, size)
    texture_sums[max(0, top) : top + 2 * size[1], max(0, left) : left + 2 * size[0]] = -np.inf
    return first, _at_highest(texture_sums, size)


def with_enlarged_boxes(picture: Image, boxes: Sequence[Box], width: int) -> NDArray[np.uint8]:
    """Return a picture with its boxes drawn, and the content of the boxes enlarged below it.

    Args:
        picture: H x W or H x W x 3 RGB; uint8, uint16 or float in [0, 1].
        boxes: Boxes of one size.
        width: Width of the result, in pixels; the picture is scaled to it.

    Returns:
        H x `width` x 3 RGB.
    """
    whole = to_rgb8(picture)
    scale = width / whole.shape[1]
    inner = (width - _GAP * (len(boxes) - 1)) // len(boxes)
    zoomed_height = max(1, round(inner * boxes[0].height / boxes[0].width))
    scaled = _resized(whole, (width, max(1, round(whole.shape[0] * scale))))
    strip = np.full((zoomed_height + _GAP, width, 3), _BACKGROUND, dtype=np.uint8)
    for index, (box, colour) in enumerate(zip(boxes, _COLOURS, strict=False)):
        part = whole[box.top : box.top + box.height, box.left : box.left + box.width]
        zoomed = np.ascontiguousarray(_resized(part, (inner, zoomed_height)))
        cv2.rectangle(zoomed, (0, 0), (inner - 1, zoomed_height - 1), colour, 2)
        left = index * (inner + _GAP)
        strip[_GAP:, left : left + inner] = zoomed
        corners = (
            (round(box.left * scale), round(box.top * scale)),
            (round((box.left + box.width) * scale) - 1, round((box.top + box.height) * scale) - 1),
        )
        cv2.rectangle(scaled, *corners, colour, 2)
    return np.concatenate([scaled, strip])


def _at_highest(sums: NDArray[np.float32], size: tuple[int, int]) -> Box:
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return Box(int(left), int(top), *size)


def _sums(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the mean over each whole window, at the window's left top corner."""
    width, height = size
    means = cv2.boxFilter(values, cv2.CV_32F, size, anchor=(0, 0))
    return np.array(means[: values.shape[0] - height + 1, : values.shape[1] - width + 1])


def _strength(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    across, down = (cv2.Sobel(plane, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.asarray(np.abs(across) + np.abs(down), dtype=np.float32)


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    smaller = size[0] < picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=how), dtype=np.uint8)
