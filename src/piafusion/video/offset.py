"""Estimates how much later one recording started than the other, from the motion in both."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import VideoError
from piafusion.imaging.arrays import Image
from piafusion.video.sources import open_source
from piafusion.video.spread import Recordings

SECONDS = 60.0  # of each recording that are looked at
LONGEST = 10.0  # seconds of an offset that is found

_STEP = 0.01  # seconds
_WIDTH, _HEIGHT, _COLUMNS, _ROWS = 160, 120, 16, 12
_SLOW = 2.0  # seconds; slower changes are of the light
_DRIFT = Fraction(3, 100)  # seconds; a smaller change of the offset is an error of the estimate
_APART = 0.3  # seconds from the best offset to any other
_LEAST, _CLEAR = 0.09, 1.8  # agreement, and how many times that of any other offset

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Offset:
    """An offset in time.

    Attributes:
        seconds: How much later the infrared recording started, at its beginning.
        agreement: Correlation of the motion in both recordings, from -1 to 1.
        other: The highest correlation at offsets that are not near.
        drift: Seconds by which the offset grows in each second of the infrared recording, because
            the clocks of the cameras differ; 0 if the recordings are too short to tell.
    """

    seconds: Fraction
    agreement: float
    other: float
    drift: Fraction = Fraction(0)


def estimate_offset(infrared: str, visible: str) -> Offset:
    """Estimate the offset between two files that show the same scene.

    Each picture is cut into blocks. Where something moves, a block changes, in the infrared and in
    the visible recording at the same time. Changes that all blocks share are left out, because they
    come from the camera or the codec, not from the scene.

    The first minute is looked at, in recordings of three minutes or more the last one too: it tells
    whether the two clocks drift apart.

    Raises:
        VideoError: If a file cannot be read, or the two do not move alike.
        UsageError: If a source is live or a pipe.
    """
    lasts = Recordings(infrared, visible).lasts
    found = _offset_from(infrared, visible, 0.0, 0.0)
    late = float(lasts(found.seconds)) - SECONDS
    if late < 2 * SECONDS:
        return found
    try:
        last = _offset_from(infrared, visible, max(0.0, late - float(found.seconds)), late)
    except VideoError:  # nothing moves there
        return found
    if abs(last.seconds - found.seconds) < _DRIFT:
        return found
    drift = (last.seconds - found.seconds) / Fraction(round(late))
    half = Fraction(round(SECONDS)) / 2  # the middle of the first minute, for which it was found
    return replace(found, seconds=found.seconds - drift * half, drift=drift)


def _offset_from(infrared: str, visible: str, begins: float, start: float) -> Offset:
    """Estimate the offset from a minute that begins there in each of the two recordings."""
    (begin, first), (starts, second) = _motion(infrared, begins), _motion(visible, start)
    shorter = min(len(first), len(second))
    farthest = min(round(LONGEST / _STEP), shorter // 2)
    size = 1 << (len(first) + len(second)).bit_length()
    spectrum = np.conj(np.fft.rfft(first, size, axis=0)) * np.fft.rfft(second, size, axis=0)
    products = np.fft.irfft(spectrum.sum(axis=1), size)
    powers = [np.cumsum([0.0, *(part**2).sum(axis=1)]) for part in (first, second)]
    shifts = np.arange(-farthest, farthest + 1)
    scores = np.array([_score(products, powers, int(shift)) for shift in shifts])
    best = int(scores.argmax())
    away = scores[np.abs(shifts - shifts[best]) * _STEP > _APART]
    agreement, other = float(scores[best]), float(away.max(initial=0.0))
    if agreement < max(_LEAST, _CLEAR * other):
        raise VideoError(
            f"{infrared}, {visible}: expected motion that both show at one time, found agreement "
            f"of {agreement:.2f} at best and {other:.2f} elsewhere; give --offset in seconds"
        )
    seconds = round(starts - begin + int(shifts[best]) * _STEP, 2)
    return Offset(Fraction(str(seconds)), agreement, other)


def _score(products: NDArray[np.float64], powers: list[NDArray[np.float64]], shift: int) -> float:
    """Return the correlation where the two overlap, if the second is moved by `shift` steps."""
    first, second = powers
    begin, end = max(0, -shift), min(len(first), len(second) - shift) - 1
    power = (first[end] - first[begin]) * (second[end + shift] - second[begin + shift])
    return float(products[shift] / np.sqrt(power + 1e-9))


def _motion(name: str, start: float) -> tuple[float, Array]:
    """Return how much each block of a minute changes, in equal steps, and the time of the first.

    The steps are rows, the blocks are columns; slow changes and common ones are taken away.
    """
    pictures, times, keys = list[Array](), list[float](), list[bool]()

    def convert(frame: av.VideoFrame) -> Image:
        keys.append(frame.key_frame)
        return frame.reformat(_WIDTH, _HEIGHT, "gray16le").to_ndarray()

    with closing(open_source(name)) as source:
        for frame in source.frames(convert, Fraction(start)):
            small = cv2.resize(frame.image.astype(np.float32), (_WIDTH, _HEIGHT))
            pictures.append(np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5), np.float32))
            times.append(float(frame.time))
            if times[-1] > start + SECONDS:
                break
    if len(pictures) < 3 or times[-1] - times[0] < 2 * _SLOW:
        raise VideoError(
            f"{name}: expected at least {2 * _SLOW:g} s to find the offset, found "
            f"{times[-1] - times[0] if times else 0:.1f} s; give --offset in seconds"
        )
    scale = 50 / max(float(np.std(pictures[0])), 1e-6)
    jumps = keys if not all(keys) else [False] * len(keys)  # a key frame changes the whole picture
    middles, rows = list[float](), list[Array]()
    for index in range(1, len(pictures)):
        lasts = times[index] - times[index - 1]
        if lasts > 0 and not (jumps and jumps[index]):
            change = np.abs(pictures[index] - pictures[index - 1]) * np.float32(scale / lasts)
            blocks = cv2.resize(change, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
            rows.append(np.log1p(blocks).ravel())
            middles.append((times[index] + times[index - 1]) / 2)
    changes = np.array(rows)
    changes -= np.median(changes, axis=1, keepdims=True)
    steps = np.arange(middles[0], middles[-1], _STEP)
    even = np.stack([np.interp(steps, middles, block) for block in changes.T], axis=1)
    even = even.astype(np.float32)
    slow = cv2.blur(even, (1, round(_SLOW / _STEP) | 1), borderType=cv2.BORDER_REFLECT)
    return middles[0], np.asarray(even - slow, np.float32)
