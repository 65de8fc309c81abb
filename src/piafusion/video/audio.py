"""Copies the sound of a visible file into the fused video without encoding it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from piafusion.video.frames import RisingClock
from piafusion.video.sources import READ_SECONDS, VideoSource, reason


class AudioCopy:
    """The first audio stream of a file, shifted to where its fused pictures start."""

    def __init__(self, source: VideoSource, notify: Callable[[str], None]) -> None:
        """Prepare; the file is opened a second time, for its sound, when the pictures start.

        Args:
            source: The visible file. Nothing is copied if it has no sound, or sound that the format
                of the output cannot hold.
            notify: Called with one line if the sound cannot be read; the pictures continue.
        """
        self._source, self._notify, self._origin = source, notify, source.start
        self._shift = source.start
        self._container: InputContainer | None = None
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._waiting: Packet[AudioStream] | None = None
        self._clock = RisingClock()
        self._last: int | None = None  # timestamp of decoding

    def start(self, output: OutputContainer, first: Fraction) -> None:
        """Add a stream to an output; its first picture is shown at `first` seconds."""
        self._output, self._shift = output, self._origin + first
        try:
            self._container = self._source.open_again(READ_SECONDS)
        except av.FFmpegError as error:
            self._give_up(error)
            return
        for stream in self._container.streams.audio[:1]:
            context = cast("AudioCodecContext | None", stream.codec_context)  # None: no decoder
            if context is not None and context.name in output.supported_codecs:
                self._copied = output.add_stream_from_template(stream)
                self._packets = self._container.demux(stream)
                self._waiting = self._next()

    def copy_until(self, time: Fraction) -> None:
        """Copy the sound before `time`, in seconds on the clock of the pictures."""
        while self._waiting is not None:
            packet, base = self._waiting, self._waiting.time_base
            if packet.pts is None or packet.dts is None:  # this packet marks the end
                self._waiting = None
                return
            if packet.pts * base >= self._origin + time:
                return
            if packet.pts * base >= self._shift:
                shift = round(self._shift / base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                if self._last is None or packet.dts > self._last:  # formats refuse anything else
                    self._last = packet.dts
                    packet.stream = self._copied
                    self._output.mux_one(packet)
            self._waiting = self._next()

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()

    def _give_up(self, error: av.FFmpegError) -> None:
        self._notify(f"{self._source.name}: the sound ends here ({reason(error)})")

    def _next(self) -> Packet[AudioStream] | None:
        """Read the next packet; at damaged sound the sound ends, and the pictures continue."""
        try:
            packet = next(self._packets, None)
        except av.FFmpegError as error:
            self._give_up(error)
            return None
        if packet is not None and packet.pts is not None and packet.dts is not None:
            base = packet.time_base
            self._clock(packet.pts * base, (packet.duration or 0) * base)
            shift = round(self._clock.shift / base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        return packet
