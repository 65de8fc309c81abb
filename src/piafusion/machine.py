"""How many cores this process may really use, and how workers share them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TOPOLOGY = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
PROCESSOR = Path("/proc/cpuinfo")
# Dot products of four bytes in one instruction, as Linux calls them on x86 and on ARM.
_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "asimddp"}
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}
_FLAGS = ("flags", "featu")


class CoreShare(NamedTuple):
    """How many pairs are fused at the same time, and how many threads each network gets."""

    workers: int
    threads: int


def share_cores(
    workers: int | None = None, *, most: int | None = None, device: str = "auto"
) -> CoreShare:
    """Share the usable cores between workers that fuse pairs at the same time.

    One network with all cores fuses one pair soonest. Several workers fuse more pairs a second if
    each network has its part of the cores: they then do not wait for each other. OpenVINO fuses one
    pair at a time, so its network gets all cores.

    Args:
        workers: The wanted number; one for each core by default.
        most: The largest number, for example the number of pairs; no limit by default.
        device: Where the network runs.
    """
    cores = usable_cores()
    workers = workers or cores
    workers = max(1, workers if most is None else min(workers, most))
    return CoreShare(workers, cores if device == "openvino" else max(1, cores // workers))


def usable_cores(topology: Path = _TOPOLOGY, quota: Path = _QUOTA) -> int:
    """Count the physical cores that this process may use, at least 1.

    Two hardware threads of one core count once: they share its multipliers. A process that is
    tied to some processors, or a container with a quota, gets what it is allowed, where the
    engines' own defaults would start a thread for each core of the machine.

    Args:
        topology: The folder in which Linux describes the processors.
        quota: The file with a container's quota and period, in microseconds.
    """
    if not hasattr(os, "sched_getaffinity"):  # not Linux
        return os.cpu_count() or 1
    processors = os.sched_getaffinity(0)
    cores = {_siblings(topology, processor) for processor in processors}
    return max(1, min(len(cores), _allowed(quota, len(cores))))


def processor_lines(source: Path = PROCESSOR) -> list[str]:
    """Return the lines in which Linux describes the processors; none on other systems."""
    try:
        return source.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def has_dot_products(source: Path = PROCESSOR) -> bool:
    """Tell whether the processor multiplies bytes several times as fast as floats.

    Args:
        source: The file in which Linux describes the processors; without it the answer is no.
    """
    return not _DOT_PRODUCTS.isdisjoint(_flags(source))


def has_bf16(source: Path = PROCESSOR) -> bool:
    """Tell whether the processor multiplies bfloat16 numbers faster than floats.

    Args:
        source: The file in which Linux describes the processors; without it the answer is no.
    """
    return not _BF16.isdisjoint(_flags(source))


def _flags(source: Path) -> list[str]:
    """Return the names of the first processor's instructions."""
    lines = processor_lines(source)
    flags = (line.partition(":")[2].split() for line in lines if line[:5].lower() in _FLAGS)
    return next(flags, [])


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
