"""Record two live cameras for hours, with faults on the way, and check what is left.

    python benchmarks/soak.py FOLDER [--minutes 120] [--seed N]

Two cameras send 640x480 at 25 frames a second over TCP. Every minute or so one of them hangs up,
falls silent, sends garbage, or sends late. `piafusion video` records them. A recording is ended by
signal 9, by a disk that is full (FOLDER lies on a small file system of at most 1 GiB, for example a
tmpfs; without one this is left out) or by SIGTERM, and the next one starts.

Each picture carries its number and a check as black and white blocks, the infrared one in the upper
rows, the visible one in the lower rows. So each fused frame shows which two moments were fused.
Prints a line for each fault and each recording, with the largest distance in time between the two
frames of a pair, then the memory: median of the second tenth and of the last tenth of the longest
recording.
"""

from __future__ import annotations

import argparse
import io
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

from piafusion import read_image
from piafusion.scenes.synthetic import demo_scenes_root

RATE, SECONDS, BITS, SIDE = 25, 240, 13, 24
WIDTH, HEIGHT = 640, 480
MAX_GAP = 0.5  # seconds, the default of `piafusion video`
UNSURE = 0.2  # seconds; nobody knows how long a frame travelled
SMALL = 2**30
SAMPLE = 5.0  # seconds between two looks at the memory


def main() -> None:
    """Run, and exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(options.seed)
    cameras = [Camera(encoded(row)) for row in (0, 1)]
    end = time.monotonic() + 60 * options.minutes
    threading.Thread(target=trouble, args=(cameras, chance, end), daemon=True).start()
    small = shutil.disk_usage(options.folder).total <= SMALL
    ends = ["kill", *(["full"] if small else []), "stop"]
    # The first recordings are short; the last one takes what is left, at least half of the time.
    memory: list[float] = []
    wrong = 0
    for number, how in enumerate(ends):
        left = end - time.monotonic()
        seconds = left if number == len(ends) - 1 else left / 6
        recording = Recording(options.folder / f"{number}-{how}.mp4", cameras)
        memory = recording.watch(seconds, how)
        wrong += recording.check(how)
    tenth = max(len(memory) // 10, 1)
    early, late = (statistics.median(part) for part in (memory[tenth : 2 * tenth], memory[-tenth:]))
    print(f"memory {early:.1f} MiB, at the end {late:.1f} MiB: {100 * (late / early - 1):+.1f} %")
    sys.exit(int(wrong > 0 or late > 1.05 * early))


def encoded(row: int) -> list[bytes]:
    """Return a clip as MPEG-TS, one piece for each frame; row 0 is infrared, row 1 visible."""
    street = read_image(demo_scenes_root() / ("ir", "vi")[row] / "street_N.png")
    picture = np.broadcast_to(
        street if street.ndim == 3 else street[..., None], (*street.shape[:2], 3)
    )
    picture = np.tile(picture, (3, 3, 1))[:HEIGHT, :WIDTH]
    pieces, memory = [], io.BytesIO()
    with av.open(memory, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "30", "g": "1"}
        stream = container.add_stream("libx264", RATE, options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(RATE * SECONDS):
            shown = np.roll(picture, number // 5, axis=1)
            shown[: 4 * SIDE] = 0
            for below, code in enumerate((number, check_code(number))):
                y = (2 * row + below) * SIDE
                for bit in range(2 * BITS):
                    value = (code >> bit // 2 & 1) ^ (bit & 1)  # each bit, and its opposite
                    shown[y : y + SIDE, bit * SIDE : (bit + 1) * SIDE] = 255 * value
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown)))
            pieces.append(memory.getvalue())
            memory.seek(0)
            memory.truncate()
    return pieces


class Camera:
    """Sends a clip again and again in real time, to one viewer after the other."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.fault, self.until = "", 0.0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            viewer, _ = self._listener.accept()
            with suppress(OSError), viewer:
                self._send(viewer)
            if self.fault == "hangs up":
                time.sleep(max(0.0, self.until - time.monotonic()))

    def _send(self, viewer: socket.socket) -> None:
        noise = np.random.default_rng(0)
        number = int(time.monotonic() * RATE)
        while True:
            time.sleep(max(0.0, number / RATE - time.monotonic()))
            fault = self.fault if time.monotonic() < self.until else ""
            if fault == "hangs up":
                return
            if fault in ("is silent", "sends late"):
                time.sleep(max(0.0, self.until - time.monotonic()))
                if fault == "is silent":
                    number = int(time.monotonic() * RATE)
            piece = self._pieces[number % len(self._pieces)]
            if fault == "sends garbage":
                piece = noise.bytes(len(piece)) if noise.random() < 0.5 else piece[:-400]
            viewer.sendall(piece)
            # A viewer who is two seconds behind misses the rest, as with most cameras.
            number = max(number + 1, int((time.monotonic() - 2) * RATE))


