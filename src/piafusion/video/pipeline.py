"""The pipeline: decode, pair, fuse and encode at the same time, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

from piafusion.errors import ImageError, PiafusionError, VideoError
from piafusion.fuser import Fuser
from piafusion.imaging.arrays import Image
from piafusion.run.pool import map_in_order
from piafusion.run.progress import Progress, silent
from piafusion.video.frames import Frame, FramePair
from piafusion.video.inputs import VideoInputs
from piafusion.video.sources import VideoFormat
from piafusion.video.writers import Writer

Fuse = Callable[[Image, Image], Image]
MakeWriter = Callable[[VideoFormat, int, int], Writer]

_ENCODE_AHEAD = 4  # fused frames that wait for the encoder


@dataclass
class VideoRun:
    """The result of a run, so far or at its end.

    Attributes:
        frames: How many frames were fused.
        seconds: Length of the fused video, from the first frame to the end of the last.
        width: Width of the fused frames in pixels.
        height: Height of the fused frames in pixels.
        unmatched: Visible frames that were left out because no infrared frame was near.
        interrupted: Whether it was stopped from outside.
        error: The error that ended it after frames had been fused; those are kept.
    """

    frames: int = 0
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    unmatched: int = 0
    interrupted: bool = False
    error: PiafusionError | None = None


def fuse_video(
    inputs: VideoInputs,
    fuse: Fuse,
    make_writer: MakeWriter,
    *,
    prepare: Callable[[Image, Image], Image] | None = None,
    workers: int = 1,
    duration: Fraction | None = None,
    stopped: Callable[[], bool] = lambda: False,
    progress: Progress = silent,
) -> VideoRun:
    """Fuse a video.

    Args:
        inputs: Opened sources; they are closed at the end.
        fuse: A `Fuser`, which fuses the frames calmly (see `Fuser.sequence`), or another function
            of an infrared and a visible picture that returns the fused one; called in several
            threads at the same time.
        make_writer: Called with the format, width and height when the first frame is fused.
        prepare: Applied to the infrared and visible picture, one pair after the other in their
            order; returns the infrared picture to fuse.
        workers: Threads that fuse.
        duration: Seconds of video after which to stop.
        stopped: Asked several times a second whether to stop.
        progress: Receives the number of fused frames.

    Returns:
        The result; if the run ended early, the frames before are complete.

    Raises:
        VideoError: If a source fails before a frame is fused, or no frames match.
        ImageError: If the first pair cannot be fused; the message names the source and time.
        OutputError: If the result cannot be written; the message says what is left of it.
    """
    run, output = VideoRun(), _Output(make_writer)
    name, length = inputs.name, inputs.visible.length
    next_fuse = (
        fuse.sequence(float(inputs.format.rate)) if isinstance(fuse, Fuser) else lambda: fuse
    )

    def wanted() -> Iterator[tuple[FramePair, Fuse]]:
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
                with _placed(name, pair.time):
                    pair = replace(pair, infrared=prepare(pair.infrared, pair.visible))
            yield pair, next_fuse()

    def fused(item: tuple[FramePair, Fuse]) -> Frame:
        pair, fuse = item
        with _placed(name, pair.time):
            image = fuse(pair.infrared, pair.visible)
        return Frame(image, pair.time, pair.duration)

    def of_one_size(frames: Iterator[Frame]) -> Iterator[Frame]:
        """Make the writer when the size is known; count the frames on their way to it."""
        start = Fraction(0)
        for frame in frames:
            height, width = frame.image.shape[:2]
            if not run.frames:
                output.open(inputs.format, width, height)
                start, run.width, run.height = frame.time, width, height
            elif (width, height) != (run.width, run.height):
                raise VideoError(
                    f"{name} at {float(frame.time):.3f} s: expected frames of "
                    f"{run.width}x{run.height} as before, found {width}x{height}; start again"
                )
            run.frames += 1
            run.seconds = float(frame.time + frame.duration - start)
            progress("fusing frames", run.frames, length)
            yield frame

    frames = map_in_order(fused, wanted(), workers=workers, ahead=workers)
    written = map_in_order(output.write, of_one_size(frames), workers=1, ahead=_ENCODE_AHEAD)
    try:
        with closing(frames), closing(written):
            for _ in written:
                pass
    except PiafusionError as error:
        if not run.frames or output.failed:
            raise
        run.error = error
    finally:
        inputs.close()
        output.finish()
    run.interrupted = stopped()
    if not run.frames and not run.interrupted:
        raise VideoError(
            f"{name}: expected infrared frames near its {run.unmatched} frames in time, "
            "found none; check --offset and --max-gap"
        )
    return run


class _Output:
    """The writer, made when the size of the frames is known, finished or discarded at the end."""

    def __init__(self, make_writer: MakeWriter) -> None:
        self._make_writer = make_writer
        self._writer: Writer | None = None
        self.failed = False

    def open(self, format: VideoFormat, width: int, height: int) -> None:
        """Make the writer."""
        self._writer = self._make_writer(format, width, height)

    def write(self, frame: Frame) -> None:
        """Write a frame; after an error the writer is discarded."""
        if self._writer is not None and not self.failed:
            with self._discarding(self._writer) as writer:
                writer.write(frame)

    def finish(self) -> None:
        """Complete what was written, unless it was discarded."""
        if self._writer is not None and not self.failed:
            with self._discarding(self._writer) as writer:
                writer.finish()

    @contextmanager
    def _discarding(self, writer: Writer) -> Iterator[Writer]:
        try:
            yield writer
        except BaseException:  # also KeyboardInterrupt, of a second signal to stop
            self.failed = True
            writer.discard()
            raise


@contextmanager
def _placed(name: str, time: Fraction) -> Iterator[None]:
    """Put the source and the time before the message of an `ImageError`."""
    try:
        yield
    except ImageError as error:
        raise type(error)(f"{name} at {float(time):.3f} s: {error}") from error
