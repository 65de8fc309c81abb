"""The pipeline: decode, pair, fuse and encode at the same time, in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction

from piafusion.errors import ImageError, PiafusionError, VideoError
from piafusion.imaging.arrays import Image
from piafusion.video.frames import Frame, FramePair
from piafusion.video.inputs import Inputs
from piafusion.video.queues import BoundedQueue
from piafusion.video.sources import VideoFormat
from piafusion.video.writers import Writer

MakeWriter = Callable[[VideoFormat, int, int], Writer]

_ENCODE_AHEAD = 4  # fused frames that wait for the encoder


@dataclass
class Run:
    """What a run has come to, so far or at its end.

    Attributes:
        frames: Fused.
        seconds: Of video, from the first frame to the end of the last.
        width: Of the fused frames, in pixels.
        height: Likewise.
        unmatched: Visible frames left out because no infrared frame was near.
        interrupted: Whether it was told to stop.
        error: What ended it too early, after frames had been fused; those are kept.
        began: On `time.perf_counter`.
    """

    frames: int = 0
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    unmatched: int = 0
    interrupted: bool = False
    error: PiafusionError | None = None
    began: float = field(default_factory=time.perf_counter)


def fuse_video(
    inputs: Inputs,
    fuse: Callable[[Image, Image], Image],
    make_writer: MakeWriter,
    *,
    prepare: Callable[[Image, Image], Image] | None = None,
    workers: int = 1,
    duration: Fraction | None = None,
    stopped: Callable[[], bool] = lambda: False,
    watch: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Fuse a video.

    Args:
        inputs: Opened sources; they are closed at the end.
        fuse: A `Fuser`, or what else makes one picture of an infrared and a visible one; called
            in several threads at the same time.
        make_writer: Called with the format, width and height when the first frame is fused.
        prepare: Applied to the infrared and visible picture, one pair after the other in their
            order; returns the infrared picture to fuse.
        workers: Threads that fuse.
        duration: Seconds of video after which to stop.
        stopped: Asked several times a second whether to stop.
        watch: Called after each frame.

    Returns:
        What it came to; if it ended early, what came before is whole.

    Raises:
        VideoError: If a source fails before a frame is fused, or no frames match.
        ImageError: If the first pair cannot be fused; the message names the source and time.
        OutputError: If the result cannot be written; nothing half-written is left.
    """
    run, encoder = Run(), None

    def wanted() -> Iterator[FramePair]:
        first = None
        for pair in inputs.pairs(stopped):
            if stopped():
                return
            if pair is None:
                run.unmatched += 1
                continue
            first = pair.time if first is None else first
            if duration is not None and pair.time - first >= duration:
                return
            if prepare is not None:
                with _placed(inputs.name, pair.time):
                    pair = replace(pair, infrared=prepare(pair.infrared, pair.visible))
            yield pair

    try:
        start = Fraction(0)
        for frame in _fused(wanted(), fuse, workers, inputs.name):
            height, width = frame.image.shape[:2]
            if encoder is None:
                start, run.width, run.height = frame.time, width, height
                encoder = _Encoder(make_writer(inputs.format, width, height))
            elif (width, height) != (run.width, run.height):
                raise VideoError(
                    f"{inputs.name} at {float(frame.time):.3f} s: expected frames of "
                    f"{run.width}x{run.height} as before, found {width}x{height}; start again"
                )
            encoder.queue.put(frame)
            run.frames += 1
            run.seconds = float(frame.time + frame.duration - start)
            watch(run)
    except PiafusionError as error:
        if not run.frames:
            raise
        run.error = error
    finally:
        inputs.close()
        if encoder is not None:
            encoder.finish()
    run.interrupted = stopped()
    if not run.frames and not run.interrupted:
        raise VideoError(
            f"{inputs.name}: expected infrared frames near its {run.unmatched} frames in time, "
            "found none; check --offset and --max-gap"
        )
    return run


def _fused(
    pairs: Iterator[FramePair], fuse: Callable[[Image, Image], Image], workers: int, name: str
) -> Iterator[Frame]:
    """Fuse pairs in several threads, in order; an error comes after the frames before it."""
    waiting: deque[tuple[FramePair, Future[Image]]] = deque()
    problem = None

    def first() -> Frame:
        pair, future = waiting.popleft()
        with _placed(name, pair.time):
            return Frame(future.result(), pair.time, pair.duration)

    with ThreadPoolExecutor(workers) as pool:
        for pair in _until_error(pairs):
            if isinstance(pair, PiafusionError):
                problem = pair
                break
            waiting.append((pair, pool.submit(fuse, pair.infrared, pair.visible)))
            if len(waiting) > workers:
                yield first()
        while waiting:
            yield first()
    if problem is not None:
        raise problem


def _until_error(pairs: Iterator[FramePair]) -> Iterator[FramePair | PiafusionError]:
    """Yield the pairs, and last the error that ended them."""
    try:
        yield from pairs
    except PiafusionError as error:
        yield error


@contextmanager
def _placed(name: str, time: Fraction) -> Iterator[None]:
    """Put the source and the time before the message of an `ImageError`."""
    try:
        yield
    except ImageError as error:
        raise type(error)(f"{name} at {float(time):.3f} s: {error}") from error


class _Encoder:
    """A thread that writes fused frames."""

    def __init__(self, writer: Writer) -> None:
        self.queue = BoundedQueue[Frame](_ENCODE_AHEAD)
        self._writer = writer
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Write what waits and make the result whole; raise what went wrong."""
        self.queue.end()
        try:
            self._thread.join()
        except BaseException:  # told a second time to stop: not even that
            self._writer.discard()
            raise
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while (frame := self.queue.get()) is not None:
                self._writer.write(frame)
            self._writer.finish()
        except BaseException as error:
            self._writer.discard()
            self._error = error
            self.queue.close(error)
