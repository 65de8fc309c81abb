"""Sources of frames: files, streams and devices, opened with PyAV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from piafusion.errors import ImageError, VideoError
from piafusion.imaging.video.frames import Convert, Frame

OPEN_SECONDS, READ_SECONDS = 10.0, 5.0  # how long a stream or device may stay silent

_ANALYSE = "1000000"  # microseconds that a stream is looked at before its first frame
_LIVE_SCHEMES = ("rtsp", "rtsps", "rtp", "rtmp", "rtmps", "srt", "tcp", "udp")
_ASSUMED_RATE = Fraction(25)  # where neither timestamps nor a rate are given
_MISSING_SHARE = 0.05  # of the frames; a length made of duration and rate is not exact
_HIGHEST_RATE = 1000  # what claims more gives its clock's, not its frames', rate
LIVE_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True)
class VideoFormat:
    """What a fused video takes over from its visible source.

    Attributes:
        rate: Frames a second on average, exact.
        time_base: Seconds that one step of the timestamps stands for.
        aspect: Width by height of a pixel of the upright picture.
        colorspace: Matrix, as FFmpeg numbers it.
        primaries: Likewise.
        transfer: Likewise.
    """

    rate: Fraction
    time_base: Fraction
    aspect: Fraction = Fraction(1)
    colorspace: int = 2
    primaries: int = 2
    transfer: int = 2


class Source:
    """One opened video.

    Attributes:
        name: What it was opened by, a password hidden.
        url: The same with it.
        live: Whether its frames come at their own pace.
        start: Where its own clock stands at its first frame, in seconds.
        length: How many frames it will have, if that is known.
        damaged: Packets so far that could not be decoded.
        missing: Frames that a file announces and does not have, once it has been read.
    """

    def __init__(self, name: str, container: InputContainer, stream: VideoStream) -> None:
        self.name, self.url = shown(name), name
        self.live, self.damaged, self.missing = _is_live(name, container), 0, 0
        self._container, self._stream = container, stream
        context, self._rate = stream.codec_context, _frame_rate(stream)
        self._base = stream.time_base or 1 / self._rate
        self.start = (stream.start_time or 0) * self._base
        seconds = (container.duration or 0) / av.time_base
        self.length = None if self.live else stream.frames or round(seconds * self._rate) or None
        self._turned = False
        self._format = VideoFormat(
            rate=self._rate,
            time_base=LIVE_TIME_BASE if self.live else self._base,
            aspect=stream.sample_aspect_ratio or Fraction(1),
            colorspace=context.colorspace,
            primaries=context.color_primaries,
            transfer=context.color_trc,
        )

    @property
    def format(self) -> VideoFormat:
        """What a fused video takes over; complete once a frame has been decoded."""
        if self._turned:
            return replace(self._format, aspect=1 / self._format.aspect)
        return self._format

    def frames(self, convert: Convert) -> Iterator[Frame]:
        """Decode the frames in the order in which they are shown.

        Raises:
            VideoError: If nothing can be decoded, or the source breaks off with an error.
            ImageError: If `convert` refuses a frame.
        """
        step, shown_at, count = 1 / self._rate, None, 0
        for frame in self._decode():
            base = frame.time_base or self._base
            if frame.pts is not None:
                shown_at = frame.pts * base - self.start
            else:
                shown_at = Fraction(0) if shown_at is None else shown_at + step
            lasts = frame.duration * base if frame.duration else step
            try:
                image = convert(frame)
            except (ImageError, av.FFmpegError) as error:
                raise ImageError(f"{self.name} at {float(shown_at):.3f} s: {error}") from error
            self._turned = frame.rotation % 180 != 0
            count += 1
            yield Frame(image, shown_at, lasts)
        self.missing = max(0, (self.length or 0) - count)
        if not count:
            raise VideoError(
                f"{self.name}: expected frames, found none that can be decoded "
                f"({self.damaged} damaged packets); check that it plays"
            )

    @property
    def problem(self) -> str | None:
        """What was wrong with the source and has cost frames; None if nothing was."""
        if self.damaged:
            return f"{self.name}: {self.damaged} damaged packets were passed over"
        if self.length and self.missing > _MISSING_SHARE * self.length:
            found = self.length - self.missing
            return f"{self.name}: ends after {found} of the {self.length} frames it announces"
        return None

    def close(self) -> None:
        """Let go of the file, the connection or the device."""
        self._container.close()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Decode packet by packet, so that a damaged one costs no more than its frames."""
        position: Fraction | None = None
        try:
            for packet in self._container.demux(self._stream):
                if packet.pts is not None and packet.time_base is not None:
                    position = packet.pts * packet.time_base - self.start
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    self.damaged += 1
        except av.FFmpegError as error:
            where = "" if position is None else f" after {float(position):.3f} s"
            raise VideoError(
                f"{self.name}{where}: expected more frames, found: {reason(error)}"
            ) from error


def open_source(name: str, seconds: float = OPEN_SECONDS) -> Source:
    """Open a video file, a stream or a device.

    Args:
        name: A path, a URL, or a device such as /dev/video0 (Video4Linux2).
        seconds: How long a stream or device may take to answer.

    Raises:
        VideoError: If it cannot be opened or holds no video.
    """
    scheme = _scheme(name)
    is_device = name.startswith("/dev/video")
    options = {"rtsp_transport": "tcp"} if scheme in ("rtsp", "rtsps") else {}
    if scheme in _LIVE_SCHEMES:
        options |= {"fflags": "nobuffer", "analyzeduration": _ANALYSE}
    try:
        container = av.open(
            name if scheme or is_device else str(Path(name)),
            format="v4l2" if is_device else None,
            options=options,
            timeout=(seconds, READ_SECONDS) if scheme or is_device else None,
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(
            f"{shown(name)}: expected a video that FFmpeg can open, found: {reason(error)}"
        ) from error
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & stream.disposition.attached_pic
    ]
    if not videos:
        container.close()
        raise VideoError(f"{shown(name)}: expected a video, found no video stream; check the file")
    stream = videos[0]
    stream.thread_type = "SLICE" if scheme or is_device else "AUTO"  # frames of threads come late
    return Source(name, container, stream)


def _frame_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and rate <= _HIGHEST_RATE:
            return rate
    return _ASSUMED_RATE


def reason(error: Exception) -> str:
    """Say in lower case what FFmpeg says, without the address that may hold a password."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def shown(name: str) -> str:
    """Return a source's name with any password in its address hidden."""
    return re.sub(r"^(\w+://[^/@:]*):[^/]*@", r"\1:***@", name)


def _scheme(name: str) -> str:
    found = re.match(r"(\w+)://", name)
    return found[1].lower() if found else ""


def _is_live(name: str, container: InputContainer) -> bool:
    """Tell what comes at its own pace: devices, streams, and HTTP without a known length."""
    scheme = _scheme(name)
    if scheme in ("http", "https"):
        return not container.duration
    return scheme in _LIVE_SCHEMES or name.startswith("/dev/video")
