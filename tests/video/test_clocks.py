from fractions import Fraction
from pathlib import Path

import av

from piafusion.video.clocks import RisingClock
from piafusion.video.frames import to_visible
from piafusion.video.sources import open_source
from tests.video.conftest import moving, write_video

STEP, COUNT = Fraction(1, 25), 20


def test_a_clock_that_starts_again_goes_on() -> None:
    clock = RisingClock()
    stamps = [Fraction(k, 25) for k in (*range(50), *range(30))]
    assert [clock(stamp, STEP) for stamp in stamps] == [k * STEP for k in range(80)]
    assert (clock.restarts, clock.shift) == (1, 2)


def test_frames_in_a_wrong_order_and_pauses_are_no_restart() -> None:
    clock = RisingClock()
    stamps = [Fraction(k, 25) for k in (0, 3, 1, 2, 4, 900, 901)]
    assert [clock(stamp, STEP) / STEP for stamp in stamps] == [0, 3, 3, 3, 4, 900, 901]
    assert clock.restarts == 0


def test_two_recordings_joined_into_one_file(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.ts", moving(COUNT)[1], rate=1 / STEP).read_bytes()
    path = tmp_path / "vi.ts"
    path.write_bytes(one + one)
    source = open_source(str(path))
    times = [frame.time for frame in source.frames(to_visible())]
    source.close()
    assert times == [k * STEP for k in range(2 * COUNT)]
    assert source.restarts == [COUNT * STEP]
    assert source.problem(read_to_end=True) is None  # the joint is no damage either


def test_a_pause_is_no_end(tmp_path: Path) -> None:
    times = [k * STEP + (60 if k > 9 else 0) for k in range(COUNT)]
    for suffix in ("mp4", "mkv", "ts"):
        path = tmp_path / f"vi.{suffix}"
        write_video(path, moving(COUNT)[1], rate=1 / STEP, times=times)
        source = open_source(str(path))
        assert len(list(source.frames(to_visible()))) == COUNT
        assert source.problem(read_to_end=True) is None
        source.close()


def test_a_declared_rate_is_an_estimate(tmp_path: Path) -> None:
    """A camera that declares 25 frames a second and sends 12, as at night."""
    times = [k * Fraction(1, 12) for k in range(COUNT)]
    for suffix in ("mkv", "ts", "flv"):
        path = tmp_path / f"vi.{suffix}"
        write_video(path, moving(COUNT)[1], rate=Fraction(25), times=times)
        source = open_source(str(path))
        assert len(list(source.frames(to_visible()))) == COUNT
        assert source.problem(read_to_end=True) is None
        source.close()


def test_sound_that_outlasts_the_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mkv", moving(COUNT)[1], rate=1 / STEP, sound=True)
    long = tmp_path / "vi.mkv"
    with av.open(str(path)) as taken, av.open(str(long), "w") as container:
        streams = [container.add_stream_from_template(stream) for stream in taken.streams]
        for packet in taken.demux():
            if packet.dts is None or (packet.stream.type == "video" and packet.pts > 400):
                continue
            packet.stream = streams[packet.stream.index]
            container.mux(packet)
    source = open_source(str(long))
    assert 5 < len(list(source.frames(to_visible()))) < COUNT
    assert source.problem(read_to_end=True) is None
    source.close()
