"""The opened sources of a run: threads that decode them, and the pairs of frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import replace
from fractions import Fraction
from threading import Thread

from piafusion.errors import ImageError, UsageError, VideoError
from piafusion.imaging.false_colour import FrameLevels
from piafusion.video.decoding import DecodingThread
from piafusion.video.frames import (
    Frame,
    FramePair,
    Layout,
    Matching,
    NearestInTime,
    grey_of_half,
    match,
    split_halves,
    to_infrared,
    to_visible,
)
from piafusion.video.names import is_pipe, without_password
from piafusion.video.sources import (
    OPEN_SECONDS,
    READ_SECONDS,
    VideoFormat,
    VideoSource,
    open_source,
)

# Decoded frames that wait; for a live infrared source enough to cover the delay of the visible one.
_FILE, _LIVE_VISIBLE, _LIVE_INFRARED = 4, 2, 8
_LIVE_LOOK_AHEAD = 0.1  # seconds to wait for an infrared frame after the visible one
_POLL = 0.1  # seconds between checks whether to stop
_JOIN = 1.0  # seconds for the threads to end; after that nobody waits for them


class VideoInputs:
    """One or two sources, and the pairs of frames that they give.

    Attributes:
        began: Time 0 of live frames, on `time.monotonic`.
    """

    def __init__(self, readers: list[DecodingThread], matching: Matching) -> None:
        self._readers, self._matching = readers, matching
        self._visible = readers[-1]
        self._nearest: NearestInTime | None = None
        self.began = 0.0

    @property
    def name(self) -> str:
        """Name of the visible source."""
        return self._visible.source.name

    @property
    def live(self) -> bool:
        """Whether the sources are live."""
        return self._visible.source.live

    @property
    def visible(self) -> VideoSource:
        """The source that gives the fused video its times, rate and sound."""
        return self._visible.source

    @property
    def format(self) -> VideoFormat:
        """Properties that the fused video takes from the visible source."""
        return self._visible.source.format

    @property
    def dropped(self) -> int:
        """Number of visible frames of live sources that arrived faster than they were fused."""
        return self._visible.queue.dropped

    @property
    def problems(self) -> list[str]:
        """Lines about lost or damaged frames of files; streams always lose some."""
        files = [reader for reader in self._readers if not reader.source.live]
        told = [each.source.problem(read_to_end=each.queue.is_exhausted) for each in files]
        return [problem for problem in told if problem]

    @property
    def notices(self) -> list[str]:
        """Lines about the files that a user should know although the result is right."""
        return [
            f"{reader.source.name}: its clock starts again at {float(at):.3f} s; the rest is "
            "taken as its continuation"
            for reader in self._readers
            for at in reader.source.restarts
        ]

    @property
    def reconnections(self) -> int:
        """Number of times that a live source was opened again."""
        return sum(reader.reconnections for reader in self._readers)

    @property
    def names(self) -> list[str]:
        """Names of the sources, the visible one last."""
        return [reader.source.name for reader in self._readers]

    def set_offset(self, offset: Fraction) -> None:
        """Change by how many seconds the infrared started later, from the next pair on."""
        self._matching = replace(self._matching, offset=offset)
        if self._nearest:
            self._nearest.offset = offset

    def pairs(self, stopped: Callable[[], bool]) -> Iterator[FramePair | None]:
        """Start to decode and yield a pair, or None, for each visible frame, until stopped."""
        self.began, start = time.monotonic(), self._matching.start
        early = start and start - self._matching.offset - self._matching.max_gap
        early -= abs(self._matching.drift) * start
        for reader in self._readers:
            reader.start(self.began, self._matching, start if reader is self._visible else early)
        visible = self._stream(self._visible, stopped)
        infrared, live = self._readers[0], self.live

        def take() -> Frame | None:
            if live:
                return infrared.queue.get(_LIVE_LOOK_AHEAD)
            return next(self._stream(infrared, stopped), None)

        settings = {"offset": self._matching.offset, "drift": self._matching.drift}
        self._nearest = nearest = NearestInTime(take, **settings)
        return match(visible, nearest, max_gap=self._matching.max_gap)

    def _stream(self, reader: DecodingThread, stopped: Callable[[], bool]) -> Iterator[Frame]:
        """Yield the frames of a source until its end, or until stopped.

        Raises:
            VideoError: If a pipe stays silent for longer than a stream may be gone.
        """
        longest = max(self._matching.reconnect, READ_SECONDS)
        last = time.monotonic()
        while not stopped():
            try:
                frame = reader.queue.get(_POLL)
            except TimeoutError:
                if reader.source.once and time.monotonic() - last > longest:
                    raise VideoError(
                        f"{reader.source.name}: expected more frames, found none for {longest:g} s;"
                        " check the program that writes to it"
                    ) from None
                continue
            if frame is None:
                return
            yield frame
            last = time.monotonic()

    def close(self) -> None:
        """End the threads."""
        for reader in self._readers:
            reader.stop()
        _join_all([reader.thread for reader in self._readers])
        self._nearest = None  # it refers to these inputs, whose frames would stay for long


class Halves(VideoInputs):
    """One source that shows both cameras."""

    def __init__(
        self,
        reader: DecodingThread,
        matching: Matching,
        layout: Layout,
        *,
        infrared_first: bool,
        palette: str | None = None,
    ) -> None:
        super().__init__([reader], matching)
        self._layout: Layout = layout
        self._to_grey = FrameLevels(palette) if palette else grey_of_half
        self._infrared_first = infrared_first

    def pairs(self, stopped: Callable[[], bool]) -> Iterator[FramePair | None]:
        """Start to decode and yield a pair for each frame, until stopped."""
        self.began = time.monotonic()
        self._visible.start(self.began, self._matching, self._matching.start)
        for frame in self._stream(self._visible, stopped):
            try:
                infrared, visible = split_halves(
                    frame.image,
                    self._layout,
                    infrared_first=self._infrared_first,
                    to_grey=self._to_grey,
                )
            except ImageError as error:
                raise ImageError(f"{self.name} at {float(frame.time):.3f} s: {error}") from error
            yield FramePair(infrared, visible, frame.time, frame.duration)


def open_two(
    infrared: str,
    visible: str,
    matching: Matching,
    stopped: Callable[[], bool] = lambda: False,
    *,
    palette: str | None = None,
    streams: tuple[int, int] = (0, 0),
    bits: int = 8,
) -> VideoInputs:
    """Open two videos at the same time, because a live source does not wait.

    Args:
        infrared: A path, a URL or a device.
        visible: A path, a URL or a device; both sources are live or none is.
        matching: How the frames are matched.
        stopped: Asked several times a second whether to stop.
        palette: The infrared's palette, if it is in false colours, or "auto".
        streams: Numbers of the video streams in the two files, from 0.
        bits: How many bits of each visible value are wanted; with more than 8 frames are uint16.

    Raises:
        VideoError: If one cannot be opened, does not answer in time, or it was told to stop.
        UsageError: If one is live and the other is not.
    """
    convert = to_infrared(palette)  # an unknown palette is refused before a source is opened
    opened = _open_all((infrared, visible), streams, stopped)
    _refuse_temperatures(opened[1], opened)
    if opened[0].live != opened[1].live:
        for source in opened:
            source.close()
        there, file = sorted(opened, key=lambda source: not source.live)
        raise UsageError(
            f"expected two files or two live sources, found {there.name} live and {file.name} not; "
            "record the live one first"
        )
    live = opened[0].live
    return VideoInputs(
        [
            DecodingThread(opened[0], infrared, convert, _LIVE_INFRARED if live else _FILE),
            DecodingThread(
                opened[1], visible, to_visible(bits=bits), _LIVE_VISIBLE if live else _FILE
            ),
        ],
        matching,
    )


def open_halves(
    name: str,
    layout: Layout,
    matching: Matching,
    stopped: Callable[[], bool] = lambda: False,
    *,
    infrared_first: bool = True,
    palette: str | None = None,
) -> VideoInputs:
    """Open one video that shows both cameras.

    Args:
        name: A path, a URL or a device.
        layout: Where the halves lie.
        matching: How long to wait if it is live and breaks off.
        stopped: Asked several times a second whether to stop.
        infrared_first: Whether the infrared half is the left or upper one.
        palette: The infrared's palette, if it is in false colours, or "auto".

    Raises:
        VideoError: If it cannot be opened, does not answer in time, or it was told to stop.
    """
    (source,) = _open_all((name,), (0,), stopped)
    _refuse_temperatures(source, [source])
    convert = to_visible(exact=palette is not None)
    reader = DecodingThread(source, name, convert, _LIVE_VISIBLE if source.live else _FILE)
    return Halves(reader, matching, layout, infrared_first=infrared_first, palette=palette)


def _refuse_temperatures(visible: VideoSource, opened: list[VideoSource]) -> None:
    """Raise `UsageError` if what should be visible is a sequence of temperatures."""
    if visible.celsius:
        for source in opened:
            source.close()
        raise UsageError(
            f"{visible.name}: expected a visible video, found temperatures; give it first, as the "
            "infrared one"
        )


def _open_all(
    names: tuple[str, ...], numbers: tuple[int, ...], stopped: Callable[[], bool]
) -> list[VideoSource]:
    """Open sources at the same time, each in a thread: a pipe without a writer blocks."""
    opening = [Future[VideoSource]() for _ in names]
    threads = [
        Thread(target=_open, args=job, daemon=True)
        for job in zip(names, opening, numbers, strict=True)
    ]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + OPEN_SECONDS
    problem: BaseException | None = None
    try:
        while problem is None and (waiting := wait(opening, _POLL, FIRST_EXCEPTION).not_done):
            silent = [
                name
                for name, future in zip(names, opening, strict=True)
                if future in waiting and is_pipe(name)
            ]
            if stopped():
                problem = VideoError("told to stop while the sources were being opened")
            elif silent and time.monotonic() > limit:
                problem = VideoError(
                    f"{without_password(silent[0])}: expected a video within {OPEN_SECONDS:g} s, "
                    "found no answer; check the program that writes to it"
                )
            else:
                problem = _failure(opening)
        if problem := problem or _failure(opening):
            raise problem
    except BaseException:
        for future in opening:  # also for sources that open later
            future.add_done_callback(_let_go)
        raise
    finally:
        _join_all(threads)
    return [future.result() for future in opening]


def _open(name: str, future: Future[VideoSource], number: int = 0) -> None:
    try:
        future.set_result(open_source(name, number=number))
    except BaseException as error:
        future.set_exception(error)


def _let_go(done: Future[VideoSource]) -> None:
    if done.exception() is None:
        done.result().close()


def _failure(opening: list[Future[VideoSource]]) -> BaseException | None:
    """Return the first error of the attempts that have ended."""
    failures = (future.exception() for future in opening if future.done())
    return next((error for error in failures if error is not None), None)


def _join_all(threads: list[Thread]) -> None:
    """Wait up to a second for the threads that have begun; they are daemons."""
    until = time.monotonic() + _JOIN
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0, until - time.monotonic()))
