"""Pairs of pictures from moments that are spread over two recordings of a rig."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.imaging.arrays import Image
from piafusion.imaging.pairs import Pair
from piafusion.video.frames import Convert, to_infrared, to_visible
from piafusion.video.names import is_pipe
from piafusion.video.sources import open_source


@dataclass(frozen=True)
class Moment(Pair):
    """A pair of frames; `time` is in seconds of the visible recording."""

    time: Fraction


class Recordings:
    """Two recordings, read at single moments."""

    def __init__(
        self,
        infrared: str,
        visible: str,
        *,
        offset: Fraction = Fraction(0),
        palette: str | None = None,
    ) -> None:
        """Look at both files.

        Args:
            infrared: Path or address of a file.
            visible: Path or address of a file.
            offset: Seconds by which the infrared recording started later.
            palette: The infrared's palette, if it is in false colours, or "auto".

        Raises:
            VideoError: If one cannot be opened.
            UsageError: If one is live or a pipe: it can be read only once.
        """
        self.offset, self._names = offset, (infrared, visible)
        self._convert: tuple[Convert, Convert] = to_infrared(palette), to_visible()
        self._lengths, self._rates = list[Fraction](), list[Fraction]()
        for name in self._names:
            if is_pipe(name):
                raise self._refused(name)
            with closing(open_source(name)) as source:
                if source.live:
                    raise self._refused(name)
                self._rates.append(source.format.rate)
                length = (source.length or 0) / source.format.rate
                self._lengths.append(source.seconds or length)

    def moments(self, count: int) -> list[Moment]:
        """Return up to `count` moments, evenly spread over the time in which both recorded.

        Raises:
            UsageError: If there is no such time.
        """
        infrared, visible = self._names
        begin, end = max(Fraction(0), self.offset), self.lasts(self.offset)
        if begin >= end:
            raise UsageError(
                f"{visible}: expected a recording of the same time as {infrared}, found none in "
                f"common; check --offset {float(self.offset):g}"
            )
        lasts = max(Fraction(0), end - begin - 1 / min(self._rates))  # to where a last frame begins
        count = min(count, int(lasts * self._rates[1]) + 1)
        times = [begin + lasts * (2 * index + 1) / (2 * count) for index in range(count)]
        paths = Path(infrared), Path(visible)
        return [Moment(f"{float(time):.3f} s", *paths, time) for time in times]

    def lasts(self, offset: Fraction) -> Fraction:
        """Return the seconds of the visible recording after which one of the two has ended."""
        return min(self._lengths[1], self._lengths[0] + offset)

    def read(self, moment: Moment) -> tuple[Image, Image]:
        """Return the infrared (H x W) and visible (H x W x 3) picture of a moment.

        Raises:
            VideoError: If a file ends before it.
            ImageError: If the infrared is coloured.
        """
        visible, time = self._read(1, moment.time)
        # Half a frame earlier: the frame that follows is the nearest one.
        infrared, _ = self._read(0, time - self.offset - 1 / (2 * self._rates[0]))
        return infrared, visible

    def _read(self, which: int, start: Fraction) -> tuple[Image, Fraction]:
        with closing(open_source(self._names[which])) as source:
            frame = next(source.frames(self._convert[which], start))
        return frame.image, frame.time

    def _refused(self, name: str) -> UsageError:
        return UsageError(
            f"{name}: expected a file, which can be read twice, found a pipe or a live source; "
            "record it first, and align the recordings"
        )
