import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import ImageError, OutputError, UsageError, VideoError
from piafusion.video.frames import Frame, Matching
from piafusion.video.inputs import VideoInputs, open_halves, open_two
from piafusion.video.pipeline import fuse_video
from piafusion.video.sources import VideoFormat
from tests.video.conftest import RATE, moving, write_video


class Kept:
    """A writer that keeps frames in memory, and may fail."""

    def __init__(self, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.frames: list[Frame] = []
        self.finished = self.discarded = False
        self._fail_at, self._error = fail_at, error or OutputError("disk full")

    def __call__(self, format: VideoFormat, width: int, height: int) -> "Kept":
        self.format, self.size = format, (width, height)
        return self

    def write(self, frame: Frame) -> None:
        if len(self.frames) == self._fail_at:
            raise self._error
        self.frames.append(frame)

    def finish(self) -> None:
        self.finished = True

    def discard(self) -> None:
        self.discarded = True


def brighter(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
    return np.maximum(infrared[..., None], visible)


@pytest.fixture
def two(tmp_path: Path) -> Callable[..., VideoInputs]:
    """Open an infrared and a visible file of so many frames."""

    def make(
        infrared: int = 12, visible: int = 12, *, matching: Matching = Matching()
    ) -> VideoInputs:
        ir = write_video(tmp_path / "ir.mp4", moving(infrared)[0])
        vi = write_video(tmp_path / "vi.mp4", moving(visible)[1])
        return open_two(str(ir), str(vi), matching)

    return make


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() <= before


@pytest.mark.parametrize("workers", [1, 3])
def test_every_frame_in_order(two, workers: int) -> None:
    kept = Kept()
    run = fuse_video(two(), brighter, kept, workers=workers)
    assert [frame.time for frame in kept.frames] == [k / RATE for k in range(12)]
    levels = [frame.image.mean() for frame in kept.frames]
    assert levels == sorted(levels)
    assert kept.finished
    assert kept.size == (run.width, run.height) == (64, 48)
    assert kept.format.rate == RATE
    assert (run.frames, run.unmatched, run.interrupted, run.error) == (12, 0, False, None)
    assert run.seconds == pytest.approx(float(12 / RATE))


def test_preparing_keeps_the_order(two) -> None:
    seen = []

    def prepare(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
        seen.append(infrared.mean())
        assert visible.ndim == 3
        return np.zeros_like(infrared)

    kept = Kept()
    fuse_video(two(), brighter, kept, prepare=prepare, workers=3)
    assert seen == sorted(seen)
    assert len(seen) == 12


def test_visible_frames_without_infrared_are_left_out(two) -> None:
    kept = Kept()
    run = fuse_video(two(3, 12, matching=Matching(max_gap=2 / RATE)), brighter, kept)
    assert (run.frames, run.unmatched) == (5, 7)
    assert len(kept.frames) == 5


def test_no_infrared_frame_near_any_visible_one(two) -> None:
    inputs = two(matching=Matching(offset=Fraction(100)))
    with pytest.raises(VideoError, match="near its 12 frames in time, found none; check --offset"):
        fuse_video(inputs, brighter, Kept())


def test_a_duration_ends_it(two) -> None:
    kept = Kept()
    run = fuse_video(two(), brighter, kept, duration=5 / RATE)
    assert run.frames == len(kept.frames) == 5
    assert not run.interrupted


def test_stopping_keeps_what_is_there(two) -> None:
    kept, seen = Kept(), []

    def progress(label: str, done: int, total: int | None) -> None:
        seen.append(done)

    run = fuse_video(two(), brighter, kept, stopped=lambda: len(seen) >= 3, progress=progress)
    assert run.interrupted
    assert kept.finished
    assert 3 <= len(kept.frames) == run.frames < 12


def test_a_failing_pair_keeps_the_frames_before_it(two) -> None:
    def fuse(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
        if infrared.mean() > threshold:
            raise ImageError("too bright")
        return brighter(infrared, visible)

    threshold = moving(12)[0][6].mean() + 1
    kept = Kept()
    run = fuse_video(two(), fuse, kept, workers=3)
    assert kept.finished
    assert len(kept.frames) == run.frames == 7
    assert str(run.error).endswith("vi.mp4 at 0.234 s: too bright")


def test_a_first_pair_that_fails_is_raised(two) -> None:
    def fuse(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
        raise ImageError("no")

    with pytest.raises(ImageError, match=r"vi\.mp4 at 0\.000 s: no"):
        fuse_video(two(), fuse, Kept(), workers=2)


@pytest.mark.parametrize("error", [OutputError("disk full"), RuntimeError("a bug")])
def test_a_failing_writer_ends_it(two, error: Exception) -> None:
    kept = Kept(fail_at=2, error=error)
    with pytest.raises(type(error), match=str(error)):
        fuse_video(two(60, 60), brighter, kept)
    assert kept.discarded
    assert not kept.finished


def test_a_bug_in_a_decoding_thread_surfaces(two, monkeypatch) -> None:
    inputs = two()

    def broken(self: object, *arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("piafusion.video.sources.VideoSource.frames", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        fuse_video(inputs, brighter, Kept())


def test_frames_of_another_size_end_it(two) -> None:
    def fuse(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
        return visible[: 48 if infrared.mean() < threshold else 32]

    threshold = moving(12)[0][4].mean() + 1
    run = fuse_video(two(), fuse, Kept())
    assert run.frames == 5
    assert "expected frames of 64x48 as before, found 64x32" in str(run.error)


def test_both_cameras_in_one_file(tmp_path: Path) -> None:
    infrared, visible = moving(6)
    grey = [np.repeat(image[..., None], 3, axis=2) for image in infrared]
    both = [np.hstack(pair) for pair in zip(visible, grey, strict=True)]
    path = write_video(tmp_path / "both.mp4", both)
    kept = Kept()
    inputs = open_halves(str(path), "side-by-side", Matching(), infrared_first=False)
    run = fuse_video(inputs, brighter, kept, workers=2)
    assert (run.frames, run.width, run.height) == (6, 64, 48)
    expected = brighter(infrared[3], visible[3])
    assert np.abs(kept.frames[3].image.astype(int) - expected).mean() < 6


def test_the_wrong_half_is_placed_in_time(tmp_path: Path) -> None:
    coloured = np.full((48, 128, 3), (200, 80, 20), np.uint8)
    path = write_video(tmp_path / "both.mp4", [coloured])
    with pytest.raises(ImageError, match=r"both\.mp4 at 0\.000 s: expected grey infrared"):
        fuse_video(open_halves(str(path), "side-by-side", Matching()), brighter, Kept())


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (vi := tmp_path / "vi.mp4").write_bytes(b"not a video")
    ir = write_video(tmp_path / "ir.mp4", moving(2)[0])
    for names, message in (
        ((ir, vi), r"vi\.mp4: expected a video that FFmpeg can open, found: invalid data"),
        ((tmp_path / "none.mp4", ir), r"none\.mp4: expected a video .* found: no such file"),
    ):
        with pytest.raises(VideoError, match=message):
            open_two(*map(str, names), Matching())


def test_a_file_and_a_live_source_do_not_go_together(tmp_path: Path, monkeypatch) -> None:
    ir = write_video(tmp_path / "ir.mp4", moving(2)[0])
    vi = write_video(tmp_path / "vi.mp4", moving(2)[1])
    monkeypatch.setattr("piafusion.video.sources._is_live", lambda name, container: "vi" in name)
    with pytest.raises(UsageError, match=r"found .*vi\.mp4 live and .*ir\.mp4 not"):
        open_two(str(ir), str(vi), Matching())


@pytest.mark.parametrize(("visible", "told"), [(4, False), (20, True)])
def test_a_source_that_ends_early_is_told_if_its_end_was_asked_for(
    tmp_path: Path, visible: int, told: bool
) -> None:
    """However far the decoding threads have come by then."""
    whole = write_video(tmp_path / "whole.mkv", moving(20)[0], options={"g": "1"})
    ir = tmp_path / "ir.mkv"
    ir.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    vi = write_video(tmp_path / "vi.mkv", moving(visible)[1])
    inputs = open_two(str(ir), str(vi), Matching(max_gap=Fraction(2)))
    run = fuse_video(inputs, brighter, Kept())
    assert run.frames == visible
    assert [f"{ir}: ends after" in problem for problem in inputs.problems] == [True] * told
