"""Many pairs on the machines of a Ray cluster; importing this loads no Ray."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import piafusion
from piafusion.batch import FailedPair, FusedPair, PairJob, PairReaders, fuse_job
from piafusion.errors import ClusterError, PiafusionError, needing
from piafusion.fuser import Fuser
from piafusion.imaging.places import sweep
from piafusion.machine import usable_cores

if TYPE_CHECKING:
    from types import ModuleType

_STORE = 96 * 2**20  # bytes of shared memory: file names and results pass through Ray, no pictures
_TRIES = 3  # worker processes that a pair may end before it is given up
_GPU_DEVICES = ("cuda", "tensorrt")


def fuse_on_ray(
    settings: Mapping[str, Any],
    jobs: Sequence[PairJob],
    *,
    workers: int | None = None,
    address: str | None = None,
) -> Generator[FusedPair | FailedPair, None, None]:
    """Fuse pairs of files on the workers of a Ray cluster and yield the results as they come.

    Each pair is a Ray task with one processor. Ray repeats the task if its process dies; a pair
    that ends several processes fails. Any other failure of a pair is not tried again.

    Args:
        settings: Arguments of the `Fuser` that each process makes, without threads.
        jobs: The pairs; no two of them write the same file. Existing files are replaced, because
            a process that died may have written them. Each machine finds the files under these
            paths or URLs.
        workers: Pairs that are fused at the same time; one for each processor of the cluster (or
            GPU, if the device is one) by default.
        address: The cluster; see `joined`.

    Raises:
        MissingExtraError: If Ray is not installed.
        ClusterError: If the cluster cannot be reached, or gives up.
        PiafusionError: If the `Fuser` cannot be made.
    """
    if jobs:
        try:
            yield from _fuse_on_ray(settings, jobs, workers, address)
        finally:
            sweep([job.output for job in jobs])  # of processes that died


def _fuse_on_ray(
    settings: Mapping[str, Any], jobs: Sequence[PairJob], workers: int | None, address: str | None
) -> Generator[FusedPair | FailedPair, None, None]:
    gpus = 1 if settings.get("device") in _GPU_DEVICES else 0
    with joined(address, workers or usable_cores()) as ray:
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=_TRIES - 1)(_fuse_there)
        # By default some tasks wait in Ray, which starts as many as it has processors.
        most = workers or 2 * int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1))
        waiting = iter(jobs)
        running: dict[Any, PairJob] = {}
        while True:
            while len(running) < most and (job := next(waiting, None)) is not None:
                running[task.remote(dict(settings), piafusion.__version__, _absolute(job))] = job
            if not running:
                return
            (done,), _ = ray.wait(list(running))
            job = running.pop(done)
            try:
                yield replace(ray.get(done), job=job)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, PiafusionError):
                    raise error.cause from error
                raise _gave_up(error) from error
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                yield FailedPair(
                    job,
                    f"{job.infrared}: expected to fuse the pair, found that {_TRIES} workers died "
                    "of it; look at the size of the pictures and at the memory",
                )
            except ray.exceptions.RayError as error:
                raise _gave_up(error) from error


def _fuse_there(settings: dict[str, Any], version: str, job: PairJob) -> FusedPair | FailedPair:
    """Fuse a pair, in a process of Ray.

    Raises:
        ClusterError: If this machine has another version of piafusion.
        PiafusionError: If the `Fuser` cannot be made.
    """
    if version != piafusion.__version__:
        raise ClusterError(
            f"{socket.gethostname()}: expected piafusion {version} as here, found "
            f"{piafusion.__version__}; install the same version on every machine"
        )
    fuser, readers = _tools(tuple(settings.items()))
    return fuse_job(fuser, job, overwrite=True, readers=readers, hashes=True)


@lru_cache(maxsize=1)
def _tools(settings: tuple[tuple[str, Any], ...]) -> tuple[Fuser, PairReaders]:
    """Return the objects that a process keeps between its pairs; Ray gives it one processor."""
    return Fuser(**dict(settings), threads=1), PairReaders(1)


def _absolute(job: PairJob) -> PairJob:
    """Return the job with paths that hold in any working directory."""
    paths = (job.infrared, job.visible, job.output)
    infrared, visible, output = (path.absolute() for path in paths)
    temperature = job.temperature and job.temperature.absolute()
    return replace(job, infrared=infrared, visible=visible, output=output, temperature=temperature)


@contextmanager
def joined(address: str | None, workers: int) -> Iterator[ModuleType]:
    """Yield Ray, connected to a cluster, and disconnect at the end.

    Args:
        address: The cluster, such as "auto" on one of its machines or "HOST:6379". By default
            the one in RAY_ADDRESS, or else a Ray of our own on this machine, without dashboard.
            If this process is connected already, it stays so.
        workers: Processors of a Ray of our own.

    Raises:
        MissingExtraError: If Ray is not installed.
        ClusterError: If there is no cluster at the address, or Ray cannot start.
    """
    ray = load_ray()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _STORE,
    }
    try:
        _check_listening(address)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(own if address == "local" else {}),
        )
    except Exception as error:  # ConnectionError, RuntimeError, grpc's ... one for each cause
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        if address == "local":
            raise ClusterError(
                f"expected Ray to start on this machine, found: {reason}; try again when the "
                "machine is less busy, or leave out --engine ray"
            ) from error
        raise ClusterError(
            f"expected a Ray cluster at {address!r}, found: {reason}; check the address, or "
            "start one with: ray start --head"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def load_ray() -> ModuleType:
    """Import Ray and return it; it sends no usage statistics.

    Raises:
        MissingExtraError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with needing("ray", "clusters"):
        import ray
    found: ModuleType = ray
    return found


def _check_listening(address: str) -> None:
    """Raise OSError at once if nothing listens at HOST:PORT, where Ray would try for minutes."""
    host, separator, port = address.rpartition(":")
    if separator and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _gave_up(error: Exception) -> ClusterError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ClusterError(
        f"expected the workers to fuse, found that Ray gave up: {lines[-1].strip()}; look into "
        "its logs"
    )
