"""Decoded frames: upright arrays, the infrared grey, sixteen bits kept; and matched by time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from piafusion.errors import ImageError
from piafusion.imaging.arrays import COLOURED_SHARE, Image
from piafusion.imaging.false_colour import FrameLevels

Layout = Literal["side-by-side", "top-bottom"]

# A palette or the visible video colours much of a picture; overlays and compression only a little.
_COLOURED = 24  # levels of 255 between the channels
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_THUMBNAIL = 32  # pixels a side
_STRIDE = 8  # one pixel out of so many is enough to notice a palette


@dataclass(frozen=True)
class Frame:
    """A picture and its time, in seconds from the start of its source."""

    image: Image
    time: Fraction
    duration: Fraction


@dataclass(frozen=True)
class FramePair:
    """An infrared and a visible picture of one moment; the times are the visible's.

    `later` is how many seconds the infrared picture was taken after the visible one.
    """

    infrared: Image
    visible: Image
    time: Fraction
    duration: Fraction
    later: Fraction = Fraction(0)


Convert = Callable[[VideoFrame], Image]


def to_visible(*, exact: bool = False, bits: int = 8) -> Convert:
    """Return a function that turns frames of one source into upright H x W x 3 RGB arrays.

    They are uint8, or uint16 with more than 8 bits.

    Args:
        exact: Round to the nearest, for palettes; FFmpeg's way is twice as fast, and up to two
            levels off.
        bits: How many bits of each value are wanted.
    """
    reformatter = VideoReformatter()
    how = {"interpolation": _EXACT} if exact else {}
    pixels = "rgb24" if bits == 8 else "rgb48le"

    def convert(frame: VideoFrame) -> Image:
        colours = reformatter.reformat(frame, format=pixels, threads=1, **how)
        return _upright(colours, frame.rotation)

    return convert


def to_infrared(palette: str | None = None) -> Convert:
    """Return a function that turns frames of one source into upright grey H x W arrays.

    Args:
        palette: Palette of frames in false colours, or "auto"; they become uint8 levels.

    They are uint16 if the source has more than 8 bits, else uint8. Luminance of limited range is
    scaled to full range. The function raises `ImageError` if the first frame is coloured.
    """
    if palette:
        colours, levels = to_visible(exact=True), FrameLevels(palette)
        return lambda frame: levels(colours(frame))
    reformatter, checked = VideoReformatter(), False

    def convert(frame: VideoFrame) -> Image:
        nonlocal checked
        if not checked:
            small = frame.reformat(_THUMBNAIL, _THUMBNAIL, "rgb24").to_ndarray()
            refuse_palette(small)
            checked = True
        deep = frame.format.components[0].bits > 8
        grey = "gray16le" if deep else "gray"
        return _upright(reformatter.reformat(frame, format=grey, threads=1), frame.rotation)

    return convert


def grey_of_half(image: Image) -> Image:
    """Return the grey H x W picture of an infrared half, H x W x 3; `ImageError` if coloured."""
    refuse_palette(image[::_STRIDE, ::_STRIDE])
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def split_halves(
    image: Image,
    layout: Layout,
    *,
    infrared_first: bool,
    to_grey: Callable[[Image], Image] = grey_of_half,
) -> tuple[Image, Image]:
    """Split a picture that shows both cameras.

    Args:
        image: H x W x 3 RGB uint8; the middle line of an odd side belongs to neither half.
        layout: Where the halves lie.
        infrared_first: Whether the infrared half is the left or upper one.
        to_grey: Turns the infrared half, H x W x 3, into one of H x W.

    Returns:
        The infrared, grey, and the visible, RGB, of one size.

    Raises:
        ImageError: If the infrared half is coloured.
    """
    if layout == "side-by-side":
        half = image.shape[1] // 2
        first, second = image[:, :half], image[:, image.shape[1] - half :]
    else:
        half = image.shape[0] // 2
        first, second = image[:half], image[image.shape[0] - half :]
    infrared, visible = (first, second) if infrared_first else (second, first)
    return to_grey(np.ascontiguousarray(infrared)), np.ascontiguousarray(visible)


def refuse_palette(image: Image) -> None:
    """Raise `ImageError` if much of an infrared picture, H x W x 3 uint8, is coloured."""
    coloured = float(np.mean(np.ptp(image, axis=2) > _COLOURED))
    if coloured > COLOURED_SHARE:
        raise ImageError(
            f"expected grey infrared frames, found colours in {coloured:.0%} of the picture; "
            "add --palette auto, or swap the two if this is the visible video"
        )


def scale_to(infrared: Image, visible: Image) -> Image:
    """Scale an infrared picture to the height and width of the visible one.

    Raises:
        ImageError: If their aspect ratios differ by more than 2 %: then they cannot show the
            same view.
    """
    (height, width), (vi_height, vi_width) = infrared.shape[:2], visible.shape[:2]
    if (height, width) == (vi_height, vi_width):
        return infrared
    if abs(width * vi_height / (height * vi_width) - 1) > 0.02:
        raise ImageError(
            f"expected frames of one aspect ratio to resize, found infrared {width}x{height} and "
            f"visible {vi_width}x{vi_height}; align them instead"
        )
    shrinks = width > vi_width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(infrared, (vi_width, vi_height), interpolation=how)


def _upright(frame: VideoFrame, rotation: int) -> Image:
    """Return the array of a frame, turned anticlockwise by `rotation` degrees (multiples of 90)."""
    image: Image = frame.to_ndarray()
    quarters = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


FALL = Fraction(1, 2)
"""Seconds; a clock that jumps back by less has not started again."""


class RisingClock:
    """Turns timestamps that jump back into times that never fall.

    The clock starts again where two recordings were joined into one file, or where a camera set
    its clock back. The new part then continues at the end of the part before. After a small step
    back, which comes from frames in a wrong order, the time stays as it is.

    Attributes:
        restarts: How often the clock has started again.
        shift: Seconds to add to timestamps since the last restart.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.shift = self._last = Fraction(0)
        self._end: Fraction | None = None

    def __call__(self, time: Fraction, lasts: Fraction) -> Fraction:
        """Return the time of a frame or packet with a timestamp and a duration, in seconds."""
        if self._end is None:
            self._last = time
        elif time + self.shift < self._last - max(FALL, 4 * lasts):
            self.shift = self._end - time
            self.restarts += 1
        self._last = max(self._last, time + self.shift)
        self._end = self._last + lasts
        return self._last


