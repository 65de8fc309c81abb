import json
import os
import re
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from piafusion import Fuser
from piafusion.cli.video import _make_fuser
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.io import read_image
from tests.video.conftest import RATE, moving, read_video, write_video

COUNT = 12


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Path, Path]:
    """An infrared and a visible file of twelve frames."""
    infrared, visible = moving(COUNT)
    return (
        write_video(tmp_path / "ir.mp4", infrared),
        write_video(tmp_path / "vi.mp4", visible, sound=True),
    )


def test_two_files(piafusion, clips, tmp_path: Path) -> None:
    out = tmp_path / "new" / "fused.mp4"
    done = piafusion("video", *clips, "--output", out)
    assert (done.code, done.err) == (0, "")
    assert "fused 12 frames, 0.40 s of 64x48 at 29.97 frames/s" in done.out
    pictures, times = read_video(out)
    assert times == [k / RATE for k in range(COUNT)]
    next_frame = Fuser("piafusion-fast").sequence(float(RATE))
    for infrared, visible in zip(*(read_video(clip)[0][:6] for clip in clips), strict=True):
        expected = next_frame()(infrared, visible)
    assert np.abs(pictures[5].astype(int) - expected).mean() < 8
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == RATE
        assert container.streams.audio[0].codec_context.name == "aac"


def test_json(piafusion, clips, tmp_path: Path) -> None:
    done = piafusion("video", *clips, "-o", tmp_path / "out.mkv", "--json", "--duration", "0.2")
    report = json.loads(done.out)
    assert report["model"] == "piafusion-fast"
    assert (report["frames"], report["width"], report["height"]) == (6, 64, 48)
    assert report["rate"] == "30000/1001"
    assert report["seconds"] == pytest.approx(float(6 / RATE), abs=1e-3)
    for key in ("unmatched", "dropped", "reconnections"):
        assert report[key] == 0
    assert report["frames_per_second"] > 0
    assert report["problems"] == []
    assert (report["interrupted"], report["error"]) == (False, None)


def test_a_part_of_a_video(piafusion, clips, tmp_path: Path) -> None:
    """The pictures and the sound of the part are those of the whole."""
    whole, part = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    plain = ("--crf", "0", "--strength", "0")  # no frame depends on those before
    assert piafusion("video", *clips, "-o", whole, *plain).code == 0
    done = piafusion("video", *clips, "-o", part, *plain, "--start", "0.16", "--duration", "0.1")
    assert (done.code, done.err) == (0, "")
    np.testing.assert_array_equal(read_video(part)[0], read_video(whole)[0][5:8])
    assert read_video(part)[1][0] == 0
    with av.open(str(part)) as container:
        heard = [frame.pts * frame.time_base for frame in container.decode(audio=0)]
    assert 0 < heard[-1] < 0.3
    done = piafusion("video", *clips, "-o", tmp_path / "no.mp4", "--start", "7")
    assert done.code == 1
    assert "expected frames from 7.000 s on, found none" in done.err


def test_an_offset_that_is_estimated(piafusion, clips, tmp_path: Path, monkeypatch) -> None:
    from piafusion.video import offset

    found = offset.Offset(Fraction(1, 10), 0.4, 0.1)
    monkeypatch.setattr(offset, "estimate_offset", lambda *names: found)
    for name, value in (("auto", "auto"), ("typed", "0.1")):
        done = piafusion("video", *clips, "-o", tmp_path / name, "--offset", value)
        assert done.code == 0
        said = "--offset 0.1 fits best: agreement 0.40, 0.10 elsewhere\n"
        assert done.err == (said if value == "auto" else "")
    frames = [sorted((tmp_path / name).iterdir()) for name in ("auto", "typed")]
    for one, other in zip(*frames, strict=True):
        assert one.read_bytes() == other.read_bytes()
    done = piafusion("video", *clips, "-o", tmp_path / "no.mp4", "--offset", "later")
    assert done.code == 2
    assert "--offset: expected a number up to 1,000,000,000 or auto, found 'later'" in done.err


