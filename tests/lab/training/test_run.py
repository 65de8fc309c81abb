"""Training end to end on a few tiny pairs: the command, resuming, guards, export."""

import csv
import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

from piafusion import Fuser
from piafusion.errors import TrainingError, UsageError, WeightsError
from piafusion.imaging.io import write_image
from piafusion.lab.models import MixingFusionNet, load
from piafusion.lab.models.comparison import COMPARISON
from piafusion.lab.training import loop, run
from piafusion.lab.training.checkpoints import CHECKPOINT
from piafusion.lab.training.config import PRESETS, command, resolve
from piafusion.lab.training.data import Batch, CropSampler, load_training_pairs
from piafusion.lab.training.loop import FAILED_BATCH
from piafusion.lab.training.losses import FusionLoss
from piafusion.lab.training.modules import SCORE, FusionTraining
from piafusion.weights import load_manifest, read_weights
from tests.conftest import scene

TINY = {"steps": "8", "batch": "2", "crop": "16", "checkpoint_every": "2"}
FAST = {**TINY, "loss.fidelity": "0", "loss.edges": "0"}  # these two need larger crops


def tiny(preset: str) -> dict[str, str]:
    return FAST if preset == "fast" else TINY


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pairs")
    for index, stem in enumerate(("1D", "2N", "3N")):
        infrared, visible = scene(32, 40, seed=index)
        write_image(root / "ir" / f"{stem}.png", infrared)
        write_image(root / "vi" / f"{stem}.png", visible)
    return root


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load((folder / run.WEIGHTS).read_bytes()).state_dict()


def test_a_run_is_repeatable_and_says_what_it_was(data: Path, tmp_path: Path) -> None:
    settings = resolve("fast", data, FAST)
    for name in ("one", "two"):
        run.start(settings, tmp_path / name)
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert run.load_settings(tmp_path / "one") == settings
    record = json.loads((tmp_path / "one" / run.RECORD).read_text())
    assert record["pairs"] == 3
    assert record["steps"] == 8
    assert record["command"].endswith(
        "--preset fast --set steps=8 --set batch=2 --set crop=16 --set checkpoint_every=2 "
        "--set loss.fidelity=0.0 --set loss.edges=0.0"
    )
    assert (tmp_path / "one" / "log" / "metrics.csv").is_file()


@pytest.mark.parametrize("preset", ["fast", "paper-short", "illumination-short"])
def test_a_killed_run_resumes_to_the_result_of_an_unbroken_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    settings = resolve(preset, data, tiny(preset))
    monkeypatch.setattr(run, "_LOG_EVERY", 1)
    run.start(settings, tmp_path / "whole")
    draw = CropSampler.__call__

    def pull_the_plug(self: CropSampler, step: int, *rank: int):
        if step == 5:  # the last checkpoint is that of step 4
            raise KeyError("power")
        return draw(self, step, *rank)

    monkeypatch.setattr(CropSampler, "__call__", pull_the_plug)
    with pytest.raises(KeyError, match="power"):
        run.start(settings, tmp_path / "broken")
    assert not (tmp_path / "broken" / run.WEIGHTS).exists()
    stopped = resolve(preset, data, {**tiny(preset), "stop": "4"})
    run.start(stopped, tmp_path / "stopped")
    kept, reached = (
        torch.load(tmp_path / name / CHECKPOINT)["state_dict"] for name in ("broken", "stopped")
    )
    assert all(torch.equal(kept[key], tensor) for key, tensor in reached.items())
    seen = []
    monkeypatch.setattr(
        CropSampler, "__call__", lambda self, step, *rank: seen.append(step) or draw(self, step)
    )
    run.resume(tmp_path / "broken", settings)
    assert seen == [4, 5, 6, 7]
    whole, broken = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert all(torch.equal(whole[key], broken[key]) for key in whole)
    logs = [(tmp_path / name / run.LOG / "metrics.csv").read_text() for name in ("whole", "broken")]
    assert logs[0] == logs[1]


def test_runs_that_cannot_start_or_resume(data: Path, tmp_path: Path) -> None:
    settings = resolve("fast", data, {**FAST, "steps": "2"})
    with pytest.raises(UsageError, match="expected a training run"):
        run.resume(tmp_path / "none", settings)
    run.start(settings, tmp_path / "done")
    with pytest.raises(UsageError, match="holds a run already"):
        run.start(settings, tmp_path / "done")
    with pytest.raises(UsageError, match="expected a run to resume"):
        run.resume(tmp_path / "done", settings)
    with pytest.raises(UsageError, match="found another seed"):
        run.resume(tmp_path / "done", settings.model_copy(update={"seed": 1}))


