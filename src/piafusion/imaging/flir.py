"""Radiometric files of FLIR cameras: the temperatures behind the coloured picture.

The APP1 segments of a JPEG that are named FLIR hold a container (FFF): the sensor's counts, the
constants that turn them into degrees, the picture of the visible camera, and where the infrared
lies on it. A sequence (`.seq`) is a row of such containers. The library flyr (the `thermal`
extra) computes the degrees; it believes what a file says, so it is given no more than the counts
and the constants.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from piafusion.errors import ImageError, UsageError, needing
from piafusion.imaging.arrays import Image
from piafusion.imaging.conditions import chosen
from piafusion.imaging.formats import Matrix, Photo
from piafusion.imaging.jpeg import read_jpeg

MAGIC = b"FFF\x00"
_HEAD, _ENTRY = 64, 32  # bytes of the header, and of an entry in the directory
_MOST_RECORDS = 256  # cameras write some thirty
_MOST_COUNTS = 2048 * 2048  # the largest sensors have 2048 x 1536
_COUNTS, _VISIBLE, _CAMERA, _PLACE = 1, 14, 32, 42  # types of records
_CONSTANTS = 832  # bytes of the camera's record that flyr reads
_CONDITIONS = {  # as flyr calls them
    "emissivity": "emissivity",
    "distance": "object_distance",
    "reflected": "reflected_apparent_temperature",
    "air": "atmospheric_temperature",
    "humidity": "relative_humidity",
}
_ZERO = {"reflected": 273.15, "air": 273.15}  # which it has in kelvin
_TIME = 900  # place of the time in that record: seconds, and milliseconds in 16 bits
_VIEW = 436  # place of the horizontal field of view in that record: degrees
_PNG = b"\x89PNG"


def read(data: bytes) -> Photo:
    """Read a radiometric JPEG with the camera's emissivity, distance and so on, or those chosen.

    Raises:
        MissingExtraError: If flyr is not installed.
        ImageError: If the thermal data cannot be read, or they are more than a sensor's.
    """
    with _readable():
        container = _joined(read_jpeg(data).flir)
        records = _records(container)
        celsius, used = _celsius(container, records)
        visible = _visible(container, records)
    if visible is None:
        return Photo(celsius, "celsius", conditions=used)
    size = (celsius.shape[0], celsius.shape[1])
    mapping = None
    if _PLACE in records:
        with _readable():
            ratio, x, y = struct.unpack_from("<fhh", container, records[_PLACE].place)
            # `ratio` is the view of the visible picture's width by that of the infrared one.
            if np.isfinite(ratio) and 0.1 < ratio < 100:
                scale = visible.shape[1] / size[1] / ratio
                mapping = _centred(size, (visible.shape[0], visible.shape[1]), scale, (x, y))
    return Photo(celsius, "celsius", visible, mapping, conditions=used)


def field_of_view(segments: tuple[bytes, ...]) -> float | None:
    """Return the camera's horizontal field of view in degrees, if it tells it.

    Args:
        segments: Those of `piafusion.imaging.jpeg.Jpeg.flir`.
    """
    try:
        container = _joined(segments)
        (degrees,) = struct.unpack_from("<f", container, _records(container)[_CAMERA].place + _VIEW)
    except (ValueError, KeyError, IndexError, struct.error):  # damaged, or of another kind
        return None
    return float(degrees) if 0 < degrees < 180 else None


def read_frame(container: bytes) -> Image:
    """Return the temperatures of a container of a sequence, H x W float32.

    Raises:
        MissingExtraError: If flyr is not installed.
        ImageError: If it cannot be read.
    """
    with _readable():
        return _celsius(container, _records(container))[0]


def time_of(container: bytes) -> int:
    """Return the time of a container in milliseconds, 0 if it does not tell; errors as above."""
    with _readable():
        record = _records(container).get(_CAMERA)
        if record is None or record.length < _TIME + 6:
            return 0
        seconds, thousandths = struct.unpack_from("<IH", container, record.place + _TIME)
    return int(1000 * seconds + thousandths)


def length_of(container: bytes) -> int:
    """Return the bytes of a container, header and all.

    Raises:
        ImageError: If it has no directory that can be followed.
    """
    with _readable():
        ends = [record.place + record.length for record in _records(container).values()]
        return max(_HEAD, *ends)


@dataclass(frozen=True)
class _Record:
    place: int
    length: int


def _centred(
    infrared: tuple[int, int], visible: tuple[int, int], scale: float, shift: tuple[int, int]
) -> Matrix:
    """Return the map for an infrared picture in the middle of the visible one.

    Args:
        infrared: Height and width.
        visible: Height and width.
        scale: Visible pixels for each infrared pixel.
        shift: Visible pixels to the right and down from the middle.
    """
    (height, width), (tall, wide) = infrared, visible
    left = (wide - scale * width) / 2 + shift[0]
    top = (tall - scale * height) / 2 + shift[1]
    rows = [[1, 0, 0.5 - left - 0.5 * scale], [0, 1, 0.5 - top - 0.5 * scale], [0, 0, scale]]
    return np.array(rows) / scale


@contextmanager
def _readable() -> Iterator[None]:
    """Turn whatever broken data cause into one line, and name the extra if flyr is missing."""
    with needing(
        "thermal",
        "the temperatures of a radiometric FLIR JPEG",
        ", or export the picture as 16-bit TIFF from the camera's software",
    ):
        import flyr  # noqa: F401 - the error comes before anything is read
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # flyr checks little; what is broken surfaces as any exception
        reason = re.sub("<.*?>", "it", " ".join(str(error).split())) or type(error).__name__
        raise ImageError(
            "expected the thermal data of a FLIR camera, found some that cannot be read "
            f"({reason}); export the picture as 16-bit TIFF from the camera's software"
        ) from error


def _joined(segments: tuple[bytes, ...]) -> bytes:
    """Join the segments: a byte of no known meaning, a number, that of the last one, the data."""
    pieces = {segment[1]: segment[3:] for segment in segments}
    return b"".join(pieces[number] for number in range(segments[0][2] + 1))


def _records(container: bytes) -> dict[int, _Record]:
    """Return the records by type; the directory of drones and of software is little-endian."""
    if container[:4] != MAGIC:
        raise ValueError("no FFF container")
    order = ">" if struct.unpack_from(">I", container, 24)[0] < 2**16 else "<"
    start, count = struct.unpack_from(f"{order}II", container, 24)
    if count > min(_MOST_RECORDS, len(container) // _ENTRY):
        raise ValueError(f"{count} records")
    records: dict[int, _Record] = {}
    for entry in range(start, start + count * _ENTRY, _ENTRY):
        kind, place, length = struct.unpack_from(f"{order}H10xII", container, entry)
        if kind:
            records.setdefault(kind, _Record(place, length))
    return records


def _celsius(container: bytes, records: dict[int, _Record]) -> tuple[Image, dict[str, float]]:
    """Return H x W float32 degrees Celsius, and the conditions that they were computed with."""
    from flyr.thermal import parse_camera_info
    from flyr.thermogram import FlyrThermogram

    if not {_COUNTS, _CAMERA} <= records.keys():
        raise ValueError("no record of counts or of the camera's constants")
    counts, camera = records[_COUNTS], records[_CAMERA]
    width, height = struct.unpack_from("<HH", container, counts.place + 2)
    if not 0 < width * height <= _MOST_COUNTS:
        raise ValueError(f"{width}x{height} pixels")
    pixels = container[counts.place + 32 : counts.place + counts.length]
    if pixels[:4] == _PNG:
        levels = _decode(pixels)
        if levels.shape != (height, width) or levels.dtype != np.uint16:
            raise ValueError("a PNG file of another size")
        levels = levels.byteswap()  # these cameras write the bytes the wrong way round
    else:
        levels = np.frombuffer(pixels, "<u2", width * height).reshape(height, width)
    constants = container[camera.place : camera.place + _CONSTANTS]
    information = parse_camera_info(io.BytesIO(constants), (0, _CAMERA, 0, len(constants)))
    for name, value in chosen().items():
        information[_CONDITIONS[name]] = value + _ZERO.get(name, 0)
    used = {
        name: float(information[theirs]) - _ZERO.get(name, 0)
        for name, theirs in _CONDITIONS.items()
    }
    celsius = FlyrThermogram(levels, information).celsius
    return np.asarray(celsius, np.float32), used


def _visible(container: bytes, records: dict[int, _Record]) -> Image | None:
    """Return the picture of the visible camera, H x W x 3, if there is one."""
    if _VISIBLE not in records:
        return None
    record = records[_VISIBLE]
    content = container[record.place + 32 : record.place + record.length]
    image = _decode(content)
    if content[:4] == _PNG and image.ndim == 3:  # its channels are Y, Cb and Cr
        image = np.asarray(cv2.cvtColor(image[..., [0, 2, 1]], cv2.COLOR_YCrCb2RGB))
    return image


def _decode(content: bytes) -> Image:
    from piafusion.imaging.io import decode_image  # which reads photos itself

    return decode_image(content, "the picture inside")
