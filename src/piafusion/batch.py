"""Many pairs: workers that each read, fuse and write one pair at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from piafusion.errors import PiafusionError
from piafusion.imaging.tiff import wants_windows
from piafusion.imaging.tiling import Track, untracked

if TYPE_CHECKING:
    from concurrent.futures import Future

    from piafusion.fuser import Fuser
    from piafusion.imaging.curve import ToneRange

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
    does not grow with the number of jobs. A pair that fails stops no other. Closing the iterator
    lets the pairs at work finish and drops the rest.

    Args:
        fuser: Shared by the workers; give it few threads, or they contend for the cores.
        jobs: What to fuse; no two of them write the same file.
        workers: Threads; with 1 all happens in the thread that asks.
        overwrite: Replace existing files.
        track: Passes the tiles of files read in windows on, under the name of what is done.
    """
    if workers == 1:
        for job in jobs:
            yield fuse_job(fuser, job, overwrite=overwrite, track=track)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix="fuse")
    pending: deque[Future[Written | Failed]] = deque()
    try:
        for job in jobs:
            fused = pool.submit(fuse_job, fuser, job, overwrite=overwrite, track=track)
            pending.append(fused)
            if len(pending) > _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fuse_job(
    fuser: Fuser, job: Job, *, overwrite: bool = False, track: Track = untracked
) -> Written | Failed:
    """Fuse one pair of files and tell what became of it; arguments are those of `fuse_jobs`."""
    start = time.perf_counter()
    files, tone = (job.infrared, job.visible, job.output), None
    try:
        if _is_plain(fuser) and wants_windows(job.visible, job.output):
            height, width = fuser.fuse_rasters(*files, overwrite=overwrite, track=track)
        else:
            fused = fuser.fuse_files(*files, overwrite=overwrite)
            (height, width), tone = fused.image.shape[:2], fused.tone
    except PiafusionError as error:
        return Failed(job, str(error))
    except Exception as error:  # whatever a library raises for one pair, the others go on
        reason = " ".join(str(error).split()) or "no reason"
        return Failed(job, f"{job.infrared}: {type(error).__name__}: {reason}")
    return Written(job, width, height, time.perf_counter() - start, tone)


def _is_plain(fuser: Fuser) -> bool:
    """Tell whether nothing needs the whole picture: no alignment and no measured tone."""
    return fuser.alignment is None and str(fuser.tone) == "full"
