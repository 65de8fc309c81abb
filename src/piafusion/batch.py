"""Many pairs of files: each is read, fused and written, several at the same time."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from piafusion.errors import PiafusionError
from piafusion.imaging.places import fetch, is_url, sha256, store
from piafusion.imaging.tiff_directory import wants_windows
from piafusion.pair_files import fuse_files, fuse_windows, read_here, takes_windows
from piafusion.run.pool import map_in_order
from piafusion.run.progress import Progress, silent

if TYPE_CHECKING:
    from piafusion.fuser import Fuser
    from piafusion.imaging.align import Alignment
    from piafusion.imaging.tone_curve import InfraredRange

Result = TypeVar("Result")

_STORAGE = 25.0  # seconds more than decoding may take, for a slow disk or network
_AHEAD = 8  # pairs that are fused for each worker beyond the one whose result is awaited


@dataclass(frozen=True)
class PairJob:
    """The files of one pair, and the files to write; each may lie behind a URL.

    Attributes:
        infrared: The infrared picture, or a photo of a thermal camera that holds both.
        visible: The visible picture; the same path for such a photo.
        output: For the fused picture.
        temperature: For the temperatures on the visible picture's pixels, if they are wanted.
        places: Spots and boxes to measure.
        alignment: The alignment of this pair; by default the fuser's.
    """

    infrared: Path
    visible: Path
    output: Path
    temperature: Path | None = None
    places: tuple[str, ...] = ()
    alignment: Alignment | None = None

    @property
    def is_photo(self) -> bool:
        """Whether one file holds both pictures."""
        return self.infrared == self.visible


@dataclass(frozen=True)
class FusedPair:
    """A pair that was fused.

    Attributes:
        job: Its files.
        width: Width of the fused picture in pixels.
        height: Height of the fused picture in pixels.
        seconds: Time for reading, fusing and writing.
        tone: The range of infrared values that was used.
        note: A line for the user about how a photo was read and aligned.
        worker: Host and process that fused it.
        device: Where the network ran.
        sha256: Hashes of the files "infrared", "visible" and "output", if they were asked for.
        measured: The values measured at each place.
        unit: The unit of these values: "°C", or "" if it is not known.
        conditions: The values that the temperatures of a photo were computed with: emissivity
            and so on.
    """

    job: PairJob
    width: int
    height: int
    seconds: float
    tone: InfraredRange | None
    worker: str
    device: str
    sha256: Mapping[str, str]
    note: str = ""
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    unit: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FailedPair:
    """A pair that could not be fused; the error is one line, the rest as in `FusedPair`."""

    job: PairJob
    error: str
    worker: str = ""
    device: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)


def fuse_jobs(
    fuser: Fuser,
    jobs: Sequence[PairJob],
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Generator[FusedPair | FailedPair, None, None]:
    """Fuse pairs of files and yield the result of each, in the order of the jobs.

    Reading and writing one pair overlaps with fusing another. Each worker holds one pair, so the
    memory does not grow with the number of jobs. A pair that fails stops no other. Pairs are read
    in processes that are killed if a file keeps its decoder busy for ever; one pair alone is read
    in this process. When the iterator is closed, the current pairs finish and the rest is dropped.

    Args:
        fuser: Shared by the workers; `piafusion.machine.share_cores` tells its threads.
        jobs: The pairs; no two of them write the same file.
        workers: Pairs that are fused at the same time.
        overwrite: Replace existing files.
        progress: Receives the finished tiles of a large picture, if there is only one pair.
    """
    if len(jobs) == 1:
        yield fuse_job(fuser, jobs[0], overwrite=overwrite, progress=progress)
        return
    readers = PairReaders(workers)
    fuse = partial(fuse_job, fuser, overwrite=overwrite, readers=readers, hashes=True)
    try:
        yield from map_in_order(fuse, jobs, workers=workers, ahead=_AHEAD * workers)
    finally:
        readers.close()


def fuse_job(
    fuser: Fuser,
    job: PairJob,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
    readers: PairReaders | None = None,
    hashes: bool = False,
) -> FusedPair | FailedPair:
    """Fuse one pair of files and return the result; files behind URLs are copied here first.

    Args:
        fuser: Fuses it.
        job: The files.
        overwrite: Replace an existing file.
        progress: Receives the finished tiles of a picture that is fused in tiles.
        readers: Processes that read the files; by default this process reads them.
        hashes: Compute the hashes of the files, for a manifest.
    """
    start = time.perf_counter()
    if job.alignment:
        fuser = fuser.adjusted(fuser.tone, job.alignment)
    worker, device = f"{platform.node()}:{os.getpid()}", fuser.engine.device
    sums: dict[str, str] = {}
    copies: PairJob = job
    said: dict[str, Any] = {}
    try:
        remote = any(map(is_url, (job.infrared, job.visible, job.output)))
        with _local_copies(job) if remote else nullcontext(job) as copies:
            files, tone = (copies.infrared, copies.visible, copies.output), None
            if hashes:
                sums |= {"infrared": sha256(files[0]), "visible": sha256(files[1])}
            large = not job.is_photo and wants_windows(copies.visible, copies.output)
            if large and takes_windows(fuser) and not (job.temperature or job.places):
                (height, width), tone = fuse_windows(
                    fuser, *files, overwrite=overwrite, progress=progress
                )
            else:
                fused = fuse_files(
                    fuser,
                    copies.infrared,
                    None if job.is_photo else copies.visible,
                    copies.output,
                    overwrite=overwrite,
                    temperature=copies.temperature,
                    places=job.places,
                    read=readers or read_here,
                )
                shape, tone = fused.image.shape, fused.tone
                height, width = shape[:2] if len(shape) < 4 else shape[1:3]  # or frames of a loop
                said = {"note": fused.note, "measured": fused.measured, "unit": fused.unit}
                said["conditions"] = fused.conditions
                if copies.infrared.suffix.lower() in (".jpg", ".jpeg") and not job.is_photo:
                    from piafusion.imaging.dji import note_on  # for such files alone

                    said["note"] = note_on(copies.infrared)
            if hashes:
                sums["output"] = sha256(copies.output)
    except Exception as error:  # an error of any library fails this pair, not the others
        reason = str(error)
        if isinstance(error, MemoryError):
            reason = (
                f"{job.infrared} and {job.visible}: expected enough memory for both, found too "
                "little; fuse them smaller, with fewer workers, or with a model that takes tiles"
            )
        elif not isinstance(error, PiafusionError):
            reason = " ".join(reason.split()) or "no reason"
            reason = (
                f"{job.infrared} and {job.visible}: expected a fused picture, found "
                f"{type(error).__name__}: {reason}; try each of them alone"
            )
        for name in ("infrared", "visible", "output"):
            reason = reason.replace(str(getattr(copies, name)), str(getattr(job, name)))
        return FailedPair(job, reason, worker, device, sums)
    seconds = time.perf_counter() - start
    return FusedPair(job, width, height, seconds, tone, worker, device, sums, **said)


@contextmanager
def _local_copies(job: PairJob) -> Iterator[PairJob]:
    """Yield the job with local copies of its files; at the end, store the output behind its URL."""
    from tempfile import TemporaryDirectory  # for URLs alone

    with TemporaryDirectory(prefix="piafusion-") as name:
        folder = Path(name)
        output = folder / job.output.name if is_url(job.output) else job.output
        infrared = fetch(job.infrared, folder / "ir")
        visible = infrared if job.is_photo else fetch(job.visible, folder / "vi")
        yield replace(job, infrared=infrared, visible=visible, output=output)
        if output is not job.output:
            store(job.output, output.read_bytes())


class PairReaders:
    """Processes that read pairs, killed when a file takes too long; safe for threads."""

    def __init__(self, workers: int) -> None:
        """Start nothing yet."""
        # Loaded here: one pair alone starts without them.
        from piafusion.run.processes import KillableProcesses, decoding_seconds

        self._processes = KillableProcesses(workers, _load_readers)
        self._decoding_seconds = decoding_seconds

    def __call__(self, read: Callable[[], Result], *files: Path | str) -> Result:
        """Call a function that reads these files.

        Raises:
            TooSlowError: If reading takes longer than files of that size may.
        """
        size = sum(Path(path).stat().st_size for path in files if Path(path).is_file())
        seconds = _STORAGE + self._decoding_seconds(size)
        return self._processes.call(read, name=" or ".join(map(str, files)), seconds=seconds)

    def close(self) -> None:
        """Kill the processes."""
        self._processes.close()


def _load_readers() -> None:
    """Do nothing: a process that calls this has imported this module, and the readers with it."""
