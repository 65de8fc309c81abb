"""How many cores this process may really use: that is how many threads a network gets."""

from __future__ import annotations

import os
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(topology: Path = _TOPOLOGY, quota: Path = _QUOTA) -> int:
    """Count the physical cores that this process may use, at least 1.

    Two hardware threads of one core count once: they share its multipliers. A process that is
    tied to some processors, or a container with a quota, gets what it is allowed, where the
    engines' own defaults would start a thread for each core of the machine.

    Args:
        topology: Where Linux describes the processors.
        quota: Where a container's quota and period stand, in microseconds.
    """
    if not hasattr(os, "sched_getaffinity"):  # not Linux
        return os.cpu_count() or 1
    processors = os.sched_getaffinity(0)
    cores = {_siblings(topology, processor) for processor in processors}
    return max(1, min(len(cores), _allowed(quota, len(cores))))


def _siblings(topology: Path, processor: int) -> str:
    """Return a text that the hardware threads of one core share."""
    try:
        path = topology / f"cpu{processor}" / "topology" / "thread_siblings_list"
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(processor)


def _allowed(quota: Path, otherwise: int) -> int:
    """Return the whole cores that a quota pays for."""
    try:
        microseconds, period = quota.read_text(encoding="ascii").split()
        return int(microseconds) // int(period)
    except (OSError, ValueError):  # none, or "max"
        return otherwise
