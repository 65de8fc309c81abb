"""Reading an alignment back from its file, with every part of it checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.errors import AlignmentError
from piafusion.imaging.align.alignment import VERSION, Alignment, Quality, Size

_ADVICE = "estimate it with piafusion align"


def read_alignment(path: Path | str) -> Alignment:
    """Read a file that `Alignment.save` or `piafusion align` wrote.

    Raises:
        AlignmentError: If it is missing, damaged or something else; the message names the file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AlignmentError(
            f"{path}: expected an alignment, found: {reason}; {_ADVICE}"
        ) from error
    return parse_alignment(content, str(path))


def parse_alignment(content: str | bytes, name: str = "alignment") -> Alignment:
    """Return the alignment that the content of such a file describes.

    Args:
        content: The JSON text, in UTF-8.
        name: What errors call it.

    Raises:
        AlignmentError: If it is damaged or something else.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AlignmentError(
            f"{name}: expected an alignment as JSON, found something else ({error}); {_ADVICE}"
        ) from error
    try:
        return _from_json(given)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise AlignmentError(
            f"{name}: expected an alignment of version {VERSION}, found {what}; {_ADVICE}"
        ) from error


def _from_json(content: Any) -> Alignment:  # noqa: ANN401 - JSON can be anything
    if not isinstance(content, Mapping):
        raise TypeError(f"a JSON {type(content).__name__}")
    version = content["piafusion_alignment"]
    if version != VERSION:
        raise ValueError(f"version {version}")
    matrix = np.array(content["matrix"], np.float64)
    given = content["quality"]
    quality = Quality(**{each.name: _number(given, each.name) for each in fields(Quality)})
    return Alignment.of(
        content["kind"],
        matrix,
        _size(content["infrared"]),
        _size(content["visible"]),
        replace(quality, pairs=int(quality.pairs)),
    )


def _size(given: Mapping[str, Any]) -> Size:
    height, width = (_number(given, name) for name in ("height", "width"))
    if min(height, width) < 1 or height != int(height) or width != int(width):
        raise ValueError(f"the size {width:g}x{height:g}")
    return int(height), int(width)


def _number(given: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - int or float
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} = {value!r}")
    return value
