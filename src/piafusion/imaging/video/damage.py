"""What a decoder could not decode, or has patched: its frames' flags and its messages."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import av

logging.getLogger("libav").addHandler(logging.NullHandler())  # heard here, not printed

# Decoders that flag the frames they have patched; what they say beside that is often harmless.
_FLAGGING = ("h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv", "vc1", "wmv3")
_HARMLESS = re.compile(r"\bSEI\b|APP fields|EXIF|ICC|extension", re.IGNORECASE)

_lock, _listeners = threading.Lock(), 0
_before: tuple[int | None, bool] = (None, True)


@contextmanager
def listening() -> Iterator[None]:
    """While entered, FFmpeg's errors reach `av.logging.Capture`, each of them.

    FFmpeg tells them to the thread in which they arise, so a source that decodes in its own thread
    alone hears its own. A decoder with threads of its own must not be used meanwhile: PyAV closes
    it with Python's lock held, and waits for ever if one of them has something to say.
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
        patched: Frames in which the decoder has replaced what was damaged.
        first: When the first of them is shown, in the source's own steps.
    """

    decoder: str
    lost: int = 0
    patched: int = 0
    first: int | None = None
    _suspects: set[int] = field(default_factory=set)
    _key: int | None = None  # when the first key frame is shown
    _started: bool = False

    def decode(self, packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
        """Decode a packet and note what is wrong with it and its frames."""
        if packet.is_keyframe and not self._started:
            self._started, self._key = True, packet.pts
        frames: list[av.VideoFrame] = []
        with av.logging.Capture() as lines:
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                if self._counts(packet.pts):
                    self.lost += 1
                    self._note(packet.pts)
                return []
        if self._counts(packet.pts) and (packet.is_corrupt or self._complains(lines)):
            if packet.pts is None:
                self.lost += 1
            else:
                self._suspects.add(packet.pts)
                self._note(packet.pts)
        for frame in frames:
            suspect = frame.pts in self._suspects
            if suspect or (frame.is_corrupt and self._counts(frame.pts)):
                self.patched += 1
                self._note(frame.pts)
                self._suspects.discard(frame.pts)
        return frames

    def finish(self) -> None:
        """Count what was damaged and has never come out."""
        self.lost += len(self._suspects)
        self._suspects.clear()

    def _counts(self, pts: int | None) -> bool:
        """Tell whether a frame can be whole: not before the first key frame of a recording."""
        return self._started and (pts is None or self._key is None or pts >= self._key)

    def _complains(self, lines: list[tuple[int, str, str]]) -> bool:
        if self.decoder in _FLAGGING:
            return False
        return any(
            level <= av.logging.ERROR and name == self.decoder and not _HARMLESS.search(text)
            for level, name, text in lines
        )

    def _note(self, pts: int | None) -> None:
        if pts is not None and (self.first is None or pts < self.first):
            self.first = pts

    def told(self, seconds: Fraction | None) -> str | None:
        """Say in one line what was found, with the time of the first; None if nothing was."""
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
