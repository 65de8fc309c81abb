"""Radiometric JPEG files of FLIR cameras: the temperatures behind the coloured picture.

Their APP1 segments named FLIR hold the sensor's counts and the constants that turn them into
degrees; the library flyr reads them (the `thermal` extra). It believes what the file says, so it
is given no more than these two records, their sizes checked.
"""

from __future__ import annotations

import io
import re
import struct

import numpy as np

from piafusion.errors import ImageError, needing
from piafusion.imaging.arrays import Image
from piafusion.imaging.jpeg import FIRST_BYTES, read_jpeg

_RECORD = 32  # bytes of an entry in the directory
_MOST_RECORDS = 256  # cameras write some thirty
_MOST_COUNTS = 2048 * 2048  # the largest sensors have 2048 x 1536
_COUNTS, _CAMERA = 1, 32  # types of records
_PIECE = 65_000  # bytes in a segment

# The smallest JPEG file around the segments: flyr looks for the camera's name in it.
_FRAME = bytes.fromhex("ffc0000b080001000101011100")
_SCAN = bytes.fromhex("ffda0008010100003f00ffd9")


def is_radiometric(data: bytes) -> bool:
    """Tell whether the bytes of a file are a JPEG with FLIR's thermal data."""
    try:
        return data.startswith(FIRST_BYTES) and bool(read_jpeg(data).flir)
    except ImageError:
        return False


def read_celsius(data: bytes) -> Image:
    """Return the temperatures of a radiometric JPEG: H x W float32, degrees Celsius.

    The camera's own settings (emissivity, distance, reflected temperature) are used.

    Raises:
        MissingExtraError: If flyr is not installed.
        ImageError: If flyr cannot read the thermal data, or they are more than a sensor's.
    """
    with needing(
        "thermal",
        "the temperatures of a radiometric FLIR JPEG",
        ", or export the picture as 16-bit TIFF from the camera's software",
    ):
        import flyr
    try:
        thermal = _thermal_data(read_jpeg(data).flir)
        celsius = flyr.unpack(io.BytesIO(_jpeg_around(thermal))).celsius
    except Exception as error:  # flyr checks little; what is broken surfaces as any exception
        # Pillow names objects by their place in memory, which is for nobody.
        reason = re.sub("<.*?>", "it", " ".join(str(error).split())) or type(error).__name__
        raise ImageError(
            "expected the thermal data of a FLIR JPEG, found some that cannot be read "
            f"({reason}); export the picture as 16-bit TIFF from the camera's software"
        ) from error
    return np.asarray(celsius, np.float32)


def _thermal_data(segments: tuple[bytes, ...]) -> bytes:
    """Join the segments; what flyr would read of them is bounded.

    A segment begins with a byte of no known meaning, its number and the number of the last one.
    The joined data begin with a header of two entries' length, the count of entries at 28; flyr
    takes the header for entries too.
    """
    pieces = {segment[1]: segment[3:] for segment in segments}
    last = segments[0][2]
    thermal = bytearray(b"".join(pieces[number] for number in range(last + 1)))
    (count,) = struct.unpack_from(">I", thermal, 28)
    if count > min(_MOST_RECORDS, len(thermal) // _RECORD):
        raise ValueError(f"{count} records")
    for entry in range(0, count * _RECORD, _RECORD):
        kind, place, length = struct.unpack_from(">H10xII", thermal, entry)
        if kind == _COUNTS:
            _check_counts(bytes(thermal), place, length)
        elif kind != _CAMERA and entry >= 2 * _RECORD:
            struct.pack_into(">H", thermal, entry, 0)  # flyr skips those of no type
    return bytes(thermal)


def _check_counts(thermal: bytes, place: int, length: int) -> None:
    """Raise `ValueError` if the sensor's counts are too many, or their PNG file has others."""
    width, height = struct.unpack_from("<HH", thermal, place + 2)
    if width * height > _MOST_COUNTS:
        raise ValueError(f"{width}x{height} pixels")
    pixels = thermal[place + 32 : place + 32 + length]
    if pixels[:4] == b"\x89PNG" and struct.unpack_from(">4sII", pixels, 12) != (
        b"IHDR",
        width,
        height,
    ):
        raise ValueError("a PNG file of another size")


def _jpeg_around(thermal: bytes) -> bytes:
    pieces = [thermal[place : place + _PIECE] for place in range(0, len(thermal), _PIECE)]
    segments = [
        struct.pack(">2sH5s3B", b"\xff\xe1", len(piece) + 10, b"FLIR", 1, number, len(pieces) - 1)
        + piece
        for number, piece in enumerate(pieces)
    ]
    return b"".join([b"\xff\xd8", *segments, _FRAME, _SCAN])
