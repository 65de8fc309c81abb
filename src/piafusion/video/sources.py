"""Sources of frames: files, streams and devices, opened with PyAV."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from piafusion.errors import ImageError, VideoError
from piafusion.video.damage import Damage, capturing_errors
from piafusion.video.frames import Convert, Frame, RisingClock
from piafusion.video.names import (
    device,
    is_device,
    is_pipe,
    local_path,
    scheme,
    url,
    without_password,
)

OPEN_SECONDS, READ_SECONDS = 10.0, 5.0  # seconds that a stream or device may send nothing

_ANALYSE = "1000000"  # microseconds for which FFmpeg analyses a stream before its first frame
_LIVE_SCHEMES = ("rtsp", "rtsps", "rtp", "rtmp", "rtmps", "srt", "tcp", "udp")
_ASSUMED_RATE = Fraction(25)  # for a source without timestamps and without a rate
_CUT_SHARE = Fraction(1, 20)  # of the length that may be missing: formats round it
_LAST_STEPS = 3  # frames that are tolerated: the duration of the last one is not always given
_NO_TIMES, _TIMES_MAY_RESTART = 0x80, 0x200  # flags of FFmpeg's formats
_PREROLL = 10  # seconds; a group of frames is seldom longer
_LATE = "no answer in time"
_HIGHEST_RATE = 1000  # a source with more gives the rate of its clock, not of its frames
LIVE_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True)
class VideoFormat:
    """Properties that a fused video takes from its visible source.

    Attributes:
        rate: Frames a second on average, exact.
        time_base: Seconds of one step of the timestamps.
        aspect: Width by height of a pixel of the upright picture.
        colorspace: Number of the colour matrix in FFmpeg.
        primaries: Number of the colour primaries in FFmpeg.
        transfer: Number of the transfer function in FFmpeg.
    """

    rate: Fraction
    time_base: Fraction
    aspect: Fraction = Fraction(1)
    colorspace: int = 2
    primaries: int = 2
    transfer: int = 2


class VideoSource:
    """One opened video.

    Attributes:
        name: Its name, with any password hidden.
        url: The address that FFmpeg opens, with the password.
        live: Whether its frames arrive in real time, as from a camera.
        once: Whether it can be read only once, as a pipe.
        start: Time of its first frame on its own clock, in seconds.
        length: Number of frames, if it is known; an estimate if the rate varies.
        seconds: Length that a file states, or None.
        damage: The damaged frames so far.
        reached: Time that reading has reached, in seconds.
        restarts: Times at which its clock started again, in seconds.
        celsius: Whether its frames are temperatures.
        number: Number of its stream in the file.
    """

    celsius, number = False, 0

    def __init__(self, name: str, container: InputContainer, stream: VideoStream) -> None:
        self.name, self.url = without_password(name), url(name)
        self.live, self.once = _is_live(name, container), is_pipe(name)
        self._container, self._stream = container, stream
        context, self._rate = stream.codec_context, _frame_rate(stream)
        self.damage = Damage(context.codec.name)
        self._base = stream.time_base or 1 / self._rate
        self.start = (stream.start_time or 0) * self._base
        self.seconds = None if self.live else _announced(container, stream)
        self.reached, self.restarts = Fraction(0), list[Fraction]()
        estimate = float(container.duration or 0) / av.time_base * float(self._rate)
        self.length = None if self.live else stream.frames or round(estimate) or None
        self._turned = False
        self._clock, self._first = RisingClock(), cast("Fraction | None", None)
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
        """Properties for the fused video; complete once a frame has been decoded."""
        if self._turned:
            return replace(self._format, aspect=1 / self._format.aspect)
        return self._format

    def frames(self, convert: Convert, start: Fraction = Fraction(0)) -> Iterator[Frame]:
        """Decode the frames in the order of their times, which never fall.

        Args:
            convert: Turns a decoded frame into a picture.
            start: Seconds at which to start; if the source can, it jumps there.

        Raises:
            VideoError: If nothing can be decoded, or the source breaks off with an error.
            ImageError: If `convert` refuses a frame.
        """
        step, shown_at, found, given = 1 / self._rate, None, False, False
        self._clock = clock = RisingClock()
        if start > 0:
            self._jump(start)
        for frame in self._decode():
            base = frame.time_base or self._base
            lasts = frame.duration * base if frame.duration else step
            stamp = frame.dts if frame.pts is None and shown_at is None and start > 0 else frame.pts
            if stamp is not None:
                shown_at = stamp * base - self.start
            else:
                shown_at = Fraction(0) if shown_at is None else shown_at + step
            at = shown_at if self.live else clock(shown_at, lasts)
            if clock.restarts > len(self.restarts):
                self.restarts.append(at)
            found = True
            if at < start:
                continue
            try:
                image = convert(frame)
            except (ImageError, av.FFmpegError) as error:
                raise ImageError(f"{self.name} at {float(at):.3f} s: {error}") from error
            self._turned = frame.rotation % 180 != 0
            given = True
            yield Frame(image, at, lasts)
        if start > 0 and not given:
            raise VideoError(
                f"{self.name}: expected frames from {float(start):.3f} s on, found none; check "
                "--start and --offset"
            )
        if not found:
            damage = self._damage()
            raise VideoError(
                f"{self.name}: expected frames, found none that can be decoded"
                f"{f' ({damage})' if damage else ''}; check that it plays"
            )

    def problem(self, *, read_to_end: bool) -> str | None:
        """Return one line about frames that were lost or damaged; None if there are none.

        Args:
            read_to_end: Whether all frames were read, so that it is known whether the file
                ends too early.
        """
        told = [self._damage(), self._cut() if read_to_end else None]
        return f"{self.name}: {'; '.join(filter(None, told))}" if any(told) else None

    def open_again(self, seconds: float) -> InputContainer:
        """Open the file once more; one on the network may stay silent for so many seconds."""
        timeout = seconds if scheme(self.url) else None
        return av.open(self.url, timeout=timeout, metadata_errors="replace")

    def close(self) -> None:
        """Close the file, the connection or the device."""
        self._container.close()

    def _jump(self, start: Fraction) -> None:
        """Go to the last key frame before a time, where the format has such times."""
        flags = self._container.format.flags
        early = _PREROLL if flags & _TIMES_MAY_RESTART else 0  # these do not know their key frames
        if self.once or self.live or flags & _NO_TIMES or start <= early:
            return
        stamp = round((start - early + self.start) / self._base)
        with suppress(av.FFmpegError):  # then all frames before are decoded
            self._container.seek(stamp, stream=self._stream)

    def _damage(self) -> str | None:
        return self.damage.describe(self._first)

    def _place_damage(self) -> None:
        """Store the time of the first damage, by the present state of the clock."""
        if self._first is None and self.damage.first is not None:
            self._first = self.damage.first * self._base - self.start + self._clock.shift

    def _cut(self) -> str | None:
        """Return a message if a file ends long before its stated length."""
        if self.seconds is None or self.restarts:
            return None
        slack = max(_LAST_STEPS / self._rate, min(_CUT_SHARE * self.seconds, Fraction(1)))
        if self.reached + slack >= self.seconds:
            return None
        return (
            f"ends after {float(self.reached):.2f} of the {float(self.seconds):.2f} s it announces"
        )

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Decode packet by packet, so that a damaged packet loses its own frames only."""
        position: Fraction | None = None
        try:
            with capturing_errors():
                for packet in self._container.demux(self._stream):
                    if packet.pts is not None and packet.time_base is not None:
                        position = packet.pts * packet.time_base - self.start
                        ends = position + (packet.duration or 0) * packet.time_base
                        self.reached = max(self.reached, ends)
                    frames = self.damage.decode(packet)
                    self._place_damage()
                    yield from frames
            self.damage.finish()
            self._place_damage()
        except av.FFmpegError as error:
            where = "" if position is None else f" after {float(position):.3f} s"
            raise VideoError(
                f"{self.name}{where}: expected more frames, found: {reason(error)}"
            ) from error


