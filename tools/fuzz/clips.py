"""Whole clips: one for each video codec that this build of PyAV can write, and some containers."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

from tools.fuzz.pictures import GREY

COUNT, RATE = 6, Fraction(25)
_SHADES = np.dstack((GREY, GREY, GREY))  # grey, so that they pass as infrared ones too
INFRARED = "infrared.mkv"  # the whole half of a pair whose other half is damaged

_CONTAINERS = ("matroska", "avi", "mov", "nut", "mpegts", "flv", "mxf", "gif", "roq", "ogg")
_ELSEWHERE = ("amf", "nvenc", "qsv", "v4l2m2m", "vaapi", "vulkan", "d3d12va", "mf", "vnull")
_NO_VIDEO = {"wrapped_avframe", "a64multi", "a64multi5", "xface", "av1", "h264", "hevc", "vp8",
             "vp9", "jpeg2000_", "vbn"}  # fmt: skip
_MORE = (("libx264", "mp4"), ("libx264", "mpegts"), ("libx264", "flv"), ("libx264", "avi"),
         ("libx264", "mov"), ("mpeg4", "mp4"), ("mjpeg", "avi"), ("mpeg2video", "mpegts"),
         ("libvpx", "webm"), ("libvpx-vp9", "ivf"), ("ffv1", "nut"), ("rawvideo", "avi"),
         ("libx264", "h264"), ("libx265", "mp4"))  # fmt: skip


def every() -> dict[str, bytes]:
    """Return the clips by name, the whole infrared one among them."""
    files = {INFRARED: clip("ffv1", "matroska", grey=True)}
    for codec in sorted(av.codecs_available):
        if codec.endswith(_ELSEWHERE) or codec in _NO_VIDEO or not _encodes(codec):
            continue
        for container in _CONTAINERS:
            try:
                files[f"{codec}.{container}"] = clip(codec, container)
                break
            except (
                av.FFmpegError,
                ValueError,
                IndexError,
            ):  # not in this container, or not this size
                continue
    for codec, container in _MORE:
        try:
            files[f"{codec}.{container}"] = clip(codec, container)
        except (av.FFmpegError, ValueError, IndexError):  # not in this build
            continue
    return files


def _encodes(codec: str) -> bool:
    try:
        return av.Codec(codec, "w").type == "video"
    except ValueError:
        return False


def clip(codec: str, container: str, *, grey: bool = False) -> bytes:
    """Return a clip of a moving picture; raise if this codec does not go into that container."""
    buffer = io.BytesIO()
    options = {"fflags": "+bitexact"}  # no random identifiers: a case stays what it is
    if container == "mp4" and codec == "mpeg4":
        options["movflags"] = "frag_keyframe"
    with av.open(buffer, "w", format=container, options=options) as file:
        stream = file.add_stream(codec, RATE)
        stream.height, stream.width = GREY.shape
        kinds = [each.name for each in stream.codec.video_formats or ()]
        if grey:
            stream.pix_fmt = "gray"
        elif "yuv420p" in kinds or not kinds:
            stream.pix_fmt = "yuv420p"
        else:
            stream.pix_fmt = kinds[0]
        if codec in ("libx264", "libx265", "libsvtav1"):
            stream.options = {"preset": "8" if codec == "libsvtav1" else "ultrafast"}
        stream.codec_context.thread_count = 1
        for index in range(COUNT):
            image = np.roll(GREY if grey else _SHADES, 3 * index, axis=1)
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(image), "gray" if grey else "rgb24"
            )
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = index, 1 / RATE
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    data = buffer.getvalue()
    with av.open(io.BytesIO(data)) as file:
        if sum(1 for _ in file.decode(video=0)) < COUNT // 2:
            raise ValueError(f"expected {COUNT} frames of {codec} in {container}, found fewer")
    return data
