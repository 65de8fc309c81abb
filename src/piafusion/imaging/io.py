"""Picture files: reading notices damage, writing leaves nothing half-done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from piafusion.errors import (
    ImageError,
    MissingExtraError,
    OutputError,
    PiafusionError,
    UsageError,
    system_reason,
)
from piafusion.files import write_bytes
from piafusion.imaging.arrays import (
    Image,
    as_infrared,
    as_visible,
    check_same_size,
    full_scale,
    native,
    turned,
)
from piafusion.imaging.conditions import check_used
from piafusion.imaging.formats import FORMATS, Photo, ReadFile, find_photo_reader, find_reader
from piafusion.imaging.headers import Header, check_size, png_pixels, read_header
from piafusion.imaging.jpeg import Jpeg, decode_jpeg
from piafusion.imaging.metadata import (
    NOTHING,
    Metadata,
    decode_metadata,
    metadata_in,
    with_metadata,
)
from piafusion.imaging.tiff_directory import Tags, exif_orientation, find_page, is_tiff

LOOP_MILLISECONDS = 600
"""How long each picture of a loop is shown."""


def read_image(path: Path | str, check: Callable[[Image], Image] = lambda image: image) -> Image:
    """Read a picture.

    Args:
        path: PNG, JPEG, TIFF, BMP or WebP file, or one of a format that a plug-in reads (see
            `register_reader`).
        check: Applied to the array; an `ImageError` it raises gets the file's name.

    Returns:
        The result of `check`: by default H x W, H x W x 3 RGB or H x W x 4 RGBA in the file's
        own dtype: uint8 or uint16; from TIFF also integers of 8 to 64 bits, float32 or float64.

    Raises:
        ImageError: If the file is missing, unreadable, truncated, not a picture or several.
    """
    return _read_file(Path(path), _decode, check)


def read_visible(path: Path | str, check: Callable[[Image], Image] = as_visible) -> Image:
    """Read a visible picture: as `read_image`, but masked where the file says "no data".

    Args:
        path: The same files as for `read_image`.
        check: Applied to the array, which may be masked.

    Returns:
        The result of `check`. Below the mask lie the nearest values; the fill value of the masked
        array is the file's.

    Raises:
        ImageError: In the same cases as for `read_image`.
    """
    return _read_file(Path(path), partial(_decode, masked=True), check)


def read_infrared(path: Path | str, check: Callable[[Image], Image] = as_infrared) -> Image:
    """Read an infrared picture: as `read_image`, but of a thermal camera's photo the degrees.

    Args:
        path: The same files as for `read_image`.
        check: Applied to the array: that of a tone, for other than display values.

    Returns:
        The result of `check`: H x W in the file's own dtype, or float32 degrees Celsius from a
        radiometric FLIR JPEG; masked where a TIFF file says "no data".

    Raises:
        ImageError: In the same cases as for `read_image`.
        MissingExtraError: If a radiometric JPEG needs the `thermal` extra.
    """
    return _read_file(Path(path), _decode_infrared, check)


def decode_image(data: bytes, name: str) -> Image:
    """Decode the bytes of a picture's file, which errors call `name`: as `read_image`."""
    with _named(name):
        return _decode(data)


def decode_visible(
    data: bytes,
    name: str,
    check: Callable[[Image], Image] = as_visible,
    header: Header | None = None,
) -> Image:
    """Decode the bytes of a visible file: as `read_visible`.

    Args:
        data: Content of the file.
        name: The name that errors call it.
        check: Applied to the array.
        header: As `read_header` returns it, if it is known already.
    """
    with _named(name):
        return check(_decode(data, header, masked=True))


def decode_infrared(
    data: bytes,
    name: str,
    check: Callable[[Image], Image] = as_infrared,
    header: Header | None = None,
) -> Image:
    """Decode the bytes of an infrared file: as `read_infrared`; arguments as `decode_visible`."""
    with _named(name):
        return check(_decode_infrared(data, header))


def read_photo(path: Path | str) -> Photo:
    """Read a file of a thermal camera that holds the visible picture too, which is checked.

    Raises:
        ImageError: If the file cannot be read, or does not hold both.
        MissingExtraError: If it needs the `thermal` extra.
    """
    path = Path(path)
    return decode_photo(_content(path), str(path))


