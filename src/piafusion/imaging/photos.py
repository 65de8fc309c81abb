"""Photos of thermal cameras: where the infrared picture lies on the visible one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from piafusion.errors import AlignmentError
from piafusion.imaging.align import Alignment, estimate_alignment
from piafusion.imaging.align.alignment import Quality
from piafusion.imaging.align.check import check_pair
from piafusion.imaging.align.estimate import MIN_SIDE
from piafusion.imaging.arrays import Image
from piafusion.imaging.formats import Photo
from piafusion.imaging.io import read_photo
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
