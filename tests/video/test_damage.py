"""Flipped bits are told, intact recordings are not blamed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import av
import numpy as np
import pytest

from piafusion.video.damage import Damage, capturing_errors
from piafusion.video.frames import to_visible
from piafusion.video.sources import VideoSource, open_source
from tests.video.conftest import write_video

COUNT, RATE = 20, Fraction(25)
CODECS = [  # suffix, encoder, options
    ("mp4", "libx264", {}),
    ("ts", "libx264", {"profile": "baseline"}),
    ("mkv", "libx264", {"x264-params": "slices=4"}),
    ("mp4", "libx265", {"x265-params": "hash=1:log-level=none:pools=1"}),
    ("avi", "mpeg4", {"bf": "2"}),
    ("ts", "mpeg2video", {"b": "4000000"}),
    ("mkv", "ffv1", {"level": "3", "slicecrc": "1"}),
]


def pictures(count: int = COUNT, height: int = 96, width: int = 128) -> list[np.ndarray]:
    """Noise that moves: every bit of it counts."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    noise = noise.repeat(2, 0).repeat(2, 1)[:height, :width]
    return [np.roll(noise, (step, 2 * step), (0, 1)) for step in range(count)]


def clip(path: Path, codec: str, options: dict[str, str], **settings: object) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no {codec}")
    return write_video(path, pictures(), rate=RATE, codec=codec, options=options, **settings)


def flip(path: Path, number: int, *, bits: int = 8) -> None:
    """Flip one bit in each of some bytes across a packet, the headers at its beginning spared."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[number]
    content = bytes(packet)
    for part in np.linspace(0.3, 0.9, bits):
        at = round(part * len(content))
        piece = content[at : at + 8]
        place = data.index(piece, max(packet.pos or 0, 0))
        data[place] ^= 4
    path.write_bytes(data)


def read(path: Path, watch: Callable[[VideoSource], None] = lambda source: None) -> VideoSource:
    """Read a file to its end."""
    source = open_source(str(path))
    for _ in source.frames(to_visible()):
        watch(source)
    source.close()
    return source


@pytest.mark.parametrize(("suffix", "codec", "options"), CODECS)
def test_flipped_bits_are_told(tmp_path: Path, suffix: str, codec: str, options: dict) -> None:
    path = clip(tmp_path / f"vi.{suffix}", codec, options)
    assert read(path).problem(read_to_end=True) is None
    flip(path, 9)
    source = read(path)
    assert source.damage.patched + source.damage.lost >= 1
    assert source.problem(read_to_end=True).startswith(f"{path}: ")
    assert "damaged frame" in source.problem(read_to_end=True)
    assert "the first at 0." in source.problem(read_to_end=True)


def test_one_patched_frame_is_counted_once_and_placed(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "g": "1", "crf": "20"}
    path = clip(tmp_path / "vi.mp4", "libx264", options)
    flip(path, 9)
    source = read(path)
    assert (source.damage.patched, source.damage.lost) == (1, 0)
    told = f"{path}: 1 damaged frame, the first at {9 / 25:.3f} s (1 patched by the decoder)"
    assert source.problem(read_to_end=True) == told


OPEN = "open-gop=1:keyint=8:bframes=3:scenecut=0"
INTACT = [
    ("mp4", "libx264", {"bf": "3", "g": "8"}, {}),
    ("ts", "libx264", {"x264-params": OPEN}, {}),
    ("mkv", "libx264", {"x264-params": "intra-refresh=1:keyint=8:bframes=0"}, {}),
    ("mp4", "libx264", {"g": "5"}, {"movflags": "frag_keyframe+empty_moov"}),
    ("mp4", "libx265", {"x265-params": f"{OPEN}:hash=1:log-level=none:pools=1"}, {}),
    ("avi", "mpeg4", {"bf": "2"}, {}),
    ("mkv", "mjpeg", {}, {}),
    ("webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}, {}),
    ("mkv", "ffv1", {"level": "3", "slicecrc": "1"}, {}),
]


@pytest.mark.parametrize(("suffix", "codec", "options", "muxer"), INTACT)
def test_intact_recordings_are_not_blamed(
    tmp_path: Path, suffix: str, codec: str, options: dict, muxer: dict
) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else None
    path = clip(tmp_path / f"vi.{suffix}", codec, options, muxer=muxer, pixels=pixels)
    shown: list[int] = []
    assert read(path, lambda source: shown.append(1)).problem(read_to_end=True) is None
    assert len(shown) == COUNT


@pytest.mark.parametrize("first", [5, 8])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_recording_that_begins_in_the_middle_is_not_damaged(
    tmp_path: Path, codec: str, first: int
) -> None:
    """Frames before the first key frame, or that lean on one before it, were never there."""
    options = {"libx264": {"x264-params": OPEN}}.get(
        codec, {"x265-params": f"{OPEN}:log-level=none:pools=1"}
    )
    whole = clip(tmp_path / "whole.ts", codec, options)
    path = tmp_path / "vi.ts"
    with av.open(str(whole)) as taken, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(taken.streams.video[0])
        for packet in list(taken.demux(video=0))[first:]:
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    assert read(path).problem(read_to_end=True) is None


def test_two_sources_hear_their_own_decoder() -> None:
    """One begins to decode, another begins too, and the first complains before both end."""
    entered, begun, complained = Event(), Event(), Event()

    def quiet() -> list[av.VideoFrame]:
        begun.set()
        complained.wait(60)
        return []

    def loud() -> list[av.VideoFrame]:
        entered.set()
        begun.wait(60)
        av.logging.log(av.logging.ERROR, "ffv1", "slice CRC mismatch")
        complained.set()
        return []

    def decode(what: Callable[[], list[av.VideoFrame]]) -> Damage:
        if what is quiet:
            entered.wait(60)
        damage = Damage("ffv1")
        facts = {"pts": 0, "dts": 0, "time_base": 1, "is_keyframe": True, "is_corrupt": False}
        damage.decode(SimpleNamespace(decode=what, **facts))
        return damage

    with capturing_errors(), ThreadPoolExecutor(2) as pool:
        first, second = pool.map(decode, (loud, quiet))
    assert (first.patched, second.patched) == (1, 0)


def test_what_listened_before_is_left_as_it_was() -> None:
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    with capturing_errors(), capturing_errors():
        assert av.logging.get_level() == av.logging.ERROR
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
