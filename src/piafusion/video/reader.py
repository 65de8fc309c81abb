"""A thread that decodes one source into a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from piafusion.video.frames import Convert, Frame
from piafusion.video.live import LiveSource, Patience
from piafusion.video.matching import Matching
from piafusion.video.queues import BoundedQueue, ClosedError
from piafusion.video.sources import Source


class Reader:
    """A thread that decodes a source into a queue."""

    def __init__(self, source: Source, url: str, convert: Convert, ahead: int) -> None:
        """Prepare; `start` starts it.

        Args:
            source: What to decode.
            url: What to open again if the source is live and drops.
            convert: Makes arrays of frames.
            ahead: The most decoded frames that wait; a live source drops its oldest.
        """
        self.source, self._url, self._convert = source, url, convert
        self.queue = BoundedQueue[Frame](ahead, drop_oldest=source.live)
        self.reconnections = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self, began: float, matching: Matching) -> None:
        """Start; `began` is where `time.monotonic` stood when the live clock was 0."""
        self._began, self._matching = began, matching
        self.thread.start()

    def stop(self) -> None:
        """Tell the thread to end."""
        self.queue.close()
        if self.thread.ident is None:  # it has never begun
            self.source.close()

    def _run(self) -> None:
        try:
            for frame in self._frames():
                self.queue.put(frame)
            self.queue.end()
        except ClosedError:
            pass
        except BaseException as error:
            self.queue.end(error)
        finally:
            self.source.close()

    def _frames(self) -> Iterator[Frame]:
        if not self.source.live:
            yield from self.source.frames(self._convert)
            return
        notify = self._matching.notify
        patience = Patience(self._matching.reconnect, self.queue.wait_closed, notify)
        live = LiveSource(self.source, self._url, self._began)
        try:
            for frame in live.frames(self._convert, patience):
                self.reconnections = live.reconnections
                yield frame
        finally:
            live.close()
