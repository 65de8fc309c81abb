import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from piafusion.errors import OutputError, UsageError, VideoError
from piafusion.video import writers
from piafusion.video.audio import AudioCopy
from piafusion.video.frames import Frame, to_visible
from piafusion.video.sources import VideoFormat, open_source
from piafusion.video.writers import MovieWriter, check_codec, check_video_output, partial_name
from tests.conftest import scene
from tests.video.conftest import RATE, read_video, write_video

FORMAT = VideoFormat(RATE, Fraction(1, 30_000))


def write(path: Path, images: list[np.ndarray], times: list[Fraction], **settings) -> Path:
    height, width = images[0].shape[:2]
    writer = MovieWriter(path, settings.pop("format", FORMAT), width, height, **settings)
    for image, time in zip(images, times, strict=True):
        writer.write(Frame(image, time, 1 / RATE))
    assert not path.exists()
    writer.finish()
    assert not partial_name(path).exists()
    return path


def test_a_video_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch) -> None:
    done, fsync, rename = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("rename"), rename(*paths)))
    write(tmp_path / "out.mp4", [scene()[1]], [Fraction(0)])
    assert done == ["fsync", "rename"]


def noisy_frames(count: int) -> Iterator[Frame]:
    """Frames that compress badly: a second of them has many bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for k in range(count):
        yield Frame(np.roll(noise, k, axis=1), k / RATE, 1 / RATE)


def write_all(writer: MovieWriter, frames: Iterator[Frame]) -> None:
    for frame in frames:
        writer.write(frame)


def playable_frames(path: Path) -> int:
    count = 0
    with suppress(av.FFmpegError), av.open(str(path)) as container:
        for _ in container.decode(video=0):
            count += 1
    return count


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_video_can_be_played_while_it_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    writer = MovieWriter(path, FORMAT, 64, 48)
    write_all(writer, noisy_frames(180))
    killed = tmp_path / f"killed{suffix}"
    killed.write_bytes(partial_name(path).read_bytes())
    writer.discard()
    assert playable_frames(killed) >= 60  # of 6 seconds, the encoder holds 2 back
    assert not partial_name(path).exists()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_leaves_what_was_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    writer = MovieWriter(path, FORMAT, 64, 48, crf=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="what was written before can be played"):
            write_all(writer, noisy_frames(600))
        writer.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert playable_frames(path) >= 60
    assert not partial_name(path).exists()


def test_a_recording_that_was_killed_is_not_replaced(tmp_path: Path) -> None:
    partial_name(tmp_path / "out.mp4").touch()
    with pytest.raises(UsageError, match=r"out\.part\.mp4: exists already"):
        check_video_output(tmp_path / "out.mp4", overwrite=False)
    check_video_output(tmp_path / "out.mp4", overwrite=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_rate_times_and_pictures_are_kept(tmp_path: Path, suffix: str) -> None:
    image = np.repeat(scene()[0][..., None], 3, axis=2)
    path = write(tmp_path / f"out{suffix}", [image] * 10, [7 + k / RATE for k in range(10)])
    pictures, times = read_video(path)
    assert times == [k / RATE for k in range(10)]
    assert np.abs(pictures[3].astype(int) - image).mean() < 2
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == RATE
        assert stream.codec_context.name == "h264"
        assert stream.duration * stream.time_base == 10 / RATE


def test_matroska_keeps_milliseconds(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mkv", [scene()[1]] * 5, [k / RATE for k in range(5)])
    times = read_video(path)[1]
    assert max(abs(time - k / RATE) for k, time in enumerate(times)) <= Fraction(1, 2000)


def test_a_variable_rate_is_kept(tmp_path: Path) -> None:
    times = [Fraction(k, 30_000) for k in (0, 1001, 5005, 6006, 30_030)]
    assert read_video(write(tmp_path / "out.mp4", [scene()[1]] * 5, times))[1] == times


def test_times_that_stand_still_go_on_by_one_step(tmp_path: Path) -> None:
    times = [Fraction(k, 30_000) for k in (0, 5, 5, 4, 9)]
    found = read_video(write(tmp_path / "out.mp4", [scene()[1]] * 5, times))[1]
    assert [time * 30_000 for time in found] == [0, 5, 6, 7, 9]


@pytest.mark.parametrize(("height", "width"), [(49, 64), (48, 65), (49, 65), (9, 9)])
def test_odd_sides_get_one_pixel_more(tmp_path: Path, height: int, width: int) -> None:
    image = np.repeat(scene(height, width)[0][..., None], 3, axis=2)
    picture = read_video(write(tmp_path / "out.mp4", [image], [Fraction(0)], crf=1))[0][0]
    assert picture.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(picture[:height, :width].astype(int) - image).mean() < 5


def test_the_colour_matrix_is_told(tmp_path: Path) -> None:
    hd = VideoFormat(RATE, Fraction(1, 30_000), Fraction(4, 3), 1, 1, 1)  # BT.709
    image = np.full((48, 64, 3), (200, 80, 20), np.uint8)
    path = write(tmp_path / "out.mp4", [image], [Fraction(0)], format=hd, crf=1)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert np.abs(read_video(path)[0][0].astype(int) - image).max() <= 3


def test_sound_is_copied_from_where_the_pictures_start(tmp_path: Path) -> None:
    image = scene()[1]
    source = write_video(tmp_path / "source.mp4", [image] * 60, sound=True)
    sound = AudioCopy(open_source(str(source)), print)
    path = write(tmp_path / "o.mp4", [image] * 30, [1 + k / RATE for k in range(30)], audio=sound)
    with av.open(str(path)) as container:
        audio = container.streams.audio[0]
        packets = [p for p in container.demux(audio) if p.pts is not None]
    assert audio.codec_context.name == "aac"
    assert 0 <= packets[0].pts * packets[0].time_base < Fraction(2, 10)
    end = packets[-1].pts * packets[-1].time_base
    assert 30 / RATE - Fraction(3, 10) < end <= 30 / RATE


def test_a_silent_source_adds_no_sound(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", [scene()[1]])
    sound = AudioCopy(open_source(str(source)), print)
    path = write(tmp_path / "out.mp4", [scene()[1]], [Fraction(0)], audio=sound)
    with av.open(str(path)) as container:
        assert not container.streams.audio


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    writer = MovieWriter(tmp_path / "out.mp4", FORMAT, 64, 48)
    writer.write(Frame(scene()[1], Fraction(0), 1 / RATE))
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"out\.mp4: could not be written"):
        MovieWriter(tmp_path / "file" / "out.mp4", FORMAT, 64, 48)


def test_without_the_encoder_the_message_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    missing = replace(writers.CODECS["h264"], encoder="none")
    monkeypatch.setitem(writers.CODECS, "h264", missing)
    with pytest.raises(VideoError, match="install PyAV's wheel"):
        MovieWriter(tmp_path / "out.mp4", FORMAT, 64, 48)


def test_outputs_are_checked(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").touch()
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "000001.png").touch()
    (tmp_path / "file").touch()
    for name, message in (
        ("there.mp4", "exists already"),
        ("frames", "000001.png: exists already"),
        ("file", "found a file"),
        ("out.avi", "expected a suffix of .mp4, .mov, .mkv"),
    ):
        with pytest.raises(UsageError, match=message):
            check_video_output(tmp_path / name, overwrite=False)
    check_video_output(tmp_path / "there.mp4", overwrite=True)
    check_video_output(tmp_path / "new", overwrite=False)


@pytest.mark.parametrize(
    ("codec", "name", "suffix", "tag"),
    [
        ("h265", "hevc", ".mp4", "hvc1"),
        ("h265", "hevc", ".mkv", None),
        ("av1", "libdav1d", ".mp4", "av01"),
        ("av1", "libdav1d", ".mkv", None),
    ],
)
def test_other_codecs(tmp_path: Path, capfd, codec: str, name: str, suffix: str, tag) -> None:
    image = np.repeat(scene(96, 128)[0][..., None], 3, axis=2)
    times = [k / RATE for k in range(5)]
    path = write(tmp_path / f"out{suffix}", [image] * 5, times, codec=codec, crf=0)
    pictures, shown = read_video(path)
    assert max(abs(at - time) for at, time in zip(shown, times, strict=True)) <= Fraction(1, 2000)
    assert np.abs(pictures[3].astype(int) - image).mean() < 1
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == name
        assert tag in (None, context.codec_tag)
    assert capfd.readouterr() == ("", "")  # the encoders say nothing of their own


@pytest.mark.parametrize("codec", ["h265", "av1"])
def test_ten_bits_are_kept_from_source_to_file(tmp_path: Path, codec: str) -> None:
    """A slope that has four times as many steps as eight bits can show."""
    slope = np.repeat(np.linspace(20_000, 30_000, 128)[None], 96, axis=0)
    deep = np.repeat(slope[..., None], 3, axis=2).astype(np.uint16)
    path = write(
        tmp_path / "out.mp4",
        [deep] * 3,
        [k / RATE for k in range(3)],
        **{
            "codec": codec,
            "crf": 1,
            "bits": 10,
        },
    )
    with closing(open_source(str(path))) as source:
        assert source.format is not None
        found = [frame.image for frame in source.frames(to_visible(bits=10))]
    assert found[1].dtype == np.uint16
    assert np.abs(found[1].astype(float) - deep).mean() < 100  # 8 bits: 257 from step to step
    assert len(np.unique(found[1][48, :, 1])) > 80


def test_codecs_that_an_output_cannot_hold(tmp_path: Path) -> None:
    for codec, output in (("vp9", "a.mp4"), ("av1", "a.mov"), ("h265", "folder"), ("av1", "-")):
        with pytest.raises(UsageError, match=r"--codec"):
            check_codec(codec, Path(output))
    for codec, output in (("av1", "a.mkv"), ("h265", "a.mov"), ("h264", "folder")):
        check_codec(codec, Path(output))
    check_codec("h265", Path("a.mov"), 10)
    for codec, bits in (("h264", 10), ("h265", 12)):
        with pytest.raises(UsageError, match=r"--bits: expected 8, or 10 with --codec h265 or av1"):
            check_codec(codec, Path("a.mp4"), bits)


def test_sound_that_does_not_come_is_told(tmp_path: Path, monkeypatch) -> None:
    """A server that gives the pictures, and says nothing when it is asked for the sound."""
    source = open_source(str(write_video(tmp_path / "source.mp4", [scene()[1]] * 3, sound=True)))
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source.url = f"http://127.0.0.1:{silent.getsockname()[1]}/source.mp4"
        monkeypatch.setattr("piafusion.video.audio.READ_SECONDS", 0.2)
        sound = AudioCopy(source, told.append)
        path = write(tmp_path / "out.mp4", [scene()[1]], [Fraction(0)], audio=sound)
    assert len(read_video(path)[0]) == 1
    assert told == [f"{source.name}: the sound ends here (no answer in time)"]
