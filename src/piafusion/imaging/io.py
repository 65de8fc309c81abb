"""Picture files: reading that notices damage, writing that leaves nothing half-done."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from piafusion.errors import ImageError, OutputError, UsageError
from piafusion.imaging.arrays import Image, as_infrared, as_visible, check_same_size

# Suffix -> dtypes that the format holds, and the encoder's settings.
_ANY_INTEGER, _BYTES = ("uint8", "uint16"), ("uint8",)
_FORMATS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    ".png": (_ANY_INTEGER, ()),
    ".tif": ((*_ANY_INTEGER, "float32"), ()),
    ".tiff": ((*_ANY_INTEGER, "float32"), ()),
    ".jpg": (_BYTES, (cv2.IMWRITE_JPEG_QUALITY, 95)),
    ".jpeg": (_BYTES, (cv2.IMWRITE_JPEG_QUALITY, 95)),
    ".bmp": (_BYTES, ()),
    ".webp": (_BYTES, (cv2.IMWRITE_WEBP_QUALITY, 101)),  # above 100: lossless
}
IMAGE_SUFFIXES = frozenset(_FORMATS)


def read_image(path: Path | str, check: Callable[[Image], Image] = lambda image: image) -> Image:
    """Read a picture.

    Args:
        path: PNG, JPEG, TIFF, BMP or WebP file.
        check: Applied to the array; an `ImageError` it raises gets the file's name.

    Returns:
        What `check` returns: by default H x W, H x W x 3 RGB or H x W x 4 RGBA in the file's
        own dtype: uint8, uint16 or float32.

    Raises:
        ImageError: If the file is missing, unreadable, truncated or not a picture.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImageError(f"{path}: expected a readable image file, found: {reason}") from error
    damage = _damage(data)
    if damage:
        raise ImageError(f"{path}: expected a whole image file, found {damage}; copy it again")
    image = _decode(data)
    if image is None:
        raise ImageError(
            f"{path}: expected PNG, JPEG, TIFF, BMP or WebP, found data that cannot be decoded; "
            "check the file"
        )
    try:
        return check(image)
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


def read_pair(
    infrared: Path | str, visible: Path | str, *, same_size: bool = True
) -> tuple[Image, Image]:
    """Read the two pictures of a scene and check that they can be fused.

    Args:
        infrared: File of the infrared picture.
        visible: File of the visible picture.
        same_size: Refuse two sizes, which need an alignment.

    Returns:
        H x W infrared, and H x W or H x W x 3 RGB visible, each in its file's dtype.

    Raises:
        ImageError: If a file or picture cannot be used; the message names the file.
        SizeMismatchError: If the sizes differ.
    """
    ir = read_image(infrared, check=as_infrared)
    vi = read_image(visible, check=as_visible)
    if same_size:
        check_same_size(ir, vi, names=(str(infrared), str(visible)))
    return ir, vi


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` if a picture may not be written to a path or not in that format."""
    if path.suffix.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise UsageError(f"{path}: expected a suffix of {known}, found {path.suffix!r}")
    if path.is_dir():
        raise UsageError(f"{path}: expected a file to write, found a folder; choose another name")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: exists already; choose another name or allow overwriting")


def write_image(path: Path | str, image: Image, *, overwrite: bool = False) -> None:
    """Write a picture, whole or not at all.

    PNG, TIFF, BMP and WebP keep every value; JPEG is written at quality 95. Missing folders
    are made.

    Args:
        path: Its suffix decides the format.
        image: H x W or H x W x 3 RGB; uint8 for every format, uint16 for PNG and TIFF,
            float32 for TIFF.
        overwrite: Replace an existing file.

    Raises:
        UsageError: If the path exists or the format does not hold the dtype.
        OutputError: If it cannot be written; no partial file is left.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    dtypes, settings = _FORMATS[path.suffix.lower()]
    if image.dtype.name not in dtypes:
        better = ", ".join(s for s, (held, _) in _FORMATS.items() if image.dtype.name in held)
        advice = f"write {better}" if better else "convert it to uint8, uint16 or float32"
        raise UsageError(
            f"{path}: expected {' or '.join(dtypes)} for this format, found {image.dtype}; {advice}"
        )
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    done, encoded = cv2.imencode(path.suffix.lower(), pixels, settings)
    if not done:
        raise OutputError(f"{path}: the {path.suffix} encoder failed; choose another format")
    write_bytes(path, encoded.data)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file through a temporary one beside it, so that it appears whole or not at all.

    Raises:
        OutputError: If it cannot be written; no partial file is left.
    """
    with replacement(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file; what was written there takes the file's place.

    If the block fails, the temporary file goes and the file stays as it was.

    Raises:
        OutputError: If it cannot be written; no partial file is left.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"{path}: could not be written ({reason}); nothing partial is left, check the "
            "folder and the free space"
        ) from error


def _decode(data: bytes) -> Image | None:
    """Return the picture with RGB channel order, or None."""
    buffer = np.frombuffer(data, np.uint8)
    # A JPEG may say in its EXIF data that it is rotated; only this flag obeys. It drops alpha,
    # which JPEG has not.
    is_jpeg = data.startswith(b"\xff\xd8")
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH if is_jpeg else cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(buffer, flags) if len(buffer) else None
    except cv2.error:
        return None
    if image is None or image.ndim == 2:
        return image
    conversion = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(image.shape[2])
    return image if conversion is None else cv2.cvtColor(image, conversion)


def _damage(data: bytes) -> str | None:
    """Say what is wrong with a file that ends too early; decoders fill the rest with grey."""
    if not data:
        return "an empty file"
    if data.startswith(b"\x89PNG"):
        whole = b"IEND" in data[-64:]
    elif data.startswith(b"\xff\xd8"):
        whole = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    elif data.startswith(b"RIFF"):
        whole = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    elif data.startswith(b"BM"):
        whole = len(data) >= int.from_bytes(data[2:6], "little")
    else:
        whole = True
    return None if whole else f"one that ends after {len(data)} bytes, too early"
