"""Reads an alignment from its file and checks every part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.errors import AlignmentError
from piafusion.files import fitting, parse_json, reading
from piafusion.imaging.align.alignment import VERSION, Alignment, Quality
from piafusion.imaging.align.lens import Calibration, Lens, Size, as_lens

LARGEST_SIDE = 2**20
"""Pixels; no camera has as many in a row."""

_ADVICE = "estimate it with piafusion align"
_CALIBRATE = "give the YAML of kalibr or OpenCV, or none for lenses"
_SIZE = {"height": float, "width": float}
_LENS = {"focal": [float], "centre": [float], "distortion": [float], "fisheye": bool}
_LENSES = ("infrared_lens", "visible_lens")
_SHAPE = {
    "kind": str,
    "matrix": [[float]],
    "infrared": _SIZE,
    "visible": _SIZE,
    "quality": {each.name: float for each in fields(Quality)},
    **{f"{name}?": _LENS for name in _LENSES},
}


def read_alignment(path: Path | str) -> Alignment:
    """Read a file that `Alignment.save` or `piafusion align` wrote.

    Raises:
        AlignmentError: If it is missing, damaged or something else; the message names the file.
    """
    with reading(path, "an alignment", _ADVICE, AlignmentError):
        return parse_alignment(Path(path).read_bytes(), str(path))


def parse_alignment(content: str | bytes, name: str = "alignment") -> Alignment:
    """Return the alignment that the content of such a file describes.

    Args:
        content: The JSON text, in UTF-8.
        name: The name that errors call it.

    Raises:
        AlignmentError: If it is damaged or something else.
    """
    expected = f"an alignment of version {VERSION}"
    with reading(name, expected, _ADVICE, AlignmentError):
        given = parse_json(content, {"piafusion_alignment": object})
        if given["piafusion_alignment"] not in (1, VERSION):  # files of version 1 have no lenses
            raise ValueError(f"version {given['piafusion_alignment']}")
        fitting(given, _SHAPE)
        quality = Quality(**{each.name: given["quality"][each.name] for each in fields(Quality)})
        found = Alignment.of(
            given["kind"],
            np.array(given["matrix"], np.float64),
            _size(given["infrared"]),
            _size(given["visible"]),
            replace(quality, pairs=int(quality.pairs)),
        )
        ir, vi = (_lens(given[name]) if name in given else None for name in _LENSES)
        return replace(found, infrared_lens=ir, visible_lens=vi)


def _lens(given: Mapping[str, Any]) -> Lens:
    return as_lens(*(given[key] for key in ("focal", "centre", "distortion", "fisheye")))


def read_calibrations(files: Sequence[Path | str]) -> list[Calibration]:
    """Read the lenses of calibrated cameras.

    Args:
        files: YAML as kalibr (a camera chain), OpenCV or ROS write it: one file with both cameras,
            the infrared one first, or one for the infrared and one for the visible camera.

    Returns:
        The lens of the infrared and that of the visible camera.

    Raises:
        AlignmentError: If a file is missing, or holds no such calibration; the message names it.
    """
    found: list[Calibration] = []
    for path in files:
        with reading(path, "a camera's calibration", _CALIBRATE, AlignmentError):
            found += _calibrations(Path(path).read_text("utf-8"))
    if len(found) != 2:
        names = " and ".join(map(str, files))
        raise AlignmentError(
            f"{names}: expected two calibrated cameras, infrared and visible, found {len(found)}; "
            + _CALIBRATE
        )
    return found


def _calibrations(text: str) -> list[Calibration]:
    chain = re.split(r"^cam\d+:", text, flags=re.MULTILINE)[1:]
    if chain:
        return [_calibration(part, "intrinsics", "distortion_coeffs") for part in chain]
    if re.search(r"^M1\b", text, re.MULTILINE):  # OpenCV's stereo calibration
        return [_calibration(text, f"M{index}", f"D{index}") for index in (1, 2)]
    return [_calibration(text, "camera_matrix", "distortion_coefficients")]


def _calibration(text: str, camera: str, bend: str) -> Calibration:
    model = re.search(r"camera_model\s*:\s*(\S+)", text)
    if model and model[1] not in ("pinhole", '"pinhole"'):
        raise ValueError(f"the camera model {model[1]}")
    k = _numbers(text, camera)
    if len(k) == 9:
        k = [k[0], k[4], k[2], k[5]]
    distortion = _numbers(text, bend)
    if len(distortion) == 14 and not any(distortion[8:]):  # OpenCV's, without tilt and prism
        distortion = distortion[:8]
    kind = re.search(r"distortion_model\s*:\s*\"?(\w+)", text)
    fisheye = kind is not None and kind[1] in ("equidistant", "fisheye")
    lens = as_lens(k[:2], k[2:], distortion, fisheye)
    sides = re.search(r"resolution\s*:\s*\[\s*(\d+)\s*,\s*(\d+)", text)
    if sides:
        return lens, (int(sides[2]), int(sides[1]))
    width, height = (re.search(rf"image_{side}\s*:\s*(\d+)", text) for side in ("width", "height"))
    return lens, (int(height[1]), int(width[1])) if width and height else None


def _numbers(text: str, name: str) -> list[float]:
    """Return the list that follows a name, in brackets; in between may be rows and columns."""
    found = re.search(rf"^\s*{name}\s*:[^\[]*\[([^\]]*)\]", text, re.MULTILINE)
    if not found:
        raise ValueError(f"no list {name!r}")
    return [float(each) for each in found[1].split(",")]


def _size(given: Mapping[str, float]) -> Size:
    height, width = given["height"], given["width"]
    if not 1 <= min(height, width) <= max(height, width) <= LARGEST_SIDE or height % 1 or width % 1:
        raise ValueError(f"the size {width:g}x{height:g}")
    return int(height), int(width)
