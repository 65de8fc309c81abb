"""Contact sheets: sources and results side by side, to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.arrays import Image, to_rgb8

_MARGIN, _TITLE = 8, 32  # pixels
_BACKGROUND, _INK = 24, (235, 235, 235)


def contact_sheet(rows: Sequence[Mapping[str, Image]]) -> NDArray[np.uint8]:
    """Put pictures into a table, one row per scene and one titled column per kind.

    Args:
        rows: Pictures of each scene by column title: H x W or H x W x 3 RGB; uint8, uint16
            or float in [0, 1]. Every row has the same titles in the same order.

    Returns:
        H x W x 3 RGB uint8. Pictures keep their pixels; cells are as large as the largest.
    """
    titles = list(rows[0])
    pictures = [[to_rgb8(row[title]) for title in titles] for row in rows]
    heights = [max(picture.shape[0] for picture in row) for row in pictures]
    widths = [max(row[column].shape[1] for row in pictures) for column in range(len(titles))]
    sheet = np.full(
        (
            _TITLE + sum(heights) + _MARGIN * len(heights),
            sum(widths) + _MARGIN * (len(widths) + 1),
            3,
        ),
        _BACKGROUND,
        dtype=np.uint8,
    )
    lefts = np.cumsum([_MARGIN, *(width + _MARGIN for width in widths)])
    tops = np.cumsum([_TITLE, *(height + _MARGIN for height in heights)])
    for title, left in zip(titles, lefts, strict=False):
        place = (int(left), _TITLE - 11)
        cv2.putText(sheet, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    for row, top in zip(pictures, tops, strict=False):
        for picture, left in zip(row, lefts, strict=False):
            height, width = picture.shape[:2]
            sheet[top : top + height, left : left + width] = picture
    return sheet
