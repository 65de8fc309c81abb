import sys
from pathlib import Path

import pytest

from piafusion.errors import MeasurementError
from piafusion.lab.evaluation import worker
from piafusion.lab.evaluation.workers import Setup, start_worker

TINY = Setup("piafusion-fast", "onnx", "cpu", 24, 16, threads=1)


def test_a_worker_answers_until_it_is_left() -> None:
    with start_worker(TINY) as running:
        assert running.start["threads"] == 1
        for frames in (2, 1):
            answer = running.run(frames)
            assert len(answer["network"]) == len(answer["end_to_end"]) == frames


def test_a_worker_that_ends_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "__file__", str(tmp_path / "worker.py"))
    for script, why in (
        ("raise SystemExit(3)", "found that it ended: exit code 3"),
        ("print('hello')", "a line of JSON"),
    ):
        (tmp_path / "worker.py").write_text(script)
        with pytest.raises(MeasurementError, match=why), start_worker(TINY):
            pass


def test_the_scene_is_always_the_same() -> None:
    infrared, visible = worker.scene(24, 16)
    assert (infrared.shape, visible.shape) == ((16, 24), (16, 24, 3))
    assert infrared.dtype == visible.dtype == "uint8"
    assert (worker.scene(24, 16)[1] == visible).all()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 < worker.memory_mib() <= worker.memory_mib("VmHWM")
    monkeypatch.setattr(worker, "STATUS", tmp_path / "none")
    assert worker.memory_mib() is None
