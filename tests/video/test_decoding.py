import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import VideoError
from piafusion.video import decoding, sources
from piafusion.video.decoding import BoundedQueue, ClosedError, LiveClock, LiveSource, Reconnection
from piafusion.video.frames import Matching, to_visible
from piafusion.video.inputs import open_two
from piafusion.video.pipeline import fuse_video
from piafusion.video.sources import open_source
from tests.video.conftest import moving, write_video
from tests.video.test_pipeline import Kept, brighter


def test_a_full_queue_makes_the_writer_wait() -> None:
    queue = BoundedQueue[int](size=2)

    def write() -> None:
        for item in range(100):
            queue.put(item)
        queue.end()

    thread = threading.Thread(target=write)
    thread.start()
    items = []
    while (item := queue.get()) is not None:
        items.append(item)
    thread.join()
    assert items == list(range(100))
    assert queue.dropped == 0


def test_a_live_queue_keeps_the_newest() -> None:
    queue = BoundedQueue[int](size=3, drop_oldest=True)
    for item in range(10):
        queue.put(item)
    queue.end()
    assert [queue.get() for _ in range(4)] == [7, 8, 9, None]
    assert queue.dropped == 7


def test_the_writers_error_comes_after_its_last_item() -> None:
    queue = BoundedQueue[int](size=2)
    queue.put(1)
    queue.end(ValueError("broken"))
    assert queue.get() == 1
    with pytest.raises(ValueError, match="broken"):
        queue.get()


def test_closing_wakes_a_waiting_writer() -> None:
    queue = BoundedQueue[int](size=1)
    queue.put(1)
    raised = []

    def write() -> None:
        try:
            queue.put(2)
        except ClosedError as error:
            raised.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    queue.close()
    thread.join(5)
    assert raised


def test_the_readers_error_reaches_the_writer() -> None:
    queue = BoundedQueue[int](size=1)
    queue.close(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        queue.put(1)


def test_waiting_ends() -> None:
    queue = BoundedQueue[int](size=1)
    with pytest.raises(TimeoutError):
        queue.get(0.01)
    assert not queue.wait_closed(0.01)
    queue.close()
    assert queue.wait_closed(60)


SECONDS, RATE = 4, 50


@pytest.fixture(autouse=True)
def hasty(monkeypatch) -> None:
    monkeypatch.setattr(decoding, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(sources, "_ANALYSE", "100000")


@pytest.fixture
def streams(tmp_path: Path) -> tuple[bytes, bytes]:
    """An infrared and a visible camera; at a high rate, since FFmpeg looks at 20 frames first."""
    return tuple(
        write_video(tmp_path / f"{index}.ts", images, rate=Fraction(RATE)).read_bytes()
        for index, images in enumerate(moving(RATE * SECONDS))
    )


def test_the_clock_takes_the_shortest_delay() -> None:
    clock = LiveClock()
    delays = (0.5, 0.42, 0.6, 0.5)  # seconds; the third comes late, but was taken in time
    times = [clock(Fraction(k, 10), 100 + k / 10 + delay) for k, delay in enumerate(delays)]
    assert float(times[2] - times[1]) == pytest.approx(0.1, abs=1e-3)
    assert float(times[3] - times[2]) == pytest.approx(0.1, abs=1e-3)
    assert times == sorted(times)


def test_the_clock_follows_a_drift() -> None:
    clock = LiveClock()
    for k in range(36_000):  # 20 minutes; the source's clock is 200 millionths slow
        at = clock(Fraction(k, 30), k / 30 * 1.0002 + 0.01 * (k % 3))
    assert float(at) == pytest.approx(k / 30 * 1.0002, abs=0.02)


def test_the_clock_survives_a_source_that_sets_its_own() -> None:
    clock = LiveClock()
    before = clock(Fraction(90_000), 50.0)
    assert clock(Fraction(0), 50.1) - before == Fraction(1, 10)


@pytest.mark.parametrize("held", [0.8, 4.0, 9.0, 60.0])
def test_frames_that_were_held_back_keep_their_times(held: float) -> None:
    """A network or machine that stands still for some seconds sends all frames at once then."""
    clock = LiveClock()
    for k in range(80 * 25):
        late = held if 100 <= k < 100 + held * 25 else 0.0
        arrival = max(k / 25, 4 + late) if late else k / 25
        assert float(clock(Fraction(k, 25), 100 + arrival)) == pytest.approx(100 + k / 25, abs=0.1)


def test_a_wrong_timestamp_spoils_only_its_own_frame() -> None:
    clock = LiveClock()
    for k in range(100):
        at = clock(Fraction(k, 25) + (Fraction(7) if k == 50 else 0), 100 + k / 25)
        assert float(at) == pytest.approx(100 + k / 25, abs=0.01)


def test_a_source_that_stood_still_is_late_for_some_seconds_only() -> None:
    clock = LiveClock()
    times = [float(clock(Fraction(k, 25), k / 25 + 5 * (k >= 50))) for k in range(500)]
    assert times[100] == pytest.approx(4, abs=0.01)
    assert times[-1] == pytest.approx(499 / 25 + 5, abs=0.01)


def test_a_stream_that_drops_is_connected_again(streams, camera) -> None:
    infrared = camera(streams[0], SECONDS)
    visible = camera(streams[1], SECONDS, break_after=(1.5,), dark=0.2)
    notes: list[str] = []
    matching = Matching(reconnect=2, notify=notes.append)
    kept = Kept()
    run = fuse_video(open_two(infrared.url, visible.url, matching), brighter, kept, workers=2)
    assert visible.connections >= 2
    assert "connected again after" in " ".join(notes)
    assert "expected it to come back within 2 s" in str(run.error)  # the film has ended
    times = [frame.time for frame in kept.frames]
    assert times == sorted(times)
    assert times[-1] - times[0] > Fraction(3, 2)  # longer than the first connection
    assert kept.finished
    assert len(kept.frames) == run.frames > 10


def test_without_patience_the_end_of_a_stream_is_the_end(streams, camera) -> None:
    urls = [camera(data, SECONDS, break_after=(1.5,)).url for data in streams]
    kept = Kept()
    run = fuse_video(open_two(*urls, Matching(reconnect=0)), brighter, kept)
    assert run.error is None
    assert run.frames == len(kept.frames) > 5


def test_a_stream_that_never_comes_back_is_given_up(streams, camera) -> None:
    one = camera(streams[1], SECONDS, break_after=(0.5,), dark=60)
    source = LiveSource(open_source(one.url), one.url, time.monotonic())
    one.close()
    notes: list[str] = []
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        time.sleep(seconds)
        return False

    with pytest.raises(VideoError, match=r"come back within 0\.5 s, found it gone"):
        list(source.frames(to_visible(), Reconnection(0.5, wait, notes.append)))
    assert len(notes) == 1
    assert waits[1] == pytest.approx(2 * waits[0])
    assert waits[2] == pytest.approx(2 * waits[1])


def test_slow_fusing_drops_frames_and_keeps_up(streams, camera) -> None:
    def slow(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
        enough, give_up = inputs.dropped + 3, time.monotonic() + 60
        while inputs.dropped < enough and time.monotonic() < give_up:
            time.sleep(0.005)
        return brighter(infrared, visible)

    kept = Kept()
    inputs = open_two(*(camera(data, SECONDS).url for data in streams), Matching(reconnect=0))
    run = fuse_video(inputs, slow, kept, duration=Fraction(2))
    assert inputs.dropped >= 3 * run.frames > 15
    assert inputs.live
    assert kept.frames[-1].time > Fraction(5, 2) * run.frames / RATE  # not the oldest first