@dataclass(frozen=True)
class Matching:
    """How the frames of two sources are matched.

    Attributes:
        offset: Seconds by which the infrared source started later than the visible one.
        max_gap: Largest difference in seconds between the frames of a pair.
        reconnect: Seconds to wait for a stream that breaks off; 0 to end with it.
        notify: Called with one line about a connection.
        start: Seconds of the visible video to leave out.
        drift: Seconds by which the offset grows in each second of the infrared source.
    """

    offset: Fraction = Fraction(0)
    max_gap: Fraction = Fraction(1, 2)
    reconnect: float = 30.0
    notify: Callable[[str], None] = lambda line: print(line, file=sys.stderr)
    start: Fraction = Fraction(0)
    drift: Fraction = Fraction(0)


class NearestInTime:
    """Finds the frame that is nearest to a time; times and frames come in rising order.

    It reads one frame past the time, and holds two frames.

    Attributes:
        offset: Seconds to add to the frames' times; it may change between two calls.
    """

    def __init__(
        self,
        take: Callable[[], Frame | None],
        *,
        offset: Fraction = Fraction(0),
        drift: Fraction = Fraction(0),
    ) -> None:
        """Read nothing yet.

        Args:
            take: Returns the next frame, or None when no more will come; raises `TimeoutError`
                if a live source has none yet: then the newest one is used.
            offset: Seconds to add to the frames' times.
            drift: Seconds to add for each second of the frames' times.
        """
        self._take, self.offset, self._drift = take, offset, drift
        self._held: list[Frame] = []  # the last before the time asked for, the first after it
        self._ended = False

    def __call__(self, time: Fraction) -> tuple[Frame, Fraction] | None:
        """Return the nearest frame and how many seconds it is later, or None without frames."""
        while not self._ended and (not self._held or self._time(self._held[-1]) < time):
            try:
                frame = self._take()
            except TimeoutError:
                break
            if frame is None:
                self._ended = True
            else:
                self._held = [*self._held[-1:], frame]
        if not self._held:
            return None
        nearest = min(self._held, key=lambda frame: abs(self._time(frame) - time))
        return nearest, self._time(nearest) - time

    def _time(self, frame: Frame) -> Fraction:
        return frame.time * (1 + self._drift) + self.offset


def match(
    visible: Iterator[Frame], nearest: NearestInTime, *, max_gap: Fraction
) -> Iterator[FramePair | None]:
    """Yield a pair for each visible frame, or None where no infrared frame is near enough.

    Args:
        visible: Frames in the order of their times.
        nearest: Finds infrared frames.
        max_gap: Largest difference in seconds between the two frames of a pair.
    """
    for frame in visible:
        found = nearest(frame.time)
        if found is None or abs(found[1]) > max_gap:
            yield None
        else:
            yield FramePair(found[0].image, frame.image, frame.time, frame.duration, found[1])
