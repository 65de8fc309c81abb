import sys
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import MeasurementError
from piafusion.lab.evaluation import timing
from piafusion.lab.evaluation.timing import (
    Setup,
    Times,
    measure,
    measure_here,
    memory_mib,
    processor_name,
    scene,
)

TINY = Setup("piafusion-fast", "onnx", "cpu", 24, 16)


def test_times_are_medians_and_percentiles_in_milliseconds() -> None:
    times = Times.of(np.arange(1, 102) / 1000)
    assert (times.median, times.p99) == (pytest.approx(51), pytest.approx(100))


def test_a_setup_is_measured() -> None:
    measured = measure(TINY, frames=4, budget=10)
    assert (measured.device, measured.frames) == ("cpu", 4)
    assert measured.threads >= 1
    assert 0 < measured.network.median <= measured.network.p99
    assert measured.frames_per_second == pytest.approx(1000 / measured.end_to_end.median)
    assert measured.peak_mib is None or measured.peak_mib > 10


def test_a_small_budget_leaves_few_frames() -> None:
    assert measure_here(TINY, 1000, 1e-9).frames == 3


def test_what_cannot_run_says_why() -> None:
    with pytest.raises(MeasurementError, match=r"expected a model of .* found 'none'"):
        measure(Setup("none", "onnx", "cpu", 24, 16), frames=3, budget=1)


@pytest.mark.parametrize(
    ("script", "why"),
    [("", "found it ended"), ("print('hello')", "a line of JSON")],
)
def test_a_process_that_ends_is_noticed(
    script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_timing.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(timing, "__name__", "broken_timing")
    with pytest.raises(MeasurementError, match=why):
        measure(TINY, frames=3, budget=1)


def test_the_scene_is_always_the_same() -> None:
    infrared, visible = scene(24, 16)
    assert (infrared.shape, visible.shape) == ((16, 24), (16, 24, 3))
    assert infrared.dtype == visible.dtype == "uint8"
    assert (scene(24, 16)[1] == visible).all()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 < memory_mib() <= memory_mib("VmHWM")
    monkeypatch.setattr(timing, "STATUS", tmp_path / "none")
    assert memory_mib() is None


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast: 9000\n")
    assert processor_name(tmp_path / "cpuinfo") == "Fast: 9000"
    assert processor_name(tmp_path / "none")
