"""Counts damaged frames: those that a decoder could not decode, and those that it repaired."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import av

from piafusion.video.frames import FALL

logging.getLogger("libav").addHandler(logging.NullHandler())  # read here, not printed

# Decoders that mark the frames that they have repaired; their other messages are often harmless.
_FLAGGING = ("h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv", "vc1", "wmv3")
_HARMLESS = re.compile(r"\bSEI\b|APP fields|EXIF|ICC|extension", re.IGNORECASE)

_REMEMBERED = 64  # damaged frames are kept, because one can appear as a packet and again as a frame
_DOUBT = 2  # packets after which a packet that is marked as corrupt counts as damaged

_lock, _listeners = threading.Lock(), 0
_before: tuple[int | None, bool] = (None, True)


@contextmanager
def capturing_errors() -> Iterator[None]:
    """Let `av.logging.Capture` see every error of FFmpeg inside the block.

    FFmpeg reports an error in the thread where it occurs, so a source that decodes in one thread
    sees its own errors only. A decoder with several threads must not be used meanwhile: PyAV closes
    it while it holds the lock of Python, and waits for ever if one of these threads reports.
    """
    global _listeners, _before
    with _lock:
        if not _listeners:
            _before = av.logging.get_level(), av.logging.get_skip_repeated()
            av.logging.set_level(max(_before[0] or av.logging.ERROR, av.logging.ERROR))
            av.logging.set_skip_repeated(False)
        _listeners += 1
    try:
        yield
    finally:
        with _lock:
            _listeners -= 1
            if not _listeners:
                av.logging.set_level(_before[0])
                av.logging.set_skip_repeated(_before[1])


@dataclass
class Damage:
    """Counts the damage of one source.

    Attributes:
        decoder: FFmpeg's name of the decoder.
        lost: Packets that gave no frame.
        patched: Frames in which the decoder has replaced damaged parts.
        first: Timestamp of the first damaged frame, in time steps of the source.
    """

    decoder: str
    lost: int = 0
    patched: int = 0
    first: int | None = None
    _counted: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _doubtful: dict[int, int] = field(default_factory=dict)  # packets since then, by timestamp
    _key: int | None = None  # timestamp of the first key frame
    _started: bool = False
    _decoded: int | None = None  # decoding time of the last packet

    def decode(self, packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
        """Decode a packet and count the damage in it and its frames."""
        if packet.is_keyframe and not self._started:
            self._started, self._key = True, packet.pts
        self._settle(packet)
        frames: list[av.VideoFrame] = []
        with av.logging.Capture() as lines:
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self.lost += self._is_new(packet.pts)
                return []
        if self._complains(lines):
            self.patched += self._is_new(packet.pts)
        elif packet.is_corrupt and packet.pts is not None:
            self._doubtful[packet.pts] = 0
        for frame in frames:
            if frame.is_corrupt:
                self.patched += self._is_new(frame.pts)
        return frames

    def finish(self) -> None:
        """Count the packets that are still in doubt at the end of a recording."""
        for pts in self._doubtful:
            self.patched += self._is_new(pts)
        self._doubtful.clear()

    def _settle(self, packet: av.Packet[av.VideoStream]) -> None:
        """Count packets that are marked as corrupt if the clock continues after them.

        Where two recordings are joined, the packet numbers do not continue. The last packet but one
        is then marked as corrupt although nothing is wrong with it.
        """
        before, self._decoded = self._decoded, packet.dts
        if before is None or packet.dts is None:
            return
        if abs(packet.dts - before) * packet.time_base > FALL:
            self._doubtful.clear()
        for pts in list(self._doubtful):
            self._doubtful[pts] += 1
            if self._doubtful[pts] > _DOUBT:
                del self._doubtful[pts]
                self.patched += self._is_new(pts)

    def _is_new(self, pts: int | None) -> bool:
        """Remember a damaged frame; return whether it is a new one that counts."""
        if not self._counts(pts) or pts in self._counted:
            return False
        if pts is not None:
            self._counted.append(pts)
            self.first = pts if self.first is None else self.first
        return True

    def _counts(self, pts: int | None) -> bool:
        """Return whether a frame can be complete: not before the first key frame of a recording."""
        return self._started and (pts is None or self._key is None or pts >= self._key)

    def _complains(self, lines: list[tuple[int, str, str]]) -> bool:
        if self.decoder in _FLAGGING:
            return False
        return any(
            level <= av.logging.ERROR and name == self.decoder and not _HARMLESS.search(text)
            for level, name, text in lines
        )

    def describe(self, seconds: Fraction | None) -> str | None:
        """Return one line with the damage and the time of the first; None if there is none."""
        count = self.lost + self.patched
        if not count:
            return None
        parts = [
            f"{number} {what}"
            for number, what in ((self.lost, "lost"), (self.patched, "patched by the decoder"))
            if number
        ]
        when = "" if seconds is None else f", the first at {float(seconds):.3f} s"
        frames = "1 damaged frame" if count == 1 else f"{count} damaged frames"
        return f"{frames}{when} ({', '.join(parts)})"
