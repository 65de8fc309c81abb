"""What a TIFF file says about itself, as far as OpenCV does not tell."""

from __future__ import annotations

from typing import Literal

_NEW_SUBFILE_TYPE = 254
_REDUCED_OR_MASK = 0b101  # bits of its value: an overview of another page, or its mask


def is_tiff(data: bytes) -> bool:
    """Tell TIFF and BigTIFF by their first bytes."""
    return data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def count_pages(data: bytes) -> int:
    r"""Count the pictures in a TIFF or BigTIFF file; overviews and masks are none.

    >>> count_pages(b"II*\x00\x08\x00\x00\x00" + bytes(6))
    1
    """
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(data[place : place + size], order)

    # Sizes of an offset, of the count of entries and of an entry: BigTIFF, then TIFF.
    offset, count, entry = (8, 8, 20) if number(2, 2) == 43 else (4, 2, 12)
    directory, seen, pages = number(offset, offset), set[int](), 0
    while directory and directory not in seen and directory < len(data):
        seen.add(directory)
        first, entries = directory + count, number(directory, count)
        end = first + min(entries, (len(data) - first) // entry) * entry
        kinds = [
            number(place + entry - offset, 4)
            for place in range(first, end, entry)
            if number(place, 2) == _NEW_SUBFILE_TYPE
        ]
        pages += not any(kind & _REDUCED_OR_MASK for kind in kinds)
        directory = number(end, offset)
    return pages
