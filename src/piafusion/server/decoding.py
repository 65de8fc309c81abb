"""Decoding in processes that can be killed, one for each thread that fuses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image
from piafusion.imaging.formats import Photo
from piafusion.imaging.headers import Header, read_header
from piafusion.imaging.io import decode_photo
from piafusion.run.processes import KillableProcesses, decoding_seconds, limit_memory
from piafusion.server.problems import HttpProblem
from piafusion.server.settings import MEGAPIXEL, ServerSettings

_BASE = 2**30  # bytes of address space of a process without any picture
_PER_PIXEL = 64  # bytes; three arrays of 16 bits and three channels, twice over


class Decoders:
    """Processes that decode, used again for each picture; safe for threads."""

    def __init__(self, settings: ServerSettings) -> None:
        """Start nothing yet."""
        self._settings = settings
        memory = _BASE + _PER_PIXEL * settings.max_pixels + 4 * settings.max_bytes
        ready = partial(_prepare, memory)
        self._processes = KillableProcesses(settings.share.workers, ready)

    def start(self) -> None:
        """Start all processes, so that no request waits for them."""
        self._processes.start()

    def photo(self, data: bytes, name: str) -> Photo:
        """Return the pictures of a photo that holds both; errors are those of `decode`."""
        seconds = min(decoding_seconds(len(data)), self._settings.timeout)
        return self._processes.call(
            _decode_photo, data, name, self._settings.max_megapixels, name=name, seconds=seconds
        )

    def decode(
        self, decode: Callable[..., Image], data: bytes, name: str, check: Callable[[Image], Image]
    ) -> Image:
        """Return the picture of a file.

        Args:
            decode: `decode_infrared` or `decode_visible` of `piafusion.imaging.io`.
            data: Content of the file.
            name: The name that errors call it.
            check: Applied to the picture.

        Raises:
            ImageError: If it cannot be used, or its decoder was killed.
            MissingExtraError: If it needs the `thermal` extra.
            HttpProblem: If it is too large or of another type.
        """
        seconds = min(decoding_seconds(len(data)), self._settings.timeout)
        return self._processes.call(
            _decode_checked, decode, data, name, check, self._settings.max_megapixels,
            name=name, seconds=seconds,
        )  # fmt: skip

    def close(self) -> None:
        """Kill all processes; to be called when no thread decodes any more."""
        self._processes.close()


def _prepare(memory: int) -> None:
    """Prepare a process."""
    from piafusion.imaging import dji

    limit_memory(memory)  # this module is imported, and the decoders with it
    dji.may_run = False  # no other program gets a file of a stranger


def _decode_checked(
    decode: Callable[..., Image],
    data: bytes,
    name: str,
    check: Callable[[Image], Image],
    megapixels: float,
) -> Image:
    """Decode a file, in another process, unless it is too large by its header."""
    return decode(data, name, check, _checked_header(data, name, megapixels))


def _decode_photo(data: bytes, name: str, megapixels: float) -> Photo:
    """Decode a photo, in another process, unless it is too large by its header."""
    _checked_header(data, name, megapixels)
    return decode_photo(data, name)


def _checked_header(data: bytes, name: str, megapixels: float) -> Header:
    """Refuse a picture that is too large by its header, before it takes any memory."""
    if not data:
        raise ImageError(f"{name}: expected an image file, found an empty one; send it again")
    try:
        header = read_header(data)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    if header is None:
        raise HttpProblem(
            415,
            "unknown-type",
            f"{name}: expected PNG, JPEG, TIFF, BMP or WebP, found another kind of data; "
            "convert the picture",
        )
    refuse_large(header.width, header.height, name, megapixels)
    return header


def refuse_large(width: int, height: int, name: str, megapixels: float) -> None:
    """Raise `HttpProblem` for a picture of more megapixels than the server takes."""
    if width * height > int(megapixels * MEGAPIXEL):
        raise HttpProblem(
            413,
            "too-many-pixels",
            f"{name}: expected at most {megapixels:g} megapixels, found {width}x{height}; send a "
            "smaller picture",
        )