def test_two_streams_of_one_file(piafusion, clips, tmp_path: Path) -> None:
    """A recorder that writes both cameras into one file: the streams are copied into one here."""
    both = tmp_path / "both.mkv"
    with av.open(str(both), "w") as container:
        opened = [av.open(str(path)) for path in (clips[1], clips[0])]
        copies = [container.add_stream_from_template(one.streams.video[0]) for one in opened]
        for one, copy in zip(opened, copies, strict=True):
            for packet in one.demux(one.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = copy
                    container.mux(packet)
            one.close()
    expected, found = tmp_path / "expected", tmp_path / "found"
    single = ("--model", "paper")  # Matroska's rate is rounded, and a calm picture depends on it
    assert piafusion("video", *clips, "-o", expected, *single).code == 0
    done = piafusion("video", both, "--streams", "1,0", "-o", found, *single)
    assert (done.code, done.err) == (0, "")
    for one in sorted(expected.iterdir()):
        assert one.read_bytes() == (found / one.name).read_bytes()
    for value, code, message in (
        ("1,1", 2, "found one for both"),
        ("0", 2, "--streams: expected two numbers such as 0,1"),
        ("5,0", 1, "expected a video stream with the number 5, found 2, counted from 0"),
    ):
        done = piafusion("video", both, "--streams", value, "-o", tmp_path / "no.mp4")
        assert done.code == code, done.err
        assert message in done.err
        assert done.err.count("\n") == 1


def test_a_folder_of_frames(piafusion, clips, tmp_path: Path) -> None:
    arguments = ("video", *clips, "-o", tmp_path / "frames")
    assert piafusion(*arguments).code == 0
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f"{number:06d}.png" for number in range(1, COUNT + 1)]
    assert read_image(tmp_path / "frames" / names[0]).shape == (48, 64, 3)
    assert "exists already" in piafusion(*arguments).err
    assert piafusion(*arguments, "--overwrite").code == 0


def test_raw_frames(clips) -> None:
    run = [sys.executable, "-c", "from piafusion.cli import main; main()", "video", *clips]
    done = subprocess.run([*run, "--output", "-"], capture_output=True, check=True)
    assert len(done.stdout) == COUNT * 48 * 64 * 3
    first = np.frombuffer(done.stdout, np.uint8)[: 48 * 64 * 3].reshape(48, 64, 3)
    sources = [read_video(path)[0][0] for path in clips]
    expected = Fuser("piafusion-fast")(*sources)
    assert np.abs(first.astype(int) - expected).mean() < 2
    for words in (b"-video_size 64x48 -framerate 30000/1001", b"fused 12 frames"):
        assert words in done.stderr


