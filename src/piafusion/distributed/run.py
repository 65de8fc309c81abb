"""Pairs of files through Ray Data: pieces of work out, answers back."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import piafusion
from piafusion.batch import FailedPair, PairJob
from piafusion.distributed.answers import Answer, FuserSettings, Pair, unpack
from piafusion.distributed.cluster import joined
from piafusion.errors import ClusterError, PiafusionError
from piafusion.imaging.places import where

if TYPE_CHECKING:
    from types import ModuleType

_MOST = 16  # pairs in a piece of work: so many are done again when a worker dies
_PIECES = 8  # of work for each worker, at least, if there are pairs enough
_AHEAD = 2  # pieces that wait at a worker or are done there
_GPU_DEVICES = ("cuda", "tensorrt")


class RayTally:
    """A `Tally` that lives in a process of its own, and goes with each worker as a handle."""

    def __init__(self, ray: ModuleType) -> None:
        lasting = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
        self._counter = lasting(Counter).remote()

    def begin(self, work: str) -> int:
        """See `Tally`."""
        import ray

        return int(ray.get(self._counter.begin.remote(work)))

    def end(self, work: str) -> None:
        """See `Tally`."""
        import ray

        ray.get(self._counter.end.remote(work))


class Counter:
    """A `Tally` of this process."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begin(self, work: str) -> int:
        """See `Tally`."""
        self._begun[work] = self._begun.get(work, 0) + 1
        return self._begun[work]

    def end(self, work: str) -> None:
        """See `Tally`."""
        self._begun.pop(work, None)


def fuse_on_ray(
    settings: FuserSettings,
    jobs: Sequence[PairJob],
    *,
    workers: int | None = None,
    address: str | None = None,
) -> Generator[Answer, None, None]:
    """Fuse pairs of files on the workers of a Ray cluster and yield answers as they come.

    A worker is a process with one `Fuser` of one thread and holds one pair, so memory does not
    grow with the number of jobs; more work is handed out only as answers come back. If a worker
    dies, the pairs it had are done again by another; a pair of which several die is answered for
    as failed. A pair that fails stops no other and is not tried again.

    Args:
        settings: Of the `Fuser` of each worker.
        jobs: What to fuse; no two write the same file. Existing files are replaced, since a
            worker that died may have written them: look for others before. Each machine must
            find the files under these paths or URLs.
        workers: One for each processor (or GPU, if the device is one) of the cluster by default.
        address: Of the cluster; see `joined`.

    Raises:
        MissingExtraError: If Ray is not installed.
        ClusterError: If the cluster cannot be reached, or its workers cannot start.
        PiafusionError: What a worker's `Fuser` cannot be made for.
    """
    if not jobs:
        return
    from piafusion.machine import usable_cores

    gpus = 1 if settings.device in _GPU_DEVICES else 0
    with joined(address, workers or usable_cores()) as ray:
        if workers is None:
            workers = int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1))
        workers = max(1, min(workers, len(jobs)))
        waiting = dict(enumerate(jobs))
        rows = _pieces(jobs, workers)
        try:
            for row in _stream(ray, rows, settings, workers, gpus):
                for packed in json.loads(row["answers"]):
                    job = waiting.pop(packed.get("index"), jobs[0])
                    yield _as_given(unpack(packed, job), job)
        except PiafusionError:
            raise
        except Exception as error:  # Ray's own, and what it passes on from a worker
            raise ClusterError(
                "expected the workers to fuse, found that Ray gave up: "
                f"{_last_line(error)}; look into its logs"
            ) from error
        for job in waiting.values():
            reason = "expected an answer from a worker, found none; fuse it again"
            yield Answer(FailedPair(job, f"{job.infrared}: {reason}"))


def _pieces(jobs: Sequence[PairJob], workers: int) -> list[dict[str, str]]:
    """Return the rows of the data set: some pairs each."""
    pairs = [
        Pair(
            index=index,
            infrared=where(job.infrared),
            visible=where(job.visible),
            output=where(job.output),
        )
        for index, job in enumerate(jobs)
    ]
    size = max(1, min(_MOST, len(pairs) // (_PIECES * workers)))
    return [
        {"name": f"from {first}", "pairs": json.dumps(pairs[first : first + size])}
        for first in range(0, len(pairs), size)
    ]


def _stream(
    ray: ModuleType,
    rows: list[dict[str, str]],
    settings: FuserSettings,
    workers: int,
    gpus: int,
) -> Generator[dict[str, Any], None, None]:
    """Yield the workers' rows in the order in which they come."""
    from piafusion.distributed.worker import FuseWorker

    data = ray.data
    work = data.from_items(rows, override_num_blocks=len(rows))
    context = work.context
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a large picture may take long
    answers = work.map(
        FuseWorker,
        fn_constructor_args=(settings, piafusion.__version__, RayTally(ray)),
        compute=data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=_AHEAD),
        num_cpus=1,
        num_gpus=gpus,
    )
    yield from answers.iter_rows()


def _as_given(answer: Answer, job: PairJob) -> Answer:
    """Return an answer whose message names the files as the job does."""
    result = answer.result
    if not isinstance(result, FailedPair):
        return answer
    error = result.error
    for path in (job.infrared, job.visible, job.output):
        error = error.replace(where(path), str(path))
    return Answer(FailedPair(job, error), answer.worker, answer.device, answer.sha256)


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