def decode_photo(data: bytes, name: str) -> Photo:
    """Decode the bytes of such a file, which errors call `name`: as `read_photo`."""
    with _named(name):
        read = find_photo_reader(data, plug_ins=True)
        if read is None:
            raise ImageError(
                "expected a photo of a thermal camera that holds its visible picture too, found "
                "a file without thermal data; give the infrared and the visible file"
            )
        photo = read(data)
        check_used(photo.conditions)
        return replace(photo, visible=as_visible(photo.both()[1]))


def read_pair(
    infrared: Path | str,
    visible: Path | str,
    check: Callable[[Image], Image] = as_infrared,
    check_visible: Callable[[Image], Image] = as_visible,
    *,
    same_size: bool = True,
) -> tuple[Image, Image]:
    """Read the two pictures of a scene and check that they can be fused.

    Args:
        infrared: File of the infrared picture.
        visible: File of the visible picture.
        check: Applied to the infrared picture: that of a tone, for other than display values.
        check_visible: Applied to the visible picture, likewise.
        same_size: Refuse two sizes, which need an alignment.

    Returns:
        H x W infrared, and H x W or H x W x 3 RGB visible, each in its file's dtype; masked where
        a TIFF file says "no data".

    Raises:
        ImageError: If a file or picture cannot be used; the message names the file.
        SizeMismatchError: If the sizes differ.
        MissingExtraError: If a radiometric JPEG needs the `thermal` extra.
    """
    ir = read_infrared(infrared, check)
    vi = read_visible(visible, check_visible)
    if same_size:
        check_same_size(ir, vi, names=(str(infrared), str(visible)))
    return ir, vi


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` if a picture may not be written to a path or not in that format."""
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"{path}: expected a suffix of {known}, found {path.suffix!r}")
    if path.is_dir():
        raise UsageError(f"{path}: expected a file to write, found a folder; choose another name")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: exists already; choose another name or allow overwriting")


def read_metadata(path: Path | str) -> Metadata:
    """Return what a file says beside its pixels; nothing if it cannot be read here."""
    try:
        with Path(path).open("rb") as file:
            if is_tiff(file.read(4)):  # it may be larger than the memory
                return metadata_in(find_page(file))
            file.seek(0)
            return decode_metadata(file.read())
    except (OSError, ImageError):
        return NOTHING


def write_image(
    path: Path | str,
    image: Image,
    *,
    overwrite: bool = False,
    metadata: Metadata = NOTHING,
) -> None:
    """Write a picture, whole or not at all.

    PNG, TIFF, BMP and WebP keep every value; JPEG is written at quality 95. Missing folders
    are made.

    Args:
        path: Its suffix decides the format.
        image: H x W or H x W x 3 RGB; uint8 for every format, uint16 for PNG and TIFF,
            float32 for TIFF.
        overwrite: Replace an existing file.
        metadata: All that the file says beside the pixels, as `read_metadata` returns it from
            another one: place, time and camera, and the colour profile. BMP holds none.

    Raises:
        UsageError: If the path exists or the format does not hold the dtype.
        OutputError: If it cannot be written; no partial file is left.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    write_bytes(path, encode_image(image, path.suffix.lower(), str(path), metadata))


def encode_image(
    image: Image, suffix: str, name: str = "result", metadata: Metadata = NOTHING
) -> memoryview:
    """Return the bytes of a picture's file; `write_image` says what each format keeps.

    Args:
        image: H x W or H x W x 3 RGB; uint8, uint16 or float32, as the format holds; or
            N x H x W x 3 of uint8 for a loop, in WebP or PNG.
        suffix: One of `formats.IMAGE_SUFFIXES`.
        name: The name that errors call the picture.
        metadata: As for `write_image`.

    Raises:
        UsageError: If the format does not hold the dtype.
        OutputError: If the encoder fails, as it does beyond the largest size of its format.
    """
    dtypes, settings = FORMATS[suffix]
    if image.dtype.name not in dtypes:
        better = ", ".join(s for s, (held, _) in FORMATS.items() if image.dtype.name in held)
        advice = f"write {better}" if better else "convert it to uint8, uint16 or float32"
        raise UsageError(
            f"{name}: expected {' or '.join(dtypes)} for this format, found {image.dtype}; {advice}"
        )
    if image.ndim == 4:
        return _encode_loop(image, suffix, name)
    if image.ndim == 2:
        pixels = image
    elif image.dtype == np.float64:  # cvtColor is fast and knows no doubles
        pixels = image[..., ::-1]
    else:
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(suffix, pixels, settings)
    if not done:
        raise OutputError(f"{name}: the {suffix} encoder failed; choose another format")
    if metadata == NOTHING:
        return encoded.data
    return with_metadata(encoded.data, suffix, metadata.fitting(image.shape))


def _encode_loop(frames: Image, suffix: str, name: str) -> memoryview:
    """Return the bytes of a file that shows pictures in turn, for ever."""
    if suffix not in (".webp", ".png") or not hasattr(cv2, "imencodeanimation"):
        reason = f"found {suffix}" if hasattr(cv2, "imencodeanimation") else "found an older one"
        raise UsageError(
            f"{name}: expected .webp or .png for a loop, and OpenCV 4.12 to write it, {reason}"
        )
    loop = cv2.Animation()
    loop.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]
    loop.durations = [LOOP_MILLISECONDS] * len(frames)
    done, encoded = cv2.imencodeanimation(suffix, loop, FORMATS[suffix][1])
    if not done:
        raise OutputError(f"{name}: the {suffix} encoder failed; choose another format")
    return encoded.data


def _read_file(
    path: Path, decode: Callable[[bytes], Image], check: Callable[[Image], Image]
) -> Image:
    """Read a file with the reader of its plug-in or, if it has none, decode its bytes."""
    read = find_reader(path)
    if read is not None:
        with _named(str(path)):
            return check(_read_by_plugin(read, path))
    data = _content(path)
    with _named(str(path)):
        return check(decode(data))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = system_reason(error)
        raise ImageError(f"{path}: expected a readable image file, found: {reason}") from error


def _read_by_plugin(read: ReadFile, path: Path) -> Image:
    suffix = path.suffix.lower()
    try:
        image = read(path)
    except PiafusionError:
        raise
    except Exception as error:  # a plug-in may raise anything for a damaged file
        reason = " ".join(str(error).split())
        raise ImageError(
            f"expected a file that the reader of {suffix} can read, found {type(error).__name__}: "
            f"{reason}; check the file"
        ) from error
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"expected a NumPy array from the reader of {suffix}, found {type(image).__name__}; "
            "repair that reader"
        )
    return native(image)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Give errors of the block the name of a file."""
    try:
        yield
    except (ImageError, MissingExtraError) as error:
        raise type(error)(f"{name}: {error}") from error


def _decode_infrared(data: bytes, header: Header | None = None) -> Image:
    read = find_photo_reader(data)
    photo = read(data) if read else None
    check_used(photo.conditions if photo else {})
    return photo.infrared if photo else _decode(data, header, masked=True)


def _decode(data: bytes, header: Header | None = None, *, masked: bool = False) -> Image:
    """Return the picture upright and with RGB channel order, masked where it has no data."""
    if not data:
        raise ImageError("expected a whole image file, found an empty file; copy it again")
    header = header or read_header(data)
    if header is None:
        raise ImageError(_UNDECODABLE)
    if header.end is None:
        raise ImageError(
            f"expected a whole image file, found one that ends after {len(data)} bytes, too "
            "early; copy it again"
        )
    check_size(header.width, header.height)
    if isinstance(header.detail, Tags):
        from piafusion.imaging.tiff_pixels import decode_tiff  # other pictures start without it

        return decode_tiff(data, header.detail, masked=masked)
    if len(data) > header.end:
        data = data[: header.end]
    if isinstance(header.detail, Jpeg):
        image = decode_jpeg(data, header.detail)
    else:
        image = _decode_rest(data, header)
    return turned(image, exif_orientation(header.exif)) if header.exif else image


def _decode_rest(data: bytes, header: Header) -> Image:
    """Return the picture of a PNG, WebP or BMP file as it lies there.

    OpenCV gives back memory that it has not cleared; it is asked for nothing but whole files of
    formats whose decoders are known to fill all of it.
    """
    if header.format == "png":
        data = png_pixels(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise ImageError(_UNDECODABLE)
    height, width = image.shape[:2]
    if (height, width) != (header.height, header.width):
        raise ImageError(
            f"expected {header.width}x{header.height} pixels, as the header says, found "
            f"{width}x{height}; check the file"
        )
    if image.ndim == 2:
        if header.detail is None or not (image == header.detail).any():
            return image
        alpha = np.where(image == header.detail, 0, full_scale(image.dtype)).astype(image.dtype)
        return np.dstack([image, image, image, alpha])
    if header.channels == 2 and (image[..., 3] == full_scale(image.dtype)).all():
        return np.ascontiguousarray(image[..., 0])
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


_UNDECODABLE = (
    "expected PNG, JPEG, TIFF, BMP or WebP, found data that cannot be decoded; check the file"
)
