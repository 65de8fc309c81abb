import os
from pathlib import Path

import pytest

from piafusion import machine
from piafusion.machine import usable_cores


@pytest.fixture
def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four cores of two hardware threads each; this process may use three of the cores."""
    for processor in range(8):
        folder = tmp_path / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        first = processor % 4
        (folder / "thread_siblings_list").write_text(f"{first},{first + 4}\n")
    allowed = {0, 4, 1, 5, 2}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
    return tmp_path


def test_hardware_threads_of_a_core_count_once(topology: Path, tmp_path: Path) -> None:
    assert usable_cores(topology, tmp_path / "no quota") == 3


def test_without_a_description_each_processor_is_a_core(topology: Path, tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "nothing", topology / "no quota") == 5


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 3), ("200000 100000", 2), ("50000 100000", 1)]
)
def test_a_quota_counts(topology: Path, tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores(topology, tmp_path / "cpu.max") == cores


def test_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6


@pytest.mark.parametrize(
    ("asked", "most", "device", "share"),
    [
        (None, 100, "auto", (8, 1)),  # a worker for each core
        (None, 4, "cpu", (4, 2)),
        (None, 1, "auto", (1, 8)),  # one pair gets all cores
        (3, 100, "auto", (3, 2)),
        (20, 100, "auto", (20, 1)),
        (None, 100, "openvino", (8, 8)),  # which fuses one pair at a time
        (None, 0, "auto", (1, 8)),
    ],
)
def test_workers_share_the_cores(
    asked: int | None,
    most: int,
    device: str,
    share: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    assert machine.share_cores(asked, most=most, device=device) == share
