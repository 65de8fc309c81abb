"""The two who share out the pairs of `piafusion fuse`: threads here, or Ray's workers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from piafusion.batch import FailedPair, FusedPair, PairJob, fuse_jobs
from piafusion.cli.progress import ProgressDisplay
from piafusion.fuser import Fuser
from piafusion.machine import share_cores

Results = Generator[FusedPair | FailedPair, None, None]


class LocalBatch:
    """Threads of this process that share one `Fuser`."""

    def __init__(
        self,
        settings: dict[str, Any],
        jobs: Sequence[PairJob],
        workers: int | None,
        *,
        overwrite: bool,
    ) -> None:
        self.workers, threads = share_cores(workers, most=len(jobs), device=settings["device"])
        self._fuser = Fuser(**settings, threads=threads)
        self._jobs, self._overwrite = jobs, overwrite
        self.device, self.tone = self._fuser.engine.device, str(self._fuser.tone)
        self.extras: dict[str, object] = {}

    def results(self) -> Results:
        """Fuse, and yield what became of each pair."""
        with ProgressDisplay() as display:
            yield from fuse_jobs(
                self._fuser,
                self._jobs,
                workers=self.workers,
                overwrite=self._overwrite,
                progress=display,
            )

    def finish(self) -> None:
        """Nothing is left to do."""


class RayBatch:
    """Processes of this machine or of a cluster, and a manifest at the end."""

    def __init__(
        self,
        settings: dict[str, Any],
        jobs: Sequence[PairJob],
        planned: Sequence[PairJob],
        workers: int | None,
        address: str | None,
    ) -> None:
        from piafusion.distributed import Answer, FuserSettings
        from piafusion.distributed.cluster import load_ray
        from piafusion.distributed.manifest import NAME, read_manifest

        load_ray()
        if settings["device"] in ("auto", "cpu"):  # what is wrong is found before Ray is started
            Fuser(**settings, threads=1)
        if Path(settings["model"]).is_file():
            settings = {**settings, "model": str(Path(settings["model"]).absolute())}
        self._settings = FuserSettings(**settings)
        self._jobs, self._planned, self._address, self._asked = jobs, planned, address, workers
        self._manifest = planned[0].output.parent / NAME
        self._before = read_manifest(self._manifest)
        self._answers: list[Answer] = []
        self.tone = self._settings.tone
        self.extras: dict[str, object] = {"manifest": str(self._manifest)}

    @property
    def device(self) -> str:
        """Where the networks ran; more than one in a cluster of unequal machines."""
        return ", ".join(sorted({answer.device for answer in self._answers} - {""}))

    @property
    def workers(self) -> int:
        """How many processes have answered, those that took a dead one's place included."""
        return len({answer.worker for answer in self._answers} - {""})

    def results(self) -> Results:
        """Fuse, and yield what became of each pair."""
        from piafusion.distributed import fuse_on_ray

        for answer in fuse_on_ray(
            self._settings, self._jobs, workers=self._asked, address=self._address
        ):
            self._answers.append(answer)
            yield answer.result

    def finish(self) -> None:
        """Take away what workers that died have begun, and write the manifest."""
        from piafusion.distributed.manifest import describe, unknown, write_manifest
        from piafusion.imaging.places import sweep

        done = {job.output.name for job in self._jobs}
        known = {entry["output"] for entry in self._before}
        skipped = [unknown(job) for job in self._planned if job.output.name not in done | known]
        if self._answers or skipped:
            sweep([job.output for job in self._jobs])
            fused = [describe(answer, self._settings) for answer in self._answers]
            write_manifest(self._manifest, [*self._before, *skipped], fused)