def test_a_reader_that_goes_away(clips) -> None:
    run = [sys.executable, "-c", "from piafusion.cli import main; main()", "video", *clips]
    with subprocess.Popen(
        [*run, "--output", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        error = process.stderr.read().decode()
    assert process.returncode == 1
    assert "standard output: could not be written (broken pipe)" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(("layout", "half"), [("side-by-side", "right"), ("top-bottom", "top")])
def test_one_file_with_both(piafusion, tmp_path: Path, layout: str, half: str) -> None:
    infrared, visible = moving(4)
    grey = [np.repeat(image[..., None], 3, axis=2) for image in infrared]
    halves = zip(visible, grey, strict=True) if half == "right" else zip(grey, visible, strict=True)
    join = np.hstack if layout == "side-by-side" else np.vstack
    both = write_video(tmp_path / "both.mp4", [join(pair) for pair in halves])
    out = tmp_path / "out.mp4"
    done = piafusion("video", both, "--layout", layout, "--infrared", half, "-o", out)
    assert done.code == 0, done.err
    pictures = read_video(out)[0]
    assert len(pictures) == 4
    expected = Fuser("piafusion-fast")(infrared[2], visible[2])
    assert np.abs(pictures[2].astype(int) - expected).mean() < 8


def test_a_slower_and_smaller_infrared_camera(piafusion, clips, tmp_path: Path) -> None:
    infrared = write_video(
        tmp_path / "small.mp4", moving(4, height=24, width=32)[0], rate=Fraction(10)
    )
    arguments = ("video", infrared, clips[1], "-o", tmp_path / "out.mp4")
    done = piafusion(*arguments)
    assert done.code == 1
    assert "vi.mp4 at 0.000 s: expected two pictures of one size, found infrared" in done.err
    assert not (tmp_path / "out.mp4").exists()
    assert piafusion(*arguments, "--resize").code == 0
    assert len(read_video(tmp_path / "out.mp4")[0]) == COUNT


def test_sixteen_bit_thermal(piafusion, clips, tmp_path: Path) -> None:
    infrared = moving(COUNT)[0]
    deep = [image.astype(np.uint16) * 257 for image in infrared]
    fused = []
    for name, images, pixels in (("deep", deep, "gray16le"), ("shallow", infrared, "gray")):
        thermal = write_video(tmp_path / f"{name}.mkv", images, codec="ffv1", pixels=pixels)
        assert piafusion("video", thermal, clips[1], "-o", tmp_path / name).code == 0
        fused.append(read_image(tmp_path / name / "000007.png").astype(int))
    assert np.abs(fused[0] - fused[1]).max() <= 1


def test_odd_sizes(piafusion, tmp_path: Path) -> None:
    # The sources are kept without loss, since H.264 has no odd sizes.
    infrared, visible = moving(3, height=49, width=63)
    ir = write_video(tmp_path / "ir.mkv", infrared, codec="ffv1", pixels="gray")
    vi = write_video(tmp_path / "vi.mkv", visible, codec="ffv1", pixels="bgr0")
    done = piafusion("video", ir, vi, "-o", tmp_path / "out.mp4")
    assert done.code == 0
    assert "one pixel is added to each odd side of 63x49" in done.err
    assert read_video(tmp_path / "out.mp4")[0][0].shape == (50, 64, 3)
    assert piafusion("video", ir, vi, "-o", tmp_path / "frames").code == 0
    assert read_image(tmp_path / "frames" / "000003.png").shape == (49, 63, 3)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_playable_file(
    piafusion, clips, tmp_path: Path, monkeypatch, number: signal.Signals, code: int
) -> None:
    fuse, calls = Fuser._fuse_pair, []

    def interrupted(self, *given):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), number)
        return fuse(self, *given)

    monkeypatch.setattr(Fuser, "_fuse_pair", interrupted)
    before = signal.getsignal(number)
    done = piafusion("video", *clips, "-o", tmp_path / "out.mp4", "--json")
    assert done.code == code
    report = json.loads(done.out)
    assert report["interrupted"]
    assert 4 <= report["frames"] < COUNT
    assert len(read_video(tmp_path / "out.mp4")[0]) == report["frames"]
    assert f"stopped; the {report['frames']} frames before are kept in" in done.err
    assert signal.getsignal(number) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ir.mp4", "out.mp4", "vi.mp4"]


def test_a_failing_frame_is_told_and_the_rest_kept(
    piafusion, clips, tmp_path: Path, monkeypatch
) -> None:
    from piafusion.errors import ImageError

    fuse = Fuser._fuse_pair

    def refusing(self, infrared, visible, frame):
        if visible.mean() > threshold:
            raise ImageError("expected less light, found more; close the shutter")
        return fuse(self, infrared, visible, frame)

    threshold = read_video(clips[1])[0][8].mean() - 0.5
    monkeypatch.setattr(Fuser, "_fuse_pair", refusing)
    done = piafusion("video", *clips, "-o", tmp_path / "out.mp4")
    assert done.code == 1
    assert "vi.mp4 at 0.267 s: expected less light" in done.err
    assert "the 8 frames before are kept in" in done.err
    assert len(read_video(tmp_path / "out.mp4")[0]) == 8