def test_a_diverged_run_stops_with_the_step(data: Path, tmp_path: Path) -> None:
    settings = resolve("fast", data, {**FAST, "learning_rate": "1e30", "gradient_clip": "1e30"})
    with pytest.raises(TrainingError, match=r"step \d: expected a finite loss, found .*nan"):
        run.start(settings, tmp_path / "run")
    assert not (tmp_path / "run" / run.WEIGHTS).exists()
    assert (tmp_path / "run" / FAILED_BATCH).exists()


def test_a_gradient_beyond_the_limit_stops_the_run_with_its_batch(
    data: Path, tmp_path: Path
) -> None:
    settings = resolve("fast", data, {**FAST, "gradient_limit": "1e-9"})
    with pytest.raises(
        TrainingError,
        match=r"step 0: expected a gradient norm of at most 1e-09, .*[123][DN] at row",
    ):
        run.start(settings, tmp_path / "run")
    batch = safetensors.torch.load_file(tmp_path / "run" / FAILED_BATCH)
    sampler = CropSampler(load_training_pairs(data), size=16, batch=2, seed=0, sampling="random")
    assert torch.equal(batch["visible"], sampler(0).visible)


def test_a_network_that_has_died_stops_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saturated(self: FusionTraining, batch: Batch) -> dict[str, torch.Tensor]:
        nothing = sum(parameter.sum() for parameter in self.network.parameters()) * 0
        return {"loss": batch.infrared.mean() + nothing}

    monkeypatch.setattr(FusionTraining, "_losses", saturated)
    settings = resolve("fast", data, {**FAST, "steps": "12"})
    with pytest.raises(TrainingError, match=r"step 9: expected a gradient, found none in 10 steps"):
        run.start(settings, tmp_path / "run")
    assert not (tmp_path / "run" / run.WEIGHTS).exists()


@pytest.mark.parametrize("preset", ["fast", "illumination-short"])
def test_validation_by_light_chooses_the_weights(
    tmp_path: Path, preset: str, pictures_in_blocks: Path
) -> None:
    changes = {**tiny(preset), "validation": "2", "validate_every": "2"}
    folder = tmp_path / "run"
    run.start(resolve(preset, pictures_in_blocks, changes), folder)
    record = json.loads((folder / run.RECORD).read_text())
    assert record["pairs"] == 2
    held = record["validation"]
    assert held["pairs"] == ["100D", "300N"]
    with (folder / "log" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row[SCORE]]
    scores = {int(row["step"]) + 1: float(row[SCORE]) for row in rows}
    assert list(scores) == [2, 4, 6, 8]
    assert held["chosen_step"] == max(scores, key=scores.__getitem__)
    assert held["score"] == pytest.approx(max(scores.values()))
    name = "accuracy" if preset == "illumination-short" else "VIF"
    assert all(rows[0][f"validation/{light}/{name}"] for light in ("day", "night"))
    best = torch.load(folder / CHECKPOINT)["callbacks"]["Keeper"]["weights"]
    chosen = weights_of(folder)
    plain = [key for key in chosen if f"network.{key}" in best]  # the others are merged branches
    assert len(plain) > len(chosen) / 2
    assert all(torch.equal(best[f"network.{key}"], chosen[key]) for key in plain)


@pytest.fixture
def pictures_in_blocks(tmp_path: Path) -> Path:
    for index, stem in enumerate(("001D", "100D", "200N", "300N")):
        infrared, visible = scene(48, 56, seed=index)
        write_image(tmp_path / "blocks" / "ir" / f"{stem}.png", infrared)
        write_image(tmp_path / "blocks" / "vi" / f"{stem}.png", visible)
    return tmp_path / "blocks"


def test_the_ablations_change_one_thing_each(data: Path) -> None:
    full, light, cmdaf, released = (
        resolve(f"ablation{part}", data, {}).model_dump(exclude={"preset"})
        for part in ("", "-illumination", "-cmdaf", "-released")
    )
    assert {**full, "light": "equal"} == light
    assert {**full, "cmdaf": "none"} == cmdaf
    assert {**full, "cmdaf": "released"} == released


