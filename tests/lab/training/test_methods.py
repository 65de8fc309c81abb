"""Comparison networks from the command line to a fused picture without torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch

from piafusion import Fuser
from piafusion.engines.onnx import OnnxEngine
from piafusion.errors import UsageError
from piafusion.imaging.io import write_image
from piafusion.lab.models import build, load
from piafusion.lab.models.comparison import COMPARISON
from piafusion.lab.models.comparison.pmgi import PmgiNet
from piafusion.lab.models.folding import fold
from piafusion.lab.training import export, run
from piafusion.lab.training.config import MethodSettings, command, resolve
from piafusion.weights import load_manifest
from tests.conftest import scene
from tests.lab.models.test_networks import images
from tests.tolerances import ENGINES

SMALL = ("steps=2", "batch=2", "crop=24")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index, stem in enumerate(("1D", "2N", "900D", "901N")):
        for name, image in zip(("ir", "vi"), scene(48, 56, seed=index), strict=True):
            write_image(tmp_path / "data" / name / f"{stem}.png", image)
    return tmp_path / "data"


@pytest.mark.parametrize("name", COMPARISON)
def test_each_network_has_a_preset_of_its_schedule(name: str) -> None:
    settings = resolve(name, Path("DATA"), {})
    assert isinstance(settings, MethodSettings)
    assert settings.model == name
    asked = COMPARISON[name].schedule
    assert {key: getattr(settings, key) for key in asked._fields} == asked._asdict()
    assert command(settings) == f"piafusion train method {name} DATA"
    longer = resolve(name, Path("DATA"), {"steps": "90000", "batch": "32", "crop": "96"})
    assert command(longer).endswith("DATA --set steps=90000 --set batch=32 --set crop=96")


def test_from_the_command_line_to_both_rules(
    piafusion: Callable, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PARITY_SIZES", ((1, 16, 17),))
    trained, weights = tmp_path / "run", tmp_path / "weights"
    small = [part for setting in SMALL for part in ("--set", setting)]
    done = piafusion("train", "method", "densefuse", data, "-o", trained, *small)
    assert done.code == 0, done.err
    assert piafusion("export", trained, "-o", weights).code == 0
    records = load_manifest(weights)
    assert set(records) == {"densefuse", "densefuse-l1"}
    assert set(records["densefuse"].sha256) == {"onnx"}
    assert records["densefuse"].training["command"].startswith("piafusion train method densefuse")
    network = load((trained / run.WEIGHTS).read_bytes()).eval()
    infrared, luminance = images(1, 1, 20, 30), images(1, 1, 20, 30, seed=1)
    fused = {}
    for rule, name in (("addition", "densefuse"), ("l1", "densefuse-l1")):
        engine = OnnxEngine((weights / f"{name}.onnx").read_bytes(), "cpu")
        fused[rule] = engine.fuse(infrared.numpy(), luminance.numpy())
        network.rule = rule
        with torch.no_grad():
            expected = network(infrared, luminance).numpy()
        np.testing.assert_allclose(fused[rule], expected, atol=ENGINES)  # half precision
    assert np.abs(fused["addition"] - fused["l1"]).max() > 1e-5
    pair = scene(20, 30)
    assert Fuser(model=str(weights / "densefuse-l1.onnx"))(*pair).shape == pair[1].shape


@pytest.mark.parametrize("name", ["drf", "fusiongan"])
def test_a_stopped_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path, name: str) -> None:
    small = {"steps": "4", "batch": "2", "crop": "16", "checkpoint_every": "2"}
    settings = resolve(name, data, small)
    run.start(settings, tmp_path / "whole")
    (tmp_path / "half").mkdir()
    run.start(resolve(name, data, {**small, "stop": "2"}), tmp_path / "half")
    for left in (run.WEIGHTS, run.RECORD):
        (tmp_path / "half" / left).unlink()
    (tmp_path / "half" / run.SETTINGS).write_text(settings.model_dump_json())
    run.resume(tmp_path / "half", settings)
    whole, half = (
        load((tmp_path / each / run.WEIGHTS).read_bytes()).state_dict()
        for each in ("whole", "half")
    )
    assert all(torch.equal(whole[key], half[key]) for key in whole)


def test_statistics_are_kept_after_a_while(data: Path, tmp_path: Path) -> None:
    def statistics(**changes: str) -> torch.Tensor:
        small = {"steps": "4", "batch": "2", "crop": "16", **changes}
        folder = tmp_path / "-".join(changes.values())
        run.start(resolve("ifcnn", data, small), folder)
        return load((folder / run.WEIGHTS).read_bytes()).state_dict()["third.1.running_mean"]

    halfway = statistics(settle="0.5", stop="2")
    assert torch.equal(statistics(settle="0.5"), halfway)
    assert not torch.equal(statistics(settle="1"), halfway)


def test_crops_are_shown_in_other_exposures(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        PmgiNet,
        "losses",
        lambda self, infrared, luminance, _: (
            seen.append((infrared, luminance)) or {"loss": 0 * self(infrared, luminance).mean()}
        ),
    )
    for share in ("0", "1"):
        small = {"steps": "1", "batch": "2", "crop": "16", "tone_share": share}
        run.start(resolve("pmgi", data, small), tmp_path / share)
    for plain, toned in zip(*seen, strict=True):
        assert plain.shape == toned.shape
        assert not torch.equal(plain, toned)


def test_held_out_pairs_choose_the_weights(data: Path, tmp_path: Path) -> None:
    small = {"steps": "2", "batch": "2", "crop": "16", "validation": "2", "validate_every": "1"}
    run.start(resolve("pmgi", data, small), tmp_path / "run")
    assert '"chosen_step"' in (tmp_path / "run" / run.RECORD).read_text()


def test_the_exported_file_answers_like_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_PARITY_SIZES", ((1, 16, 17), (2, 24, 16)))
    torch.manual_seed(0)
    network = build("pmgi").eval()
    weights = export.export_onnx(network, ("infrared", "luminance"), 1, "fused", half=True)
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert len(weights) < 2 * numbers + 40_000
    for tensor in onnx.load_from_string(weights).graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        assert values.dtype != np.float32 or values.size < 16
    pair = [images(1, 1, 19, 26, seed=seed) for seed in (2, 3)]
    with torch.no_grad():
        expected = fold(network)(*pair).numpy()
    found = OnnxEngine(weights, "cpu").fuse(*(image.numpy() for image in pair))
    np.testing.assert_allclose(found, expected, atol=ENGINES)


def test_wrong_use(piafusion: Callable, data: Path, tmp_path: Path) -> None:
    done = piafusion("train", "method", "wavelet", data, "-o", tmp_path / "run")
    assert done.code == 2
    assert "a method that learns, mdlatlrr, densefuse, drf, csf, fusiongan, ifcnn" in done.err
    done = piafusion("train", "method", "mdlatlrr", data, "-o", tmp_path / "run", "--resume")
    assert done.code == 2
    assert "expected neither --set nor --resume" in done.err
    done = piafusion("train", "fusion", data, "-o", tmp_path / "run", "--preset", "ifcnn")
    assert done.code == 2
    assert "does not train fusion" in done.err
    with pytest.raises(UsageError, match="'loss': Extra inputs"):
        resolve("ifcnn", data, {"loss.texture": "signed"})
