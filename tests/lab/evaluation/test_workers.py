import shutil
import sys
import zipfile
from pathlib import Path

import pytest

import piafusion
from piafusion.errors import MeasurementError, UsageError
from piafusion.lab.evaluation import worker
from piafusion.lab.evaluation.workers import Setup, start_worker, unpacked

PACKAGE = Path(piafusion.__file__).parent
TINY = Setup("piafusion-fast", "onnx", "cpu", 24, 16, threads=1)


def test_a_worker_answers_until_it_is_left() -> None:
    with start_worker(TINY) as running:
        assert running.start["threads"] == 1
        for frames in (2, 1):
            answer = running.run(frames)
            assert len(answer["network"]) == len(answer["end_to_end"]) == frames


def test_a_worker_that_ends_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "piafusion").mkdir()
    (tmp_path / "piafusion" / "__init__.py").write_text("")
    (tmp_path / "piafusion" / "errors.py").write_text("raise SystemExit(3)")
    with (
        pytest.raises(MeasurementError, match="found that it ended: exit code 3"),
        start_worker(TINY, tmp_path),
    ):
        pass


def test_the_other_build_is_the_one_that_runs(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "src" / "piafusion")
    with unpacked(tmp_path) as build, start_worker(TINY, build) as running:
        assert running.run(1)["end_to_end"]
    with (
        pytest.raises(MeasurementError, match=r"expected piafusion from .*, found it from"),
        start_worker(TINY, tmp_path),
    ):
        pass


def test_wheels_are_unpacked_and_other_things_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "piafusion-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("piafusion/__init__.py", "")
    with unpacked(wheel) as build:
        assert (build / "piafusion" / "__init__.py").exists()
    assert not build.exists()
    wheel.write_bytes(b"no wheel")
    for other in (tmp_path, wheel, tmp_path / "none"):
        with (
            pytest.raises(UsageError, match="expected a wheel or a source folder"),
            unpacked(other),
        ):
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
