"""Recording what is shown, in a thread, so that writing holds up no picture."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from piafusion.errors import PiafusionError
from piafusion.imaging.arrays import Image, to_rgb8
from piafusion.video.decoding import BoundedQueue
from piafusion.video.frames import Frame
from piafusion.video.sources import LIVE_TIME_BASE, VideoFormat
from piafusion.video.writers import MovieWriter

_WAITING = 50  # pictures that wait for the encoder


class Recorder:
    """One file that is being recorded.

    Attributes:
        path: The file.
        size: Height and width of its pictures.
        frames: How many were written.
        problem: Why it has ended, if it could not be written.
    """

    def __init__(self, path: Path, format: VideoFormat, picture: Image) -> None:
        """Create the file.

        Raises:
            OutputError: If it cannot be created.
            VideoError: If PyAV was built without the encoder.
        """
        self.path, self.size = path, picture.shape[:2]
        self.frames, self.problem = 0, ""
        self._lasts = 1 / format.rate
        exact = replace(format, time_base=LIVE_TIME_BASE)
        self._writer = MovieWriter(path, exact, self.size[1], self.size[0])
        self._queue = BoundedQueue[Frame](_WAITING, drop_oldest=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many pictures came faster than they were encoded."""
        return self._queue.dropped

    def put(self, picture: Image, seconds: float) -> None:
        """Take a picture that is shown at a time of `time.monotonic`."""
        at = Fraction(round(seconds / LIVE_TIME_BASE)) * LIVE_TIME_BASE
        self._queue.put(Frame(to_rgb8(picture), at, self._lasts))

    def finish(self) -> None:
        """Complete the file."""
        self._queue.end()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (frame := self._queue.get()) is not None:
                if not self.problem:
                    self._writer.write(frame)
                    self.frames += 1
            if not self.problem:
                self._writer.finish()
        except PiafusionError as error:
            self._writer.discard()
            self.problem = str(error)
