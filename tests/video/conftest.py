"""Small videos made on the spot, and a camera that sends one over the network in real time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import scene

RATE = Fraction(30000, 1001)


def write_video(
    path: Path,
    images: list[np.ndarray],
    *,
    rate: Fraction = RATE,
    times: list[Fraction] | None = None,
    codec: str = "libx264",
    rotation: int = 0,
    sound: bool = False,
    pixels: str | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Write H x W x 3 or H x W pictures, uint8 or uint16, shown at `times` or at a rate."""
    kinds = {(3, "uint8"): "rgb24", (2, "uint8"): "gray", (2, "uint16"): "gray16le"}
    base = 1 / rate if codec.startswith("mpeg") else Fraction(1, 90_000)
    with av.open(str(path), "w", container_options=muxer or {}) as container:
        if options is None and codec == "libx264":
            options = {"crf": "1", "preset": "ultrafast", "g": "5", "bf": "0"}
        stream = container.add_stream(codec, rate, options or {})
        stream.height, stream.width = images[0].shape[:2]
        kind = kinds[images[0].ndim, images[0].dtype.name]
        stream.pix_fmt = pixels or ("gray16le" if kind == "gray16le" else "yuv420p")
        stream.codec_context.time_base = base
        if rotation:
            rotate(stream, rotation)
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), kind)
            at = times[index] if times else index / rate
            frame.pts, frame.time_base = round(at / base), base
            frame.duration = round(1 / rate / base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            samples = int(8000 * len(images) / rate)
            tone = np.sin(np.arange(samples)[None] / 3).astype(np.float32) / 2
            sounding = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
            sounding.sample_rate, sounding.pts = 8000, 0
            container.mux(audio.encode(sounding))
            container.mux(audio.encode())
    return path


def rotate(stream: av.VideoStream, degrees: int) -> None:
    """Let a stream say that it is shown rotated; PyAV 17 cannot."""
    if not hasattr(stream, "set_display_rotation"):
        pytest.skip("this PyAV does not write a display matrix")
    stream.set_display_rotation(degrees)


def read_video(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    """Return the pictures, RGB, and the times of a video."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [
        frame.pts * frame.time_base for frame in frames
    ]


def moving(
    count: int, height: int = 48, width: int = 64
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return infrared and visible pictures, each of which is brighter than the one before."""
    infrared, visible = scene(height, width)
    steps = np.linspace(0.3, 1, count)
    return (
        [(infrared * step).astype(np.uint8) for step in steps],
        [(visible * step).astype(np.uint8) for step in steps],
    )


class Camera:
    """Serves an MPEG-TS file over TCP in real time, to one viewer after the other.

    Like a camera, it goes on while nobody looks; `break_after` says how many seconds each of the
    first connections lasts, and `dark` for how many seconds nobody can connect after that.
    """

    def __init__(
        self, data: bytes, seconds: float, *, break_after: tuple[float, ...] = (), dark: float = 0
    ) -> None:
        self._data, self._pace = data, len(data) / seconds
        self._breaks, self._dark = list(break_after), dark
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up."""
        self._listener.close()

    def _serve(self) -> None:
        began = time.monotonic()
        with suppress(OSError):
            while True:
                viewer, _ = self._listener.accept()
                self.connections += 1
                lasts = self._breaks.pop(0) if self._breaks else float("inf")
                with suppress(OSError), viewer:
                    if not self._send(viewer, began, time.monotonic() + lasts):
                        self._listener.close()
                time.sleep(self._dark)

    def _send(self, viewer: socket.socket, began: float, until: float) -> bool:
        """Send until a moment; return False when the file has ended."""
        at = int((time.monotonic() - began) * self._pace) // 188 * 188
        while time.monotonic() < until:
            now = int((time.monotonic() - began) * self._pace) // 188 * 188
            viewer.sendall(self._data[at:now])
            at = now
            if at >= len(self._data):
                return False
            time.sleep(0.01)
        return True


@pytest.fixture
def camera() -> Iterator[Callable[..., Camera]]:
    """Make cameras that hang up at the end of the test."""
    cameras: list[Camera] = []

    def make(*arguments: object, **settings: object) -> Camera:
        cameras.append(Camera(*arguments, **settings))
        return cameras[-1]

    yield make
    for one in cameras:
        one.close()