def trouble(cameras: list[Camera], chance: np.random.Generator, end: float) -> None:
    """Give one of the cameras a fault every minute or so."""
    longest = {"hangs up": 15.0, "is silent": 8.0, "sends garbage": 3.0, "sends late": 0.9}
    while time.monotonic() < end:
        time.sleep(chance.uniform(30, 90))
        which, fault = int(chance.integers(2)), str(chance.choice(list(longest)))
        seconds = chance.uniform(0.3, longest[fault])
        cameras[which].fault, cameras[which].until = fault, time.monotonic() + seconds
        tell(f"the {('infrared', 'visible')[which]} camera {fault} for {seconds:.1f} s")


class Recording:
    """A run of `piafusion video`."""

    def __init__(self, path: Path, cameras: list[Camera]) -> None:
        self._path, self._part = path, path.with_name(f"{path.stem}.part{path.suffix}")
        for old in (self._path, self._part):
            old.unlink(missing_ok=True)
        urls = [camera.url for camera in cameras]
        self._log = path.with_suffix(".log")
        command = [sys.executable, "-m", "piafusion", "video", *urls, "-o", str(path)]
        # At this strength all of the infrared that is brighter shows, its number too.
        command += ["--crf", "30", "--reconnect", "60", "--strength", "1"]
        self._process = subprocess.Popen(
            command,
            stderr=self._log.open("wb"),
            stdout=subprocess.DEVNULL,
        )
        self._began = time.monotonic()

    def watch(self, seconds: float, how: str) -> list[float]:
        """Wait, end the run in a way, and return the memory in MiB on the way."""
        memory, until = [], time.monotonic() + seconds
        while time.monotonic() < until and self._process.poll() is None:
            time.sleep(min(SAMPLE, max(0.1, until - time.monotonic())))
            status = Path(f"/proc/{self._process.pid}/status")
            with suppress(OSError, StopIteration):
                lines = status.read_text().splitlines()
                memory.append(
                    next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
                )
        ballast = self._path.with_name("ballast")
        if how == "full":
            with suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(bytes(2**16))
                    file.flush()
        elif self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
        self._code = self._process.wait(timeout=120)
        self._lasted = time.monotonic() - self._began
        ballast.unlink(missing_ok=True)
        return memory

    def check(self, how: str) -> int:
        """Decode what is left, compare the numbers in it, and return how many things are wrong."""
        path = self._part if how == "kill" else self._path
        frames, unreadable, gaps = 0, 0, [0.0]
        with suppress(av.FFmpegError), av.open(str(path)) as container:
            for frame in container.decode(video=0):
                frames += 1
                picture = frame.to_ndarray(format="gray")
                infrared, visible = (number_in(picture, row) for row in (0, 1))
                if infrared is None or visible is None:
                    unreadable += 1
                    continue
                apart = abs(infrared - visible)
                gaps.append(min(apart, RATE * SECONDS - apart) / RATE)
        told = self._log.read_text(errors="replace").replace("\r", "\n").splitlines()
        told = [line for line in told if line.startswith("piafusion: ")]
        late = sum(gap > MAX_GAP + UNSURE for gap in gaps)
        tell(
            f"{path.name}: ended by {how} after {self._lasted:.0f} s with code {self._code}, "
            f"{frames} frames ({frames / self._lasted:.1f} a second) can be played, "
            f"{unreadable} numbers unreadable, largest distance {max(gaps):.2f} s, {late} too far"
        )
        for line in told[-6:]:
            print(f"    {line}")
        return int(late > 0) + int(frames < self._lasted)


def check_code(number: int) -> int:
    """Return a second code; a mixture of two pictures does not have both of one number."""
    return number * 2654435761 >> 9 & 2**BITS - 1


def number_in(picture: np.ndarray, row: int) -> int | None:
    """Return the number that two rows of blocks show, None if they are damaged."""
    codes = []
    for y in (2 * row * SIDE, (2 * row + 1) * SIDE):
        blocks = picture[y : y + SIDE, : 2 * BITS * SIDE].reshape(SIDE, BITS, 2, SIDE)
        yes, no = np.moveaxis(blocks[6:-6, ..., 6:-6].mean(axis=(0, 3)), 1, 0)
        if np.abs(yes - no).min() < 60:
            return None
        codes.append(int((yes > no) @ (1 << np.arange(BITS))))
    return codes[0] if codes[1] == check_code(codes[0]) else None


def tell(line: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    main()
