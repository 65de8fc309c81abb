"""Writers of fused frames: a video file, numbered pictures, or raw bytes."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from piafusion.errors import OutputError, UsageError, VideoError
from piafusion.files import put_in_place, shortened
from piafusion.imaging.arrays import Image
from piafusion.imaging.io import write_image
from piafusion.video.audio import AudioCopy
from piafusion.video.frames import Frame
from piafusion.video.sources import VideoFormat, reason

MOVIE_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
DEFAULT_CRF = 18
# What is written so far can be played at each moment, up to about the last second.
_FRAGMENTS = {"movflags": "hybrid_fragmented", "use_editlist": "1", "frag_duration": "1000000"}
_CLUSTERS = {"cluster_time_limit": "1000"}


@dataclass(frozen=True)
class _Codec:
    """A way to compress: its name in words, FFmpeg's encoder and its options, its tag in MP4."""

    title: str
    encoder: str
    options: dict[str, str]
    tag: str | None = None


CODECS = {
    "h264": _Codec("H.264", "libx264", {"preset": "veryfast"}),
    # Players of Apple open H.265 only under this tag.
    "h265": _Codec(
        "H.265", "libx265", {"preset": "veryfast", "x265-params": "log-level=error"}, "hvc1"
    ),
    "av1": _Codec("AV1", "libsvtav1", {"preset": "10"}),
}
DEFAULT_CODEC = "h264"


class Writer(Protocol):
    """Takes fused frames in order."""

    def write(self, frame: Frame) -> None:
        """Take one frame, H x W x 3 RGB uint8; all have one size."""

    def finish(self) -> None:
        """Complete the output."""

    def discard(self) -> None:
        """Give up; no incomplete file is left."""


class MovieWriter:
    """A file in H.264, H.265 or AV1, called NAME.part.mp4 until it is complete.

    That file can be played while it grows, and after the process was killed. If the disk is full,
    what was written before gets the name.

    Times start at 0 with the first frame and keep their differences exactly. 4:2:0 chroma has no
    odd width or height: such a picture gets its last column or row twice.
    """

    def __init__(
        self,
        path: Path,
        format: VideoFormat,
        width: int,
        height: int,
        *,
        codec: str = DEFAULT_CODEC,
        crf: int = DEFAULT_CRF,
        bits: int = 8,
        audio: AudioCopy | None = None,
    ) -> None:
        """Create the temporary file.

        Args:
            path: An .mp4, .mov or .mkv file.
            format: Properties of the visible source.
            width: Width of the frames in pixels.
            height: Height of the frames in pixels.
            codec: One of `CODECS`.
            crf: Constant rate factor from 0, the best, to 51.
            bits: 8 for uint8 frames, 10 for those of uint16; not with H.264.
            audio: Sound to copy.

        Raises:
            OutputError: If the file cannot be created.
            VideoError: If PyAV was built without the encoder.
        """
        self.path, self._base, self._audio = path, format.time_base, audio
        self._partial = partial_name(path)
        self._reformatter, self._colorspace = VideoReformatter(), format.colorspace
        self._right, self._below = width % 2, height % 2  # to pad
        self._first: Fraction | None = None
        self._last_pts = -1
        chosen = CODECS[codec]
        if chosen.encoder not in av.codecs_available:
            raise VideoError(
                f"{path}: expected an encoder for {chosen.title} ({chosen.encoder}), found none in "
                "this build of PyAV; install PyAV's wheel, or write a folder of pictures"
            )
        os.environ.setdefault("SVT_LOG", "1")  # AV1: errors only, not a page about the settings
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            container = MOVIE_FORMATS[path.suffix.lower()]
            playable = _CLUSTERS if container == "matroska" else _FRAGMENTS
            self._container = av.open(
                f"file:{self._partial}",
                "w",
                format=container,
                options=playable | {"flush_packets": "1"},
            )
        except (av.FFmpegError, OSError) as error:
            raise OutputError(
                f"{path}: could not be written ({reason(error)}); check the folder and the free "
                "space"
            ) from error
        options = chosen.options | {
            "crf": str(max(crf, int(codec == "av1")))
        }  # 0 is "none given" there
        stream = self._container.add_stream(chosen.encoder, format.rate, options)
        self._stream = cast(VideoStream, stream)
        if chosen.tag and path.suffix.lower() != ".mkv":
            self._stream.codec_context.codec_tag = chosen.tag
        context = self._stream.codec_context
        context.width, context.height = width + self._right, height + self._below
        self._pixels = {8: "yuv420p", 10: "yuv420p10le"}[bits]
        context.pix_fmt, context.time_base = self._pixels, format.time_base
        context.sample_aspect_ratio = format.aspect
        context.color_range, context.colorspace = ColorRange.MPEG, format.colorspace
        context.color_primaries, context.color_trc = format.primaries, format.transfer

    def write(self, frame: Frame) -> None:
        """Encode a frame.

        Raises:
            OutputError: If the file cannot be written.
        """
        try:
            if self._first is None:
                self._first = frame.time
                if self._audio:
                    self._audio.start(self._container, frame.time)
            picture = self._picture(frame.image)
            pts = max(round((frame.time - self._first) / self._base), self._last_pts + 1)
            picture.pts, picture.time_base, self._last_pts = pts, self._base, pts
            picture.duration = round(frame.duration / self._base)
            self._container.mux(self._stream.encode(picture))
            if self._audio:
                self._audio.copy_until(frame.time + frame.duration)
        except (av.FFmpegError, OSError) as error:
            raise self._cut_short(error) from error

    def finish(self) -> None:
        """Write the trailer and give the file its name.

        Raises:
            OutputError: If the file cannot be written.
        """
        try:
            self._container.mux(self._stream.encode())
            if self._audio:
                self._audio.close()
            self._container.close()
            put_in_place(self._partial, self.path)
        except (av.FFmpegError, OSError) as error:
            raise self._cut_short(error) from error

    def discard(self) -> None:
        """Remove the incomplete file."""
        self._partial.unlink(missing_ok=True)

    def _picture(self, image: Image) -> av.VideoFrame:
        if self._right or self._below:
            image = cv2.copyMakeBorder(image, 0, self._below, 0, self._right, cv2.BORDER_REPLICATE)
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(image, "rgb24" if image.dtype == np.uint8 else "rgb48le"),
            format=self._pixels,
            dst_colorspace=self._colorspace,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def _cut_short(self, error: Exception) -> OutputError:
        """Keep the video so far under its name, if it can be played; return the error to raise."""
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        kept = "nothing is left"
        with suppress(av.FFmpegError, OSError, StopIteration):
            with av.open(f"file:{self._partial}") as written:
                next(written.decode(video=0))
                put_in_place(self._partial, self.path)
            kept = "what was written before can be played"
        return OutputError(
            f"{self.path}: could not be written to its end ({reason(error)}); {kept}, check the "
            "folder and the free space"
        )


