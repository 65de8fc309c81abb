"""Algorithm 1 end to end on a few tiny pairs."""

import json
import shutil
from pathlib import Path

import pytest

from piafusion.files import sha256
from piafusion.imaging.io import write_image
from piafusion.lab.training import algorithm, run
from tests.conftest import scene

TINY = ("steps=2", "batch=2", "crop=16", "checkpoint_every=1", "sampling=random")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index, stem in enumerate(("1D", "2N")):
        infrared, visible = scene(32, 40, seed=index)
        write_image(tmp_path / "pairs" / "ir" / f"{stem}.png", infrared)
        write_image(tmp_path / "pairs" / "vi" / f"{stem}.png", visible)
    return tmp_path / "pairs"


def export(folder: Path, weights: Path, *, name: str) -> None:
    """Stand in for an export, which takes long."""
    weights.mkdir(exist_ok=True)
    shutil.copy(folder / run.WEIGHTS, weights / f"{name}.safetensors")
    (weights / f"{name}.onnx").touch()


def test_both_networks_are_trained_in_sequence_by_one_command(
    piafusion, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(algorithm, "export_run", export)
    changes = [*TINY, *(f"illumination.{each}" for each in TINY), "cmdaf=released"]
    command = ["train", "paper", data, "--output", tmp_path / "out"]
    command += [part for change in changes for part in ("--set", change)]
    done = piafusion(*command)
    assert done.code == 0, done.err
    assert f"--model {tmp_path}/out/weights/paper.onnx" in done.out
    record = json.loads((tmp_path / "out" / "fusion" / run.RECORD).read_text())
    assert record["settings"]["cmdaf"] == "released"
    light = (tmp_path / "out" / "weights" / "illumination.safetensors").read_bytes()
    assert record["light"]["sha256"] == sha256(light)
    assert run.load_settings(tmp_path / "out" / "illumination").preset == "illumination"

    def never(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(run, "_train", never)
    assert piafusion(*command).code == 0  # finished: nothing is done again


def test_wrong_settings_are_told_before_anything_is_trained(
    piafusion, data: Path, tmp_path: Path
) -> None:
    for wrong, message in (
        (("--set", "illumination.cmdaf=printed"), "cmdaf"),
        (("--set", "cmdaf=other"), "cmdaf"),
        (("--schedule", "long"), "--schedule: expected one of paper, short, found 'long'"),
    ):
        done = piafusion("train", "paper", data, "--output", tmp_path / "out", *wrong)
        assert done.code == 2
        assert message in done.err
    assert not (tmp_path / "out").exists()