def open_source(name: str, seconds: float = OPEN_SECONDS, number: int = 0) -> VideoSource:
    """Open a video file, a stream or a device.

    The name is a path, a URL, or a camera of this machine: /dev/video0 (Linux), dshow:video=NAME
    (Windows), avfoundation:NUMBER (macOS). A stream or camera may take `seconds` to answer.
    `number` counts the video streams of a file, from 0.

    Raises:
        VideoError: If it cannot be opened or holds no video.
    """
    path = local_path(name)
    if path and path.suffix.lower() == ".seq":
        from piafusion.video.sequence import TemperatureSource, is_sequence  # for these alone

        if is_sequence(path):
            return TemperatureSource(name, path)
    protocol, camera, shown = scheme(name), device(name), without_password(name)
    options = {"rtsp_transport": "tcp"} if protocol in ("rtsp", "rtsps") else {}
    if protocol in _LIVE_SCHEMES:
        options |= {"fflags": "nobuffer", "analyzeduration": _ANALYSE}
    began = time.monotonic()
    try:
        container = av.open(
            camera[1] if camera else url(name),
            format=camera[0] if camera else None,
            options=options,
            timeout=(seconds, READ_SECONDS) if protocol or camera else None,
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as error:
        is_late = (protocol or camera) and time.monotonic() - began >= seconds
        why = _LATE if is_late else reason(error)  # some protocols turn a lack of time into others
        raise VideoError(f"{shown}: expected a video that FFmpeg can open, found: {why}") from error
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & stream.disposition.attached_pic
    ]
    if not videos:
        container.close()
        raise VideoError(f"{shown}: expected a video, found no video stream; check the file")
    if number >= len(videos):
        container.close()
        raise VideoError(
            f"{shown}: expected a video stream with the number {number}, found {len(videos)}, "
            "counted from 0; check --streams"
        )
    videos = videos[number:]
    # The bindings leave out the codec's context where FFmpeg has no decoder.
    decoded = [stream for stream in videos if cast(object, stream.codec_context) is not None]
    if not decoded:
        container.close()
        raise VideoError(
            f"{shown}: expected a codec that FFmpeg decodes, found one that it does not "
            "know; convert the video first, to H.264, or to FFV1 where it has 16 bits"
        )
    stream = decoded[0]
    stream.thread_type = "NONE"  # so that its messages arrive in the thread that decodes
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"err_detect": "crccheck"}
    source = VideoSource(name, container, stream)
    source.number = number
    return source


def _announced(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return the length of the pictures that a file states, in seconds.

    A length that FFmpeg computes from the last timestamp or the bit rate is not used. The length
    of the whole file can be that of the sound. A file may begin after 0 and still count from 0.
    """
    start = max(stream.start_time or 0, 0) * (stream.time_base or 0)
    if container.format.flags & (_TIMES_MAY_RESTART | _NO_TIMES):
        return None
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return 3600 * int(tag[1]) + 60 * int(tag[2]) + Fraction(tag[3]) - start
    if container.duration and len(container.streams) == 1:
        return Fraction(container.duration, av.time_base) - start
    return None


def _frame_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and rate <= _HIGHEST_RATE:
            return rate
    return _ASSUMED_RATE


def reason(error: Exception) -> str:
    """Return the error text of FFmpeg in lower case, without the address and its password."""
    if isinstance(error, av.error.ExitError):
        return _LATE
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def _is_live(name: str, container: InputContainer) -> bool:
    """Return whether a source is live: a device, a stream, or HTTP without a known length."""
    protocol = scheme(name)
    if protocol in ("http", "https"):
        return not container.duration
    return protocol in _LIVE_SCHEMES or is_device(name)