def test_a_damaged_source_is_told(piafusion, clips, tmp_path: Path) -> None:
    visible = write_video(tmp_path / "vi.mkv", moving(40)[1])
    visible.write_bytes(visible.read_bytes()[: visible.stat().st_size // 2])
    done = piafusion("video", clips[0], visible, "-o", tmp_path / "out.mp4", "--max-gap", "0.1")
    assert done.code == 1
    assert "vi.mkv: ends after" in done.err
    assert "visible frames had no infrared frame within 0.1 s" in done.err


def test_nothing_is_overwritten_unless_asked(piafusion, clips, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_text("precious")
    done = piafusion("video", *clips, "-o", out)
    assert (done.code, out.read_text()) == (2, "precious")
    assert "exists already" in done.err
    assert piafusion("video", *clips, "-o", out, "--overwrite").code == 0
    before = clips[1].read_bytes()
    done = piafusion("video", *clips, "-o", clips[1], "--overwrite")
    assert done.code == 2
    assert "is one of the sources" in done.err
    assert clips[1].read_bytes() == before


def test_no_source_is_overwritten_however_it_is_spelt(piafusion, clips, tmp_path: Path) -> None:
    before = clips[1].read_bytes()
    (tmp_path / "soft.mp4").symlink_to(clips[1])
    os.link(clips[1], tmp_path / "hard.mp4")
    for name in (f"file:{clips[1]}", f"file://{clips[1]}", "soft.mp4", "hard.mp4"):
        source = name if name.startswith("file") else tmp_path / name
        done = piafusion("video", clips[0], source, "-o", clips[1], "--overwrite")
        assert done.code == 2, name
        assert "is one of the sources" in done.err
    assert clips[1].read_bytes() == before


def test_a_video_is_no_pair_with_itself(piafusion, clips, tmp_path: Path) -> None:
    for again in (clips[0], f"file:{clips[0]}"):
        done = piafusion("video", clips[0], again, "-o", tmp_path / "out.mp4")
        assert done.code == 2
        assert "found one for both" in done.err


def test_numbered_pictures_are_not_overwritten_by_the_result(piafusion, clips, tmp_path) -> None:
    frames = tmp_path / "frames"
    assert piafusion("video", *clips, "-o", frames).code == 0
    before = [path.read_bytes() for path in sorted(frames.iterdir())]
    done = piafusion("video", clips[0], frames / "%06d.png", "-o", frames, "--overwrite")
    assert done.code == 2
    assert "is one of the sources" in done.err
    assert [path.read_bytes() for path in sorted(frames.iterdir())] == before


def test_colons_in_names(piafusion, clips, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    clips[1].rename("2024-01-01T12:00:00.mp4")
    done = piafusion("video", "ir.mp4", "2024-01-01T12:00:00.mp4", "-o", "12:30.mp4")
    assert (done.code, done.err) == (0, "")
    assert len(read_video(tmp_path / "12:30.mp4")[0]) == COUNT
    with av.open(str(tmp_path / "12:30.mp4")) as container:
        assert len(container.streams.audio) == 1


@pytest.mark.parametrize(
    "option", ["--start", "--offset", "--max-gap", "--duration", "--reconnect"]
)
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_numbers_that_are_none(piafusion, clips, tmp_path: Path, option: str, number: str) -> None:
    done = piafusion("video", *clips, "-o", tmp_path / "out.mp4", option, number)
    assert done.code == 2
    assert re.fullmatch(
        f"piafusion: .*{option}.* expected a number .*, found '?{number}'?; .*\n", done.err
    )


def test_huge_numbers(piafusion, clips, tmp_path: Path) -> None:
    for option in ("--max-gap", "--duration", "--reconnect"):
        arguments = ("-o", tmp_path / "out.mp4", option, "1e9", "--overwrite")
        assert piafusion("video", *clips, *arguments).code == 0, option
    done = piafusion("video", *clips, "-o", tmp_path / "no.mp4", "--offset", "1e9")
    assert done.code == 1
    assert done.err.count("\n") == 1
    done = piafusion("video", *clips, "-o", tmp_path / "no.mp4", "--offset", "1e30")
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_recordings_that_are_joined(piafusion, tmp_path: Path) -> None:
    """Their clocks start again in the middle; pictures and sound go on."""
    joined = []
    for name, images in zip(("ir", "vi"), moving(40), strict=True):
        part = write_video(tmp_path / f"{name}.ts", images, sound=name == "vi").read_bytes()
        joined.append(tmp_path / f"{name}2.ts")
        joined[-1].write_bytes(part + part)
    for suffix in ("mp4", "mkv"):
        out = tmp_path / f"out.{suffix}"
        done = piafusion("video", *joined, "-o", out)
        assert done.code == 0, done.err
        assert f"{joined[1]}: its clock starts again at 1.335 s" in done.err
        assert done.err.count("\n") == 2
        times = read_video(out)[1]
        assert len(times) == 80
        assert max(b - a for a, b in pairwise(times)) < 2 / RATE
        with av.open(str(out)) as container:
            heard = [frame.pts * frame.time_base for frame in container.decode(audio=0)]
        assert heard == sorted(heard)
        assert heard[-1] > 2.3


def test_damage_is_told_and_exits_with_1(piafusion, clips, tmp_path: Path) -> None:
    from tests.video.test_damage import clip, flip

    visible = clip(tmp_path / "damaged.mp4", "libx264", {"g": "1", "preset": "ultrafast"})
    flip(visible, 9)
    infrared = write_video(tmp_path / "ir2.mp4", moving(20, 96, 128)[0], rate=Fraction(25))
    out = tmp_path / "out.mp4"
    done = piafusion("video", infrared, visible, "-o", out, "--json")
    assert done.code == 1
    assert json.loads(done.out)["frames"] == 20
    told = "damaged.mp4: 1 damaged frame, the first at 0.360 s (1 patched by the decoder)\n"
    assert done.err.endswith(told)
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_for_a_pipe(clips, tmp_path: Path, number, code: int) -> None:
    """Nobody ever opens the pipe for writing: its open blocks for ever."""
    os.mkfifo(tmp_path / "pipe")
    program = (
        "import os, threading\n"
        "from piafusion.cli import main\n"
        "from piafusion.video import inputs\n"
        "inputs.OPEN_SECONDS, opened = 600, inputs._open\n"
        "def open_and_signal(name, *rest):\n"
        f"    if name.endswith('pipe'): os.kill(os.getpid(), {int(number)})\n"
        "    opened(name, *rest)\n"
        "inputs._open = open_and_signal\n"
        "main()\n"
    )
    run = [sys.executable, "-c", program, "video", clips[0], tmp_path / "pipe"]
    done = subprocess.run(
        [*run, "-o", tmp_path / "out.mp4"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_a_pipe_that_stays_silent_is_given_up(clips, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    program = (
        "from piafusion.cli import main\n"
        "from piafusion.video import inputs\n"
        "inputs.OPEN_SECONDS = 0.2\n"
        "main()\n"
    )
    run = [sys.executable, "-c", program, "video", tmp_path / "pipe", clips[1]]
    done = subprocess.run(
        [*run, "-o", tmp_path / "out.mp4"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "pipe: expected a video within 0.2 s, found no answer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_pipe_that_falls_silent_is_given_up(clips, tmp_path: Path) -> None:
    """What came before is kept; another program could hold the pipe open for ever."""
    os.mkfifo(tmp_path / "pipe")
    data = write_video(tmp_path / "vi.mkv", moving(120)[1]).read_bytes()
    program = (
        "from piafusion.cli import main\n"
        "from piafusion.video import inputs\n"
        "inputs.READ_SECONDS = 0.2\n"
        "main()\n"
    )
    run = [sys.executable, "-c", program, "video", clips[0], tmp_path / "pipe"]
    options = ["--max-gap", "9", "--reconnect", "0", "-o", tmp_path / "out.mp4"]
    with (
        subprocess.Popen([*run, *options], stderr=subprocess.PIPE, text=True) as process,
        (tmp_path / "pipe").open("wb") as pipe,
    ):
        pipe.write(data[: len(data) * 3 // 4])
        pipe.flush()
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "pipe: expected more frames, found none for 0.2 s; check the program that" in error
    assert len(read_video(tmp_path / "out.mp4")[0]) > 50


def test_a_pipe_is_read_once(clips, tmp_path: Path) -> None:
    """Its sound would need it to be opened a second time, which blocks."""
    os.mkfifo(tmp_path / "pipe")
    moving_parts = write_video(tmp_path / "vi.ts", moving(COUNT)[1], sound=True)
    copy = "import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read())"
    with subprocess.Popen([sys.executable, "-c", copy, moving_parts, tmp_path / "pipe"]) as writer:
        program = "from piafusion.cli import main; main()"
        run = [sys.executable, "-c", program, "video", clips[0], tmp_path / "pipe"]
        done = subprocess.run(
            [*run, "-o", tmp_path / "out.mp4"], capture_output=True, text=True, timeout=60
        )
        writer.wait(60)
    assert done.returncode == 0, done.stderr
    assert len(read_video(tmp_path / "out.mp4")[0]) == COUNT


def test_wrong_use_exits_with_2_and_one_line(piafusion, clips, tmp_path: Path) -> None:
    ir, vi = clips
    out = tmp_path / "out.mp4"
    for arguments, message in (
        ((ir, "-o", out), "expected two videos, or one and --layout side-by-side or top-bottom"),
        ((ir, "-o", out, "--layout", "diagonal"), "found one and 'diagonal'"),
        ((ir, "-o", out, "--layout", "side-by-side", "--infrared", "top"), "found 'top'"),
        ((ir, vi, "-o", out, "--layout", "side-by-side"), "expected one video with both"),
        ((ir, vi, "-o", tmp_path / "out.gif"), "expected a suffix of .mp4, .mov, .mkv"),
        ((ir, vi, "-o", "-", "--json"), "- carries the frames"),
        ((ir, vi, "-o", out, "--model", "none"), "found 'none'"),
    ):
        done = piafusion("video", *arguments)
        assert done.code == 2, arguments
        assert message in done.err
        assert done.err.count("\n") == 1
        assert not out.exists()


def test_sources_that_are_no_videos(piafusion, clips, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"")
    for name in ("bad.mp4", "none.mp4"):
        done = piafusion("video", clips[0], tmp_path / name, "-o", tmp_path / "out.mp4")
        assert done.code == 1
        assert f"{name}: expected a video that FFmpeg can open, found: " in done.err
        assert done.err.count("\n") == 1


def test_swapped_sources_are_noticed(piafusion, tmp_path: Path) -> None:
    infrared = write_video(tmp_path / "ir.mp4", moving(2)[0])
    visible = write_video(tmp_path / "vi.mp4", [np.full((48, 64, 3), (200, 80, 20), np.uint8)] * 2)
    done = piafusion("video", visible, infrared, "-o", tmp_path / "out.mp4")
    assert done.code == 1
    assert "swap the two if this is the visible video" in done.err


def test_no_infrared_frame_is_near(piafusion, clips, tmp_path: Path) -> None:
    done = piafusion("video", *clips, "-o", tmp_path / "out.mp4", "--offset", "-60")
    assert done.code == 1
    assert "found none; check --offset and --max-gap" in done.err
    assert not (tmp_path / "out.mp4").exists()


def test_without_pyav_the_message_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['av'] = None\n"
        "sys.argv = ['piafusion', 'video', 'a', 'b', '--output', 'c.mp4']\n"
        "from piafusion.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'piafusion[video]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_tone_spreads_counts_and_does_not_pump(piafusion, tmp_path: Path) -> None:
    """Thermal video of 16 bits in which one hot frame flashes: the others stay as they are."""
    infrared, visible = moving(COUNT)
    counts = [7000 + infrared[0].astype(np.uint16) for _ in range(COUNT)]
    counts[6] = counts[6] + np.uint16(100)
    deep = write_video(tmp_path / "deep.mkv", counts, codec="ffv1")
    seen = write_video(tmp_path / "vi.mp4", [np.zeros_like(visible[0])] * COUNT)
    done = piafusion("video", deep, seen, "-o", tmp_path / "out", "--tone", "percentile:0,100")
    assert done.code == 0, done.err
    frames = [
        read_image(path).astype(int).mean() for path in sorted((tmp_path / "out").glob("*.png"))
    ]
    assert frames[0] > 60  # counts of 7,000 alone are 27 of 255
    assert abs(frames[5] - frames[0]) < 1
    assert abs(frames[7] - frames[5]) < 5
    dark = piafusion("video", deep, seen, "-o", tmp_path / "dark")
    assert dark.code == 0
    assert read_image(next((tmp_path / "dark").glob("*.png"))).mean() < 35


def test_an_alignment_fuses_two_sizes(piafusion, clips, tmp_path: Path) -> None:
    small, _ = moving(COUNT, 24, 32)
    ir = write_video(tmp_path / "small.mp4", small)
    quality = Quality(score=0.5, likeness=0.3, disagreement=0.0, residual=0.0, pairs=1)
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    Alignment.of("affine", half, (24, 32), (48, 64), quality).save(tmp_path / "rig.json")
    refused = piafusion("video", ir, clips[1], "-o", tmp_path / "out.mp4")
    assert refused.code == 1
    assert "piafusion align" in refused.err
    done = piafusion(
        "video", ir, clips[1], "-o", tmp_path / "out.mp4", "--alignment", tmp_path / "rig.json"
    )
    assert done.code == 0, done.err
    assert len(read_video(tmp_path / "out.mp4")[0]) == COUNT


def test_an_unknown_tone_is_refused_before_anything_is_opened(piafusion, clips, tmp_path) -> None:
    done = piafusion("video", *clips, "-o", tmp_path / "out.mp4", "--tone", "loud")
    assert done.code == 2
    assert "expected a tone of full" in done.err


@pytest.mark.parametrize(("device", "threads"), [("cpu", 2), ("openvino", 8)])
def test_the_network_gets_its_part_of_the_cores(device: str, threads: int, monkeypatch) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr("piafusion.machine.usable_cores", lambda: 8)
    monkeypatch.setattr("piafusion.fuser.Fuser", lambda **options: made.append(options))
    _, workers = _make_fuser("piafusion-fast", device, None)
    assert workers == 4
    assert made[0]["threads"] == threads


def test_a_view_of_every_frame(piafusion, clips, tmp_path: Path) -> None:
    """Values are those of the file; where the range moves from frame to frame, they are refused."""
    span = ("--tone", "span:0,200")
    view = ("--view", "hot:150", "--view-palette", "inferno", "--bar")
    done = piafusion("video", *clips, "-o", tmp_path / "hot", *view, *span)
    assert done.code == 0, done.err
    plain = piafusion("video", *clips, "-o", tmp_path / "plain", *span)
    assert plain.code == 0, plain.err
    infrared = read_video(clips[0])[0][-1][..., 0]
    hot, fused = (
        read_image(max((tmp_path / name).glob("*.png"))).astype(int) for name in ("hot", "plain")
    )
    assert hot.shape[1] > fused.shape[1] == 64
    changed = (hot[:, :64] != fused).any(axis=2)
    assert changed[infrared > 155].mean() > 0.9
    assert not changed[infrared < 145].any()
    for wrong in (("--view", "flicker"), (*view, "--tone", "plateau")):
        refused = piafusion("video", *clips, "-o", tmp_path / "no.mp4", *wrong)
        assert refused.code == 2
        assert f"--view {wrong[1]}" in refused.err
