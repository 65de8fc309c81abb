"""Sequences of FLIR cameras (.seq): frames of temperatures, one container behind the other."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from piafusion.errors import ImageError, VideoError
from piafusion.imaging.flir import MAGIC, length_of, read_frame, time_of
from piafusion.video.frames import Convert, Frame
from piafusion.video.sources import VideoFormat, VideoSource

_DIRECTORY = 64 + 256 * 32  # bytes, at most, of a container's header and directory
_ASSUMED_RATE = Fraction(25)  # where the frames have no times


def is_sequence(path: Path) -> bool:
    """Tell whether a file begins as a sequence does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class TemperatureSource(VideoSource):
    """A sequence; its frames are H x W float32 degrees Celsius and need a tone."""

    celsius = True

    def __init__(self, name: str, path: Path) -> None:
        """Find the frames and their times.

        Raises:
            VideoError: If it holds no frame that can be read.
            MissingExtraError: If flyr is not installed.
        """
        self.name = self.url = name
        self.live = self.once = False
        with path.open("rb") as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._rest = ""
        self._places = list(self._walk())
        if not self._places:
            self.close()
            raise VideoError(f"{name}: expected frames of a FLIR sequence, found {self._rest}")
        times = [time_of(self._content[place : place + length]) for place, length in self._places]
        rises = all(before < after for before, after in pairwise(times))
        count = len(times)
        if count > 1 and rises:
            self._times = [Fraction(time - times[0], 1000) for time in times]
            rate = (count - 1) / self._times[-1]
        else:
            rate = _ASSUMED_RATE
            self._times = [place / rate for place in range(count)]
        self.start, self.length, self.seconds = Fraction(0), count, count / rate
        self.reached, self.restarts = Fraction(0), list[Fraction]()
        self._turned, self._format = False, VideoFormat(rate=rate, time_base=Fraction(1, 1000))

    def frames(self, convert: Convert, start: Fraction = Fraction(0)) -> Iterator[Frame]:
        """Yield the temperatures from `start` seconds on; there is nothing to convert.

        Raises:
            VideoError: If a frame cannot be read.
        """
        del convert
        ends = [*self._times[1:], self.seconds or Fraction(0)]
        for (place, length), at, end in zip(self._places, self._times, ends, strict=True):
            if at < start:
                continue
            try:
                celsius = read_frame(self._content[place : place + length])
            except ImageError as error:
                raise VideoError(f"{self.name} at {float(at):.3f} s: {error}") from error
            self.reached = end
            yield Frame(celsius, at, end - at)

    def problem(self, *, read_to_end: bool) -> str | None:
        """Return a line if something else than a frame follows the last one."""
        del read_to_end
        return (
            f"{self.name}: after {self.length} frames, found {self._rest}" if self._rest else None
        )

    def close(self) -> None:
        """Close the file."""
        self._content.close()

    def _walk(self) -> Iterator[tuple[int, int]]:
        """Yield place and length of each frame."""
        place, size = 0, len(self._content)
        while place < size:
            try:
                length = length_of(self._content[place : place + _DIRECTORY])
            except ImageError as error:
                self._rest = f"something else at byte {place} ({error})"
                return
            if place + length > size:
                self._rest = f"a frame cut at byte {size}"
                return
            yield place, length
            place += length
