"""Ray, started on this machine or joined at an address, and left again."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from piafusion.errors import ClusterError, needing

if TYPE_CHECKING:
    from types import ModuleType

_STORE = 96 * 2**20  # bytes of shared memory: names and answers travel, pictures do not


def load_ray() -> ModuleType:
    """Import Ray, with Ray Data, and return it; it reports its use to nobody.

    Raises:
        MissingExtraError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with needing("ray", "clusters"):
        import ray
        import ray.data
    for name in ("ray", "ray.data"):  # its files keep what is said there
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setLevel(logging.CRITICAL + 1)
    found: ModuleType = ray
    return found


@contextmanager
def joined(address: str | None, workers: int) -> Iterator[ModuleType]:
    """Give Ray, connected; what was started or joined here is ended or left.

    Args:
        address: Of a cluster, such as "auto" on one of its machines or "HOST:6379". By default
            that in RAY_ADDRESS, or else a Ray of our own on this machine, without dashboard. Ray
            that runs in this process already is used as it is.
        workers: That a Ray of our own has room for.

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
        _knock(address)
        with _hushed():
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


def _knock(address: str) -> None:
    """Raise OSError at once if nothing listens at HOST:PORT, where Ray would try for minutes."""
    host, separator, port = address.rpartition(":")
    if separator and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _hushed() -> Iterator[None]:
    """Drop what native code writes to standard error, such as that it obeys a setting."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
