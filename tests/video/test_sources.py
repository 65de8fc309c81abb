import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from piafusion.errors import ImageError, UsageError, VideoError
from piafusion.video.frames import Matching, to_infrared, to_visible
from piafusion.video.inputs import open_two
from piafusion.video.sources import VideoSource, open_source
from tests.imaging.flir_files import container
from tests.video.conftest import RATE, moving, rotate, write_video


def test_a_file_tells_its_rate_and_length(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "vi.mp4", moving(7)[1])))
    assert source.format.rate == RATE
    assert source.length == 7
    assert not source.live
    frames = list(source.frames(to_visible()))
    assert [frame.time for frame in frames] == [k / RATE for k in range(7)]
    assert frames[0].duration == 1 / RATE
    source.close()
    source.close()


def test_times_start_where_the_source_does(tmp_path: Path) -> None:
    times = [10 + Fraction(k, 10) for k in (0, 1, 5, 6)]
    path = write_video(tmp_path / "vi.ts", moving(4)[1], times=times, rate=Fraction(10))
    source = open_source(str(path))
    assert [frame.time for frame in source.frames(to_visible())] == [t - 10 for t in times]
    source.close()


def test_without_timestamps_the_rate_counts(tmp_path: Path) -> None:
    path = write_video(tmp_path / "vi.h264", moving(5)[1], rate=Fraction(25))
    source = open_source(str(path))
    frames = list(source.frames(to_visible()))
    assert [frame.time for frame in frames] == [Fraction(k, 25) for k in range(5)]
    source.close()


def test_pixels_that_are_not_square_turn_with_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "vi.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        rotate(stream, 90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(moving(1)[1][0])))
        container.mux(stream.encode())
    source = open_source(str(path))
    list(source.frames(to_visible()))
    assert source.format.aspect == Fraction(3, 4)
    source.close()


def test_a_damaged_packet_costs_its_frames_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / "vi.mkv", moving(10)[1], codec="ffv1")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[5]
        place = data.index(bytes(packet))
        data[place : place + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    source = open_source(str(path))
    frames = list(source.frames(to_visible()))
    assert len(frames) == 5  # in this codec the later ones hang on it
    assert source.damage.lost == 5
    at = float(5 / RATE)
    told = f"{path}: 5 damaged frames, the first at {at:.3f} s (5 lost)"
    assert source.problem(read_to_end=True) == told
    source.close()


def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    path = write_video(tmp_path / "vi.mkv", moving(30)[1])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path))
    assert source.problem(read_to_end=False) is None
    count = len(list(source.frames(to_visible())))
    assert 5 < count < 25
    told = f"{path}: ends after {float(count / RATE):.2f} of the 1.00 s it announces"
    assert source.problem(read_to_end=True) == told
    source.close()


def test_a_refused_frame_is_placed_in_time(tmp_path: Path) -> None:
    coloured = np.full((48, 64, 3), (200, 80, 20), np.uint8)
    source = open_source(str(write_video(tmp_path / "ir.mp4", [coloured])))
    with pytest.raises(ImageError, match=r"ir\.mp4 at 0\.000 s: expected grey infrared frames"):
        list(source.frames(to_infrared()))
    source.close()


def test_a_file_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(VideoError, match="found no video stream"):
        open_source(str(path))


def test_nobody_answers() -> None:
    with pytest.raises(VideoError, match=r"127\.0\.0\.1:1: expected a video .* refused"):
        open_source("tcp://me:secret@127.0.0.1:1")


def test_a_codec_without_a_decoder(tmp_path: Path) -> None:
    path = write_video(tmp_path / "vi.avi", moving(3)[1], codec="rawvideo")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"I420", b"Q9Z8"))
    with pytest.raises(VideoError, match=r"vi\.avi: expected a codec that FFmpeg decodes"):
        open_source(str(path))


def sequence(path: Path, *milliseconds: int, rest: bytes = b"") -> VideoSource:
    """Return an opened sequence of FLIR, with warmer and warmer frames at these times."""
    frames = [
        container(
            counts=np.full(12, 15_000 + 100 * place, "<u2").tobytes(), order="<", milliseconds=time
        )
        for place, time in enumerate(milliseconds)
    ]
    path.write_bytes(b"".join(frames) + rest)
    return open_source(str(path))


def test_a_sequence_of_temperatures(tmp_path: Path) -> None:
    source = sequence(tmp_path / "ir.seq", 5_000_200, 5_000_300, 5_000_400)
    frames = list(source.frames(to_infrared()))
    assert [frame.time for frame in frames] == [Fraction(k, 10) for k in range(3)]
    assert [frame.duration for frame in frames] == [Fraction(1, 10)] * 3
    assert source.format.rate == 10
    assert all(frame.image.shape == (3, 4) for frame in frames)
    degrees = [float(frame.image.mean()) for frame in frames]
    assert degrees == sorted(set(degrees))
    assert source.problem(read_to_end=True) is None
    source.close()


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        (container()[:150], r"after 2 frames, found a frame cut at byte"),
        (b"FFF\0" + bytes(200), r"after 2 frames, found something else at byte"),
        (b"\0" * 99, r"after 2 frames, found something else at byte"),
    ],
)
def test_a_sequence_that_is_cut(tmp_path: Path, rest: bytes, found: str) -> None:
    source = sequence(tmp_path / "ir.seq", 0, 0, rest=rest)
    assert [frame.time for frame in source.frames(to_infrared())] == [0, Fraction(1, 25)]
    assert re.search(found, source.problem(read_to_end=True) or "")
    source.close()
    (tmp_path / "ir.seq").write_bytes(rest)
    with pytest.raises(VideoError, match=r"ir\.seq: expected "):
        open_source(str(tmp_path / "ir.seq"))


def test_temperatures_are_no_visible_video(tmp_path: Path) -> None:
    sequence(tmp_path / "a.seq", 0, 40).close()
    vi = write_video(tmp_path / "vi.mp4", moving(2)[1])
    with pytest.raises(UsageError, match=r"a\.seq: expected a visible video, found temperatures"):
        open_two(str(vi), str(tmp_path / "a.seq"), Matching())
