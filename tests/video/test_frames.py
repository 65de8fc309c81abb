from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piafusion.errors import ImageError
from piafusion.imaging.palettes import palette
from piafusion.video.frames import (
    Frame,
    NearestInTime,
    RisingClock,
    match,
    scale_to,
    split_halves,
    to_infrared,
    to_visible,
)
from piafusion.video.sources import open_source
from tests.conftest import scene
from tests.imaging.flir_files import thermal_scene
from tests.video.conftest import moving, write_video


def flat(luminance: int, pixels: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, pixels)
    for plane, level in zip(frame.planes, (luminance, 128, 128), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    return frame


def test_limited_range_becomes_full_range() -> None:
    assert to_infrared()(flat(16)).max() == 0
    assert to_infrared()(flat(235)).min() == 255
    assert to_visible()(flat(235)).min() == 255
    assert to_infrared()(flat(235, "yuvj420p")).min() == 235


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_more_than_eight_bits_fill_sixteen(bits: int) -> None:
    frame = av.VideoFrame(64, 48, f"gray{bits}le")
    levels = np.full(frame.planes[0].buffer_size // 2, 2**bits - 1, "<u2")
    frame.planes[0].update(levels.tobytes())
    image = to_infrared()(frame)
    assert image.dtype == np.uint16
    assert image.min() == 65535


def test_sixteen_bits_are_kept_to_the_last(tmp_path: Path) -> None:
    levels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    path = write_video(tmp_path / "thermal.mkv", [levels], codec="ffv1")
    source = open_source(str(path))
    (frame,) = source.frames(to_infrared())
    source.close()
    np.testing.assert_array_equal(frame.image, levels)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_are_turned_upright(tmp_path: Path, degrees: int) -> None:
    stored = scene()[1]
    path = write_video(tmp_path / "turned.mp4", [stored], rotation=degrees)
    source = open_source(str(path))
    (frame,) = source.frames(to_visible())
    with av.open(str(path)) as container:
        anticlockwise = next(container.decode(video=0)).rotation
    expected = np.rot90(stored, anticlockwise // 90)
    assert degrees in (0, 180) or anticlockwise in (90, -90)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6
    source.close()


def test_a_named_palette_becomes_levels(tmp_path: Path) -> None:
    levels = cv2.GaussianBlur(thermal_scene(), (0, 0), 1.2)
    painted = palette("ironbow")[levels]
    path = write_video(tmp_path / "ir.mp4", [painted] * 2)
    for name in ("auto", "ironbow"):
        source = open_source(str(path))
        for frame in source.frames(to_infrared(name)):
            off = np.abs(frame.image.astype(int) - levels)
            assert off.mean() < 0.6
            assert (off <= 2).mean() > 0.96
        source.close()


def test_a_palette_is_refused() -> None:
    coloured = av.VideoFrame.from_ndarray(np.full((48, 64, 3), (200, 80, 20), np.uint8))
    with pytest.raises(ImageError, match="expected grey infrared frames, found colours"):
        to_infrared()(coloured)


def test_a_coloured_overlay_is_not_a_palette() -> None:
    image = np.repeat(scene()[0][..., None], 3, axis=2)
    image[:8, :20] = (255, 0, 0)
    assert to_infrared()(av.VideoFrame.from_ndarray(image)).shape == (48, 64)


@pytest.mark.parametrize("infrared_first", [True, False])
@pytest.mark.parametrize(("layout", "axis"), [("side-by-side", 1), ("top-bottom", 0)])
@pytest.mark.parametrize("odd", [0, 1])
def test_halves(layout, axis: int, infrared_first: bool, odd: int) -> None:
    infrared, visible = scene()
    grey = np.repeat(infrared[..., None], 3, axis=2)
    halves = [grey, visible] if infrared_first else [visible, grey]
    if odd:
        halves.insert(1, np.zeros_like(grey).take([0], axis))
    both = np.concatenate(halves, axis)
    found = split_halves(both, layout, infrared_first=infrared_first)
    np.testing.assert_array_equal(found[0], infrared)
    np.testing.assert_array_equal(found[1], visible)


def test_the_wrong_half_is_noticed() -> None:
    coloured = np.full((48, 64, 3), (200, 80, 20), np.uint8)
    with pytest.raises(ImageError, match="found colours"):
        split_halves(coloured, "side-by-side", infrared_first=True)


def test_scaling_wants_one_aspect_ratio() -> None:
    visible = np.zeros((96, 128, 3), np.uint8)
    assert scale_to(np.zeros((48, 64), np.uint16), visible).shape == (96, 128)
    assert scale_to(np.zeros((48, 64), np.uint16), visible).dtype == np.uint16
    assert scale_to(np.zeros((192, 256), np.uint8), visible).shape == (96, 128)
    with pytest.raises(ImageError, match="64x64 and visible 128x96; align them"):
        scale_to(np.zeros((64, 64), np.uint8), visible)


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


def frames(times: list[Fraction]) -> Iterator[Frame]:
    for index, time in enumerate(times):
        yield Frame(np.full((1, 1), index, np.uint8), time, Fraction(0))


def source(times: list[Fraction]) -> Callable[[], Frame | None]:
    left = frames(times)
    return lambda: next(left, None)


def chosen(visible: list[Fraction], infrared: list[Fraction], **settings: Fraction) -> list:
    """Return the index of the infrared frame, or None, for each visible one."""
    gap = settings.pop("max_gap", Fraction(100))
    pairs = match(frames(visible), NearestInTime(source(infrared), **settings), max_gap=gap)
    return [None if pair is None else int(pair.infrared[0, 0]) for pair in pairs]


def at(rate: int, count: int) -> list[Fraction]:
    return [Fraction(index, rate) for index in range(count)]


def test_equal_rates_pair_one_to_one() -> None:
    assert chosen(at(30, 6), at(30, 6)) == [0, 1, 2, 3, 4, 5]


def test_a_slower_infrared_camera_is_repeated() -> None:
    assert chosen(at(30, 9), at(10, 3)) == [0, 0, 1, 1, 1, 2, 2, 2, 2]


def test_a_faster_infrared_camera_is_thinned() -> None:
    assert chosen(at(10, 3), at(30, 9)) == [0, 3, 6]


def test_the_offset_moves_the_infrared() -> None:
    assert chosen(at(10, 5), at(10, 5), offset=Fraction(2, 10)) == [0, 0, 0, 1, 2]
    assert chosen(at(10, 3), at(10, 5), offset=Fraction(-2, 10)) == [2, 3, 4]
    assert chosen(at(10, 6), at(10, 6), drift=Fraction(1, 4)) == [0, 1, 2, 2, 3, 4]


def test_frames_far_from_any_infrared_one_have_none() -> None:
    assert chosen(at(10, 6), at(10, 2), max_gap=Fraction(1, 10)) == [0, 1, 1, None, None, None]


def test_without_infrared_frames_there_are_no_pairs() -> None:
    assert chosen(at(10, 3), []) == [None, None, None]


def test_when_a_live_source_is_late_the_newest_frame_has_to_do() -> None:
    left = frames(at(10, 2))

    def take() -> Frame | None:
        for frame in left:
            return frame
        raise TimeoutError

    nearest = NearestInTime(take)
    found = nearest(Fraction(5))
    assert found is not None
    assert found[0].time == Fraction(1, 10)
    assert found[1] == -Fraction(49, 10)


times = st.lists(
    st.integers(0, 400).map(lambda step: Fraction(step, 90)), min_size=1, max_size=9, unique=True
).map(sorted)


@given(times, times)
def test_no_other_frame_is_nearer(visible: list[Fraction], infrared: list[Fraction]) -> None:
    for time, index in zip(visible, chosen(visible, infrared), strict=True):
        assert abs(infrared[index] - time) == min(abs(other - time) for other in infrared)
