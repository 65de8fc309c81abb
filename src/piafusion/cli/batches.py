"""The two who share out the pairs of `piafusion fuse`: threads here, or Ray's workers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from piafusion.batch import Failed, Job, Written, fuse_jobs
from piafusion.cli.options import track
from piafusion.fuser import Fuser
from piafusion.imaging.tiling import untracked
from piafusion.machine import usable_cores

Results = Generator[Written | Failed, None, None]


class LocalBatch:
    """Threads of this process that share one `Fuser`."""

    def __init__(
        self,
        settings: dict[str, Any],
        jobs: Sequence[Job],
        workers: int | None,
        *,
        overwrite: bool,
    ) -> None:
        cores = usable_cores()
        self.workers = min(workers or cores, len(jobs)) or 1
        # A network with one thread for each core is quickest for one pair, as many networks with
        # one thread each for many pairs. OpenVINO's serves one pair at a time.
        alone = self.workers == 1 or settings["device"] == "openvino"
        self._fuser = Fuser(**settings, threads=None if alone else max(1, cores // self.workers))
        self._jobs, self._overwrite = jobs, overwrite
        self.device, self.tone = self._fuser.engine.device, str(self._fuser.tone)
        self.extras: dict[str, object] = {}

    def results(self) -> Results:
        """Fuse, and yield what became of each pair."""
        return fuse_jobs(
            self._fuser,
            self._jobs,
            workers=self.workers,
            overwrite=self._overwrite,
            track=track if len(self._jobs) == 1 else untracked,
        )

    def finish(self) -> None:
        """Nothing is left to do."""


class RayBatch:
    """Processes of this machine or of a cluster, and a manifest at the end."""

    def __init__(
        self,
        settings: dict[str, Any],
        jobs: Sequence[Job],
        planned: Sequence[Job],
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
