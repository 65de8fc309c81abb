"""Many pairs at a time: order, failures, and what an interruption leaves."""

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from piafusion import Fuser, batch, pair_files
from piafusion.batch import FailedPair, FusedPair, PairJob, fuse_jobs
from piafusion.imaging.io import read_image, write_image
from tests.conftest import scene
from tests.hanging import DIES, HANGS, read_or_hang

FUSER = Fuser("piafusion-fast", threads=1)


def make_jobs(folder: Path, count: int, broken: tuple[int, ...] = ()) -> list[PairJob]:
    """Write pairs, of which some infrared files are damaged, and return what is to be done."""
    jobs = []
    for index in range(count):
        job = PairJob(*(folder / kind / f"{index:02}.png" for kind in ("ir", "vi", "out")))
        infrared, visible = scene(24, 32, seed=index)
        write_image(job.infrared, infrared)
        write_image(job.visible, visible)
        if index in broken:
            job.infrared.write_bytes(job.infrared.read_bytes()[:60])
        jobs.append(job)
    return jobs


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_a_failure_stops_no_other(tmp_path: Path, workers: int) -> None:
    jobs = make_jobs(tmp_path, 30, broken=(4, 17))
    results = list(fuse_jobs(FUSER, jobs, workers=workers))
    assert [result.job for result in results] == jobs
    failed = [result for result in results if isinstance(result, FailedPair)]
    assert [result.job.output.stem for result in failed] == ["04", "17"]
    assert "ir/04.png" in failed[0].error
    assert "ir/17.png" in failed[1].error
    for job in (jobs[0], jobs[29]):
        expected = FUSER(read_image(job.infrared), read_image(job.visible))
        np.testing.assert_array_equal(read_image(job.output), expected)
    assert len(list((tmp_path / "out").iterdir())) == 28  # and nothing temporary


def test_several_pairs_are_at_work_at_a_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path, 6)
    meet, running, most, lock = threading.Barrier(2, timeout=60), 0, 0, threading.Lock()
    fuse = pair_files.fuse_files

    def watch(self: Fuser, *files: Path, **options: Any):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meet.wait()  # would break if only one pair were at work
        try:
            return fuse(self, *files, **options)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr("piafusion.batch.fuse_files", watch)
    results = list(fuse_jobs(FUSER, jobs, workers=2))
    assert all(isinstance(result, FusedPair) for result in results)
    assert most == 2


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (cv2.error("out of\n  range"), "expected a fused picture, found error: out of range; try"),
        (MemoryError(), "expected enough memory for both, found too little; fuse them smaller"),
    ],
)
def test_any_error_of_a_library_is_that_pairs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    jobs = make_jobs(tmp_path, 3)
    fuse = pair_files.fuse_files

    def fail(self: Fuser, infrared: Path, *others: Path, **options: Any):
        if infrared.stem == "01":
            raise error
        return fuse(self, infrared, *others, **options)

    monkeypatch.setattr("piafusion.batch.fuse_files", fail)
    results = list(fuse_jobs(FUSER, jobs, workers=2))
    assert isinstance(results[1], FailedPair)
    assert results[1].error.startswith(f"{jobs[1].infrared} and {jobs[1].visible}: {line}")
    assert isinstance(results[2], FusedPair)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pair_that_hangs_is_a_pair_that_fails(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path, 5)
    for index, end in ((1, HANGS), (3, DIES)):
        with jobs[index].infrared.open("ab") as file:
            file.write(end)
    monkeypatch.setattr(pair_files, "read_pair", read_or_hang)
    monkeypatch.setattr("piafusion.run.processes.decoding_seconds", lambda size: 1.0)
    monkeypatch.setattr(batch, "_STORAGE", 0.0)
    results = list(fuse_jobs(FUSER, jobs, workers=workers))
    assert [isinstance(result, FusedPair) for result in results] == [True, False, True, False, True]
    errors = [result.error for result in results if isinstance(result, FailedPair)]
    assert "01.png: expected a file that is decoded within 1 seconds" in errors[0]
    assert "03.png: expected a file that can be decoded" in errors[1]


def test_closing_lets_the_pairs_at_work_finish_and_drops_the_rest(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, 40)
    results = fuse_jobs(FUSER, jobs, workers=2)
    next(results)
    results.close()
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert 1 <= len(written) < 40
    assert all(name.endswith(".png") for name in written)
    assert all(read_image(tmp_path / "out" / name).shape == (24, 32, 3) for name in written)
