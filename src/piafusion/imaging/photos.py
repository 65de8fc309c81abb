"""Photos of thermal cameras: how wide they see, and where the infrared lies on the visible one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from piafusion.errors import AlignmentError, ImageError, UsageError
from piafusion.imaging.align import Alignment, estimate_alignment
from piafusion.imaging.align.alignment import Quality
from piafusion.imaging.align.check import check_pair
from piafusion.imaging.align.estimate import MIN_SIDE
from piafusion.imaging.arrays import Image
from piafusion.imaging.formats import IMAGE_SUFFIXES, Photo
from piafusion.imaging.io import read_photo
from piafusion.imaging.jpeg import FIRST_BYTES, read_jpeg
from piafusion.imaging.metadata import decode_metadata, field_of_view
from piafusion.imaging.tone import AnyTone, BlackHot, Full, Plateau, Tone
from piafusion.imaging.tone_curve import Levels

SomeTone = TypeVar("SomeTone", bound=AnyTone)


def place(photo: Photo, shown: Levels) -> tuple[Alignment, str]:
    """Place the infrared picture of a photo on its visible one.

    The file's own mapping is used. It is true for one distance, so the shift that the edges of the
    two pictures show is added to it. Where these do not agree with it at all, or where the file
    has none, the alignment is estimated.

    Args:
        photo: A photo with a visible picture.
        shown: Its infrared picture in [0, 1].

    Returns:
        The alignment, and a line about it for the user, or "".

    Raises:
        AlignmentError: If the file has no mapping, and none that can be trusted was found.
    """
    visible = photo.both()[1]
    size, whole = (shown.shape[0], shown.shape[1]), (visible.shape[0], visible.shape[1])
    shown = _enlarged(shown)
    given = None
    if photo.mapping is not None:
        given = Alignment.of("similarity", photo.mapping, size, whole, Quality(0, 0, 0, 0, 0))
        found = check_pair(shown, visible, given)
        if found.verdict != "unlike":
            moved = photo.mapping @ [[1, 0, found.x], [0, 1, found.y], [0, 0, 1]]
            note = ""
            if found.verdict == "shifted":
                note = (
                    f"the file's mapping is {found.shift:.0f} pixels off, as near objects are; "
                    "corrected"
                )
            return replace(given, rows=tuple(map(tuple, moved.tolist()))), note
    try:
        estimated = estimate_alignment([(shown, visible)], kind="similarity")
    except AlignmentError as error:
        if given is None:
            raise
        return given, f"the file's mapping could not be checked by the pictures ({error})"
    note = "the file's mapping does not fit the pictures" if given else "the file has no mapping"
    return estimated.scaled(size, whole), f"{note}; the alignment was estimated"


def estimate_told(
    pairs: Sequence[tuple[Image, Image]],
    files: tuple[Path | bytes, Path | bytes],
    kind: str = "homography",
    **given: Any,  # noqa: ANN401 - of estimate_alignment
) -> Alignment:
    """Estimate an alignment, with the fields of view that the files tell if none are given.

    Files can be wrong, after a zoom or a cut: if nothing fits those views, all are looked for.

    Args:
        pairs: As those of `estimate_alignment`.
        files: The infrared and the visible file of the first pair, or their contents.
        kind: The richest map allowed.
        given: Other arguments of `estimate_alignment`; its errors are raised.
    """
    if pairs and not given.get("fov") and files[0] != files[1]:
        told = [told_view(file, shown.shape) for file, shown in zip(files, pairs[0], strict=True)]
        if None not in told:
            try:
                return estimate_alignment(pairs, kind, **{**given, "fov": told})
            except (AlignmentError, UsageError):  # which comes again if a file is not to blame
                pass
    return estimate_alignment(pairs, kind, **given)


def told_view(file: Path | bytes, shape: tuple[int, ...]) -> float | None:
    """Return the horizontal field of view that a picture's file tells, in degrees.

    Files of FLIR hold it; other files may hold EXIF data from which it follows.
    """
    try:
        if isinstance(file, Path):
            file = file.read_bytes() if file.suffix.lower() in IMAGE_SUFFIXES else b""
        segments = read_jpeg(file).flir if file.startswith(FIRST_BYTES) else ()
    except (OSError, ImageError):
        return None
    if segments:
        from piafusion.imaging import flir  # other pictures start without it

        found = flir.field_of_view(segments)
        if found:
            return found
    return field_of_view(decode_metadata(file), (shape[0], shape[1]))


def tone_for(photo: Photo, tone: SomeTone) -> SomeTone | Tone:
    """Return the tone for a photo: temperatures have no full range, so plateau stands for full."""
    if photo.unit == "levels":
        return tone
    if isinstance(tone, BlackHot):
        return BlackHot(tone_for(photo, tone.tone))
    return Plateau() if isinstance(tone, Full) else tone


def read_shown(path: Path, tone: AnyTone) -> tuple[Levels, Image]:
    """Read a photo for aligning: the infrared in [0, 1], enlarged if small, and the visible."""
    photo = read_photo(path)
    infrared, visible = photo.both()
    tone = tone_for(photo, tone)
    return _enlarged(tone(tone.check(infrared))[0]), visible


def _enlarged(shown: Levels) -> Levels:
    """Return an infrared picture that can be aligned: the smallest sensors have 80 x 60 pixels."""
    times = -(-MIN_SIDE // min(shown.shape))
    if times == 1:
        return shown
    return np.clip(cv2.resize(shown, None, fx=times, fy=times), 0, 1)
