"""Radiometric JPEG files of FLIR cameras: the temperatures behind the coloured picture.

Their APP1 segments named FLIR hold the sensor's counts and the constants that turn them into
degrees; the library flyr reads them (the `thermal` extra).
"""

from __future__ import annotations

import io

import numpy as np

from piafusion.errors import ImageError, needing
from piafusion.imaging.arrays import Image

_APP1, _SCAN, _END = 0xE1, 0xDA, 0xD9


def is_radiometric(data: bytes) -> bool:
    """Tell whether the bytes of a file are a JPEG with FLIR's thermal data."""
    if not data.startswith(b"\xff\xd8"):
        return False
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1] not in (_SCAN, _END):
        if data[place + 1] == _APP1 and data[place + 4 : place + 9] == b"FLIR\x00":
            return True
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def read_celsius(data: bytes) -> Image:
    """Return the temperatures of a radiometric JPEG: H x W float32, degrees Celsius.

    The camera's own settings (emissivity, distance, reflected temperature) are used.

    Raises:
        MissingExtraError: If flyr is not installed.
        ImageError: If flyr cannot read the thermal data.
    """
    with needing(
        "thermal",
        "the temperatures of a radiometric FLIR JPEG",
        ", or export the picture as 16-bit TIFF from the camera's software",
    ):
        import flyr
    try:
        celsius = flyr.unpack(io.BytesIO(data)).celsius
    except Exception as error:  # flyr checks little; what is broken surfaces as any exception
        raise ImageError(
            "expected the thermal data of a FLIR JPEG, found some that flyr cannot read "
            f"({error}); export the picture as 16-bit TIFF from the camera's software"
        ) from error
    return np.asarray(celsius, np.float32)
