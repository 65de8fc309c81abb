"""Many pairs: workers that each read, fuse and write one pair at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import LifoQueue
from typing import TYPE_CHECKING

from piafusion.errors import PiafusionError
from piafusion.imaging.apart import Apart, patience
from piafusion.imaging.io import read_pair
from piafusion.imaging.tiff import wants_windows
from piafusion.imaging.tiling import Track, untracked

if TYPE_CHECKING:
    from concurrent.futures import Future

    from piafusion.fuser import Fuser
    from piafusion.imaging.arrays import Image
    from piafusion.imaging.curve import ToneRange

_STORAGE = 25.0  # seconds more than decoding may take, for a slow disk or network
_AHEAD = 8  # jobs that wait for each worker; only their names, the pictures are not yet read


@dataclass(frozen=True)
class Job:
    """The files of one pair, and where the fused picture goes."""

    infrared: Path
    visible: Path
    output: Path


@dataclass(frozen=True)
class Written:
    """A pair that was fused.

    Attributes:
        job: Its files.
        width: Of the fused picture, pixels.
        height: Of the fused picture, pixels.
        seconds: For reading, fusing and writing.
        tone: The range of infrared values that was used; None for a file read in windows, where
            it is that of the dtype.
    """

    job: Job
    width: int
    height: int
    seconds: float
    tone: ToneRange | None


@dataclass(frozen=True)
class Failed:
    """A pair that was not: one line says why."""

    job: Job
    error: str


def fuse_jobs(
    fuser: Fuser,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    overwrite: bool = False,
    track: Track = untracked,
) -> Generator[Written | Failed, None, None]:
    """Fuse pairs of files and yield what became of each, in the order of the jobs.

    Reading and writing one pair overlaps with fusing another. A worker holds one pair, so memory
    does not grow with the number of jobs. A pair that fails stops no other. Each worker reads in
    a process of its own (one pair alone is read here), so that a file that keeps its decoder at
    work for ever is a pair that fails. Closing the iterator lets the pairs at work finish and
    drops the rest.

    Args:
        fuser: Shared by the workers; give it few threads, or they contend for the cores.
        jobs: What to fuse; no two of them write the same file.
        workers: Threads; with 1 all happens in the thread that asks.
        overwrite: Replace existing files.
        track: Passes the tiles of files read in windows on, under the name of what is done.
    """
    if len(jobs) == 1:
        yield fuse_job(fuser, jobs[0], overwrite=overwrite, track=track)
        return
    readers = [Reader() for _ in range(workers)]
    try:
        yield from _fuse_apart(fuser, jobs, readers, overwrite=overwrite, track=track)
    finally:
        for reader in readers:
            reader.close()


def _fuse_apart(
    fuser: Fuser, jobs: Sequence[Job], readers: Sequence[Reader], *, overwrite: bool, track: Track
) -> Generator[Written | Failed, None, None]:
    """Fuse with a worker for each reader; with one, in the thread that asks."""
    if len(readers) == 1:
        for job in jobs:
            yield fuse_job(fuser, job, overwrite=overwrite, track=track, reader=readers[0])
        return
    from concurrent.futures import ThreadPoolExecutor

    workers = len(readers)
    idle: LifoQueue[Reader] = LifoQueue()
    for reader in readers:
        idle.put(reader)

    def fuse(job: Job) -> Written | Failed:
        reader = idle.get()
        try:
            return fuse_job(fuser, job, overwrite=overwrite, track=track, reader=reader)
        finally:
            idle.put(reader)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="fuse")
    pending: deque[Future[Written | Failed]] = deque()
    try:
        for job in jobs:
            fused = pool.submit(fuse, job)
            pending.append(fused)
            if len(pending) > _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fuse_job(
    fuser: Fuser,
    job: Job,
    *,
    overwrite: bool = False,
    track: Track = untracked,
    reader: Reader | None = None,
) -> Written | Failed:
    """Fuse one pair of files and tell what became of it.

    Args:
        fuser: As for `fuse_jobs`, as are the others.
        job: What to fuse.
        overwrite: Replace an existing file.
        track: Passes the tiles on.
        reader: Reads the pair; by default this process does.
    """
    start = time.perf_counter()
    files, tone = (job.infrared, job.visible, job.output), None
    try:
        if _is_plain(fuser) and wants_windows(job.visible, job.output):
            height, width = fuser.fuse_rasters(*files, overwrite=overwrite, track=track)
        else:
            read = reader.read_pair if reader else read_pair
            fused = fuser.fuse_files(*files, overwrite=overwrite, read=read)
            (height, width), tone = fused.image.shape[:2], fused.tone
    except PiafusionError as error:
        return Failed(job, str(error))
    except Exception as error:  # whatever a library raises for one pair, the others go on
        reason = " ".join(str(error).split()) or "no reason"
        return Failed(job, f"{job.infrared}: {type(error).__name__}: {reason}")
    return Written(job, width, height, time.perf_counter() - start, tone)


class Reader:
    """Reads pairs in a process that is ended when a file takes too long."""

    def __init__(self) -> None:
        self._process = Apart()

    def read_pair(
        self,
        infrared: Path,
        visible: Path,
        check: Callable[[Image], Image],
        *,
        same_size: bool = True,
    ) -> tuple[Image, Image]:
        """Do what `piafusion.imaging.io.read_pair` does.

        Raises:
            TooSlowError: If reading takes longer than files of that size may.
        """
        size = sum(path.stat().st_size for path in (infrared, visible) if path.is_file())
        return self._process.call(
            partial(read_pair, same_size=same_size), infrared, visible, check,
            name=f"{infrared} or {visible}", seconds=_STORAGE + patience(size),
        )  # fmt: skip

    def close(self) -> None:
        """End the process."""
        self._process.close()


def _is_plain(fuser: Fuser) -> bool:
    """Tell whether nothing needs the whole picture: no alignment and no measured tone."""
    return fuser.alignment is None and str(fuser.tone) == "full"
