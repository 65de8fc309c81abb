"""Reading an alignment back from its file, with every part of it checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from piafusion.errors import AlignmentError
from piafusion.files import fitting, parse_json, reading
from piafusion.imaging.align.alignment import VERSION, Alignment, Quality, Size

LARGEST_SIDE = 2**20
"""Pixels; no camera has as many in a row."""

_ADVICE = "estimate it with piafusion align"
_SIZE = {"height": float, "width": float}
_SHAPE = {
    "kind": str,
    "matrix": [[float]],
    "infrared": _SIZE,
    "visible": _SIZE,
    "quality": {each.name: float for each in fields(Quality)},
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
        if given["piafusion_alignment"] != VERSION:
            raise ValueError(f"version {given['piafusion_alignment']}")
        fitting(given, _SHAPE)
        quality = Quality(**{each.name: given["quality"][each.name] for each in fields(Quality)})
        return Alignment.of(
            given["kind"],
            np.array(given["matrix"], np.float64),
            _size(given["infrared"]),
            _size(given["visible"]),
            replace(quality, pairs=int(quality.pairs)),
        )


def _size(given: Mapping[str, float]) -> Size:
    height, width = given["height"], given["width"]
    if not 1 <= min(height, width) <= max(height, width) <= LARGEST_SIDE or height % 1 or width % 1:
        raise ValueError(f"the size {width:g}x{height:g}")
    return int(height), int(width)