class FolderWriter:
    """PNG files 000001.png, 000002.png and so on in a folder."""

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.folder, self._overwrite, self._count = folder, overwrite, 0

    def write(self, frame: Frame) -> None:
        """Write a picture, whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        self._count += 1
        path = self.folder / f"{self._count:06d}.png"
        write_image(path, frame.image, overwrite=self._overwrite)

    def finish(self) -> None:
        """Do nothing: each picture is complete."""

    def discard(self) -> None:
        """Keep the pictures: each is complete."""


class RawWriter:
    """Raw RGB bytes of one picture after the other, row by row."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, frame: Frame) -> None:
        """Write H x W x 3 bytes.

        Raises:
            OutputError: If the reader has closed the pipe.
        """
        try:
            self._stream.write(frame.image.tobytes())
        except OSError as error:
            raise OutputError(f"standard output: could not be written ({reason(error)})") from error

    def finish(self) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing: written bytes cannot be taken back."""


def check_codec(codec: str, path: Path, bits: int = 8) -> None:
    """Raise `UsageError` if a codec is unknown, or it or an output cannot hold the bits."""
    if codec not in CODECS:
        raise UsageError(f"--codec: expected one of {', '.join(CODECS)}, found {codec!r}")
    no_av1 = codec == "av1" and path.suffix.lower() == ".mov"
    if codec != DEFAULT_CODEC and (is_folder(path) or no_av1):
        raise UsageError(f"--codec {codec}: expected an .mp4 or .mkv file, found {path}")
    if bits not in (8, 10) or (bits == 10 and codec == "h264"):
        raise UsageError(
            f"--bits: expected 8, or 10 with --codec h265 or av1, found {bits} with {codec}"
        )


def check_video_output(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` if a fused video may not be written to a path.

    A path with no suffix, or one that is a folder, is for numbered pictures.
    """
    if is_folder(path):
        first = path / "000001.png"
        if path.is_file():
            raise UsageError(f"{path}: expected a folder for the frames, found a file")
        if first.exists() and not overwrite:
            raise UsageError(f"{first}: exists already; add --overwrite or choose another folder")
    elif path.suffix.lower() not in MOVIE_FORMATS:
        known = ", ".join(MOVIE_FORMATS)
        raise UsageError(
            f"{path}: expected a suffix of {known}, a folder, or - for standard output, "
            f"found {path.suffix!r}"
        )
    elif path.exists() and not overwrite:
        raise UsageError(f"{path}: exists already; add --overwrite or choose another name")
    elif (part := partial_name(path)).exists() and not overwrite:
        raise UsageError(
            f"{part}: exists already, from a run that goes on or was killed; rename it if you want "
            "to keep it, add --overwrite or choose another name"
        )


def partial_name(path: Path) -> Path:
    """Return the name that a video has until it is complete.

    >>> print(partial_name(Path("night.mp4")))
    night.part.mp4
    """
    return path.with_name(f"{shortened(path.stem)}.part{path.suffix}")


def is_folder(path: Path) -> bool:
    """Return whether an output is a folder of pictures."""
    return path.is_dir() or not path.suffix