def test_equal_light_weighs_both_sources_alike_by_day_and_night(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    weigh = FusionLoss.__call__

    def look(self: FusionLoss, *tensors: torch.Tensor):
        seen.append(tensors[3])
        return weigh(self, *tensors)

    monkeypatch.setattr(FusionLoss, "__call__", look)
    run.start(resolve("ablation-illumination", data, {**TINY, "steps": "2"}), tmp_path / "run")
    assert len(seen) == 2
    assert all(torch.equal(share, torch.full((2,), 0.5)) for share in seen)


def test_a_run_can_start_from_weights(data: Path, tmp_path: Path) -> None:
    settings = resolve(
        "fast",
        data,
        {**FAST, "steps": "1", "start_from": "piafusion-fast", "learning_rate": "1e-9"},
    )
    run.start(settings, tmp_path / "run")
    before = read_weights("piafusion-fast", "safetensors", "fusion")
    record = json.loads((tmp_path / "run" / run.RECORD).read_text())
    assert record["start"]["sha256"] == hashlib.sha256(before).hexdigest()
    shipped = load(before).state_dict()
    for key, tensor in weights_of(tmp_path / "run").items():
        torch.testing.assert_close(tensor, shipped[key], atol=1e-6, rtol=0)  # branches, merged
    wrong = resolve("paper-short", data, {**TINY, "start_from": "piafusion-fast"})
    with pytest.raises(UsageError, match="expected weights of the network 'paper'"):
        run.start(wrong, tmp_path / "wrong")


NODES = """
import os, sys, time
import piafusion.lab.training.run  # takes long, so both nodes share it
from piafusion.cli import main
settings = sys.argv.pop(1)
other = os.fork()
os.environ["NODE_RANK"] = "0" if other else "1"
try:
    while not other and not os.path.exists(settings):  # the second node comes later
        time.sleep(0.1)
    main()
finally:
    assert not other or os.waitpid(other, 0)[1] == 0
"""


def test_two_processes_or_nodes_train_what_one_process_does(data: Path, tmp_path: Path) -> None:
    """Plain Eq. 12 is a mean over crops, so sharing a batch changes nothing but rounding."""
    changes = {**FAST, "steps": "3", "batch": "4", "hardware.accelerator": "cpu"}
    settings = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
    run.start(resolve("fast", data, changes), tmp_path / "one")
    one = weights_of(tmp_path / "one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    for name, program, hardware, place in (
        ("processes", ("-m", "piafusion"), "devices=2", {}),
        ("nodes", ("-c", NODES, str(tmp_path / "nodes" / run.SETTINGS)), "nodes=2", meeting),
    ):
        done = subprocess.run(
            (
                *(sys.executable, *program, "train", "fusion", str(data), *settings),
                *("-o", str(tmp_path / name), "--set", f"hardware.{hardware}"),
            ),
            capture_output=True, text=True, env={**os.environ, **place}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("next: piafusion export") == 1
        other = weights_of(tmp_path / name)
        for key in one:
            torch.testing.assert_close(one[key], other[key], atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="a batch of 3 cannot be shared equally by 2 processes"):
        resolve("fast", data, {"batch": "3", "hardware.devices": "2"})


def test_mixed_precision_runs(data: Path, tmp_path: Path) -> None:
    run.start(resolve("fast", data, {**FAST, "hardware.precision": "bf16-mixed"}), tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in weights_of(tmp_path / "run").values())


@pytest.mark.parametrize(("has", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_the_papers_network_takes_bf16_where_it_is_fast(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: bool, precision: str
) -> None:
    small = {"batch": "1", "crop": "16", "steps": "2", "light": "label", "checkpoint_every": "1"}
    settings = resolve("paper-short", data, {**small, "stop": "1"})
    assert settings.hardware.precision == "auto"
    monkeypatch.setattr(loop, "has_bf16", lambda: has)
    run.start(settings, tmp_path / "run")
    # The run and its command name what it computed in, whatever the next machine has.
    assert run.load_settings(tmp_path / "run").hardware.precision == precision
    record = json.loads((tmp_path / "run" / run.RECORD).read_text())
    assert f"hardware.precision={precision}" in record["command"]
    (tmp_path / "run" / run.WEIGHTS).unlink()
    monkeypatch.setattr(loop, "has_bf16", lambda: not has)
    run.resume(tmp_path / "run", settings)
    assert run.load_settings(tmp_path / "run").hardware.precision == precision


def test_an_interrupted_run_leaves_no_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = CropSampler.__call__

    def press_control_c(self: CropSampler, step: int, *rank: int):
        if step == 3:
            raise KeyboardInterrupt
        return draw(self, step, *rank)

    monkeypatch.setattr(CropSampler, "__call__", press_control_c)
    with pytest.raises((TrainingError, KeyboardInterrupt, SystemExit)):
        run.start(resolve("fast", data, FAST), tmp_path / "run")
    assert not (tmp_path / "run" / run.WEIGHTS).exists()
    assert (tmp_path / "run" / CHECKPOINT).exists()


def test_a_network_of_ones_own_size_can_be_trained(data: Path, tmp_path: Path) -> None:
    changes = {**FAST, "steps": "1", "sizes.width": "8", "sizes.residual_layers": "1"}
    run.start(resolve("fast", data, changes), tmp_path / "run")
    sizes = load((tmp_path / "run" / run.WEIGHTS).read_bytes()).sizes
    assert (sizes.stride, sizes.window, sizes.width, sizes.residual_layers) == (4, 12, 8, 1)
    with pytest.raises(UsageError, match="sizes: expected one of piafusion, piafusion-fast"):
        run.start(
            resolve(
                "paper",
                data,
                {f"sizes.{k}": "4" for k in ("stride", "window", "width", "residual_layers")},
            ),
            tmp_path / "paper",
        )


def test_branches_are_trained_and_merged_into_plain_weights(data: Path, tmp_path: Path) -> None:
    weights = {}
    for branches in (True, False):
        settings = resolve("fast", data, {**FAST, "branches": str(branches).lower()})
        assert settings.branches is branches
        run.start(settings, tmp_path / str(branches))
        weights[branches] = weights_of(tmp_path / str(branches))
    assert weights[True].keys() == weights[False].keys()
    assert not torch.equal(weights[True]["residual.0.weight"], weights[False]["residual.0.weight"])
    trained = torch.load(tmp_path / "True" / CHECKPOINT)["state_dict"]
    centre = trained["network.residual.0.square.weight"][..., 1, 1]
    for branch in range(3):
        kernel = trained[f"network.residual.0.branches.{branch}.weight"]
        centre = centre + kernel[..., kernel.shape[2] // 2, kernel.shape[3] // 2]
    torch.testing.assert_close(weights[True]["residual.0.weight"][..., 1, 1], centre)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_infrared_is_shown_out_of_line_and_compared_in_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    shown, compared = [], []
    fuse, lose = MixingFusionNet.forward, FusionLoss.__call__

    def look(self: MixingFusionNet, infrared: torch.Tensor, luminance: torch.Tensor):
        shown.append((infrared, luminance))
        return fuse(self, infrared, luminance)

    def compare(self: FusionLoss, fused: torch.Tensor, infrared: torch.Tensor, *others):
        compared.append((infrared, others[0]))
        return lose(self, fused, infrared, *others)

    monkeypatch.setattr(MixingFusionNet, "forward", look)
    monkeypatch.setattr(FusionLoss, "__call__", compare)
    changes = {**FAST, "crop": "20", "steps": "1", "tone_share": "0", "move_share": str(share)}
    run.start(resolve("fast", data, changes), tmp_path / "run")
    (infrared, visible), (target, luminance) = shown[0], compared[0]
    assert infrared.shape == target.shape == (2, 1, 20, 20)
    assert torch.equal(visible, luminance)
    assert torch.equal(infrared, target) is (share == 0)


def test_training_lowers_the_loss(data: Path, tmp_path: Path) -> None:
    run.start(resolve("fast", data, {**FAST, "steps": "60", "batch": "4"}), tmp_path / "run")
    infrared, visible = scene(32, 40)
    maximum = np.maximum(infrared, visible[..., 1]).astype(float)
    errors = []
    for name in ("untrained", "trained"):
        network = load((tmp_path / "run" / run.WEIGHTS).read_bytes()).eval()
        if name == "untrained":
            torch.manual_seed(0)
            network = type(network)().eval()
        tensors = [
            torch.from_numpy(image / 255).float()[None, None]
            for image in (infrared, visible[..., 1])
        ]
        with torch.no_grad():
            errors.append(np.abs(network(*tensors)[0, 0].numpy() * 255 - maximum).mean())
    assert errors[1] < 0.8 * errors[0]


def test_presets_are_valid_and_say_their_command(data: Path) -> None:
    for preset in PRESETS:
        settings = resolve(preset, data, {})
        assert command(settings).endswith(
            f" method {preset} {data.name}" if preset in COMPARISON else f" --preset {preset}"
        )
    paper = resolve("paper", data, {}).model_dump()
    assert (paper["batch"], paper["crop"], paper["steps"]) == (64, 64, 30 * 819)
    assert paper["loss"] == {
        "illumination": 3,
        "intensity": 7,
        "gradient": 50,
        "texture": "magnitude",
        "target": "maximum",
        "coarse": 0,
        "fidelity": 0,
        "edges": 0,
    }


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"step": "3"}, "'step': Extra inputs"),
        ({"steps": "many"}, "'steps'"),
        ({"steps": "0"}, "'steps'"),
        ({"loss.colour": "1"}, r"'loss\.colour'"),
        ({"loss.texture": "rough"}, r"'loss\.texture'"),
        ({"model.width": "3"}, "'model' has no parts"),
        ({"sizes.window": "11"}, "a window of 11 cannot surround a block of 4 evenly"),
        ({"sizes.depth": "3"}, r"'sizes\.depth'"),
        ({"preset": "paper", "model": "paper", "branches": "true"}, "no residual layers to spread"),
        ({"crop": "40"}, "the fidelity term needs crops of at least 41 pixels, found 40"),
    ],
)
def test_unknown_or_impossible_settings(data: Path, overrides: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve("fast", data, overrides)
    with pytest.raises(UsageError, match=r"expected a preset of .*, found 'slow'"):
        resolve("slow", data, {})


def test_from_the_command_line_to_a_fused_picture(piafusion, data: Path, tmp_path: Path) -> None:
    small = [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]
    plain = ("--set", "loss.fidelity=0", "--set", "loss.edges=0")
    light, fusion, weights = (tmp_path / name for name in ("light", "fusion", "weights"))
    done = piafusion("train", "illumination", data, "-o", light, *small)
    assert done.code == 0, done.err
    assert "weights: " in done.out
    assert piafusion("export", light, "-o", weights).code == 0
    done = piafusion(
        *("train", "fusion", data, "-o", fusion, *small, *plain),
        *("--set", f"light={weights / 'illumination.onnx'}"),
    )
    assert done.code == 0, done.err
    done = piafusion("export", fusion, "-o", weights, "--name", "mine", "--summary", "A try.")
    assert done.code == 0, done.err
    assert set(load_manifest(weights)) == {"illumination", "mine"}
    assert load_manifest(weights)["mine"].summary == "A try."
    infrared, visible = scene(37, 41)
    fused = [
        Fuser(model=str(weights / "mine.onnx"), engine=engine)(infrared, visible).astype(int)
        for engine in ("onnx", "torch")
    ]
    assert np.abs(fused[0] - fused[1]).max() <= 1


def test_training_mistakes_on_the_command_line(piafusion, data: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("illumination", data, "--preset", "fast"), "does not train illumination"),
        (("fusion", data, "--set", "steps"), "expected NAME=VALUE"),
        (("fusion", tmp_path / "none"), "expected a folder of images"),
        (("fusion", data, "--set", "light=nowhere"), "found 'nowhere'"),
    ):
        done = piafusion("train", *arguments, "-o", tmp_path / "run")
        assert done.code == 2, done.err
        assert message in done.err
    assert piafusion("export", tmp_path / "run", "-o", tmp_path / "weights").code == 2


def test_an_export_that_does_not_match_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from piafusion.lab.training.export import export_run

    run.start(resolve("fast", data, {**FAST, "steps": "2"}), tmp_path / "run")
    other = onnx.load_from_string(read_weights("piafusion-fast", "onnx", "fusion"))
    monkeypatch.setattr("piafusion.lab.training.export._with_share", lambda *_: other)
    with pytest.raises(WeightsError, match="answer like torch"):
        export_run(tmp_path / "run", tmp_path / "weights")
    assert not (tmp_path / "weights").exists()
