"""A run outlasts a kill at any moment and a full disk; damage of its files is told in a line."""

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import lightning
import numpy as np
import pytest
import safetensors.torch
import torch
from lightning.pytorch.loggers import CSVLogger
from tensorboard.summary.writer.record_writer import RecordWriter

from piafusion.errors import OutputError, PiafusionError, TrainingError, UsageError, WeightsError
from piafusion.imaging.io import write_image
from piafusion.lab.training import run
from piafusion.lab.training.checkpoints import CHECKPOINT, DAMAGED, PREVIOUS, Keeper
from piafusion.lab.training.config import TrainingSettings, resolve
from piafusion.lab.training.export import export_run
from piafusion.lab.training.modules import FusingTraining, FusionTraining
from tests.conftest import scene

# Checkpoints at steps 2, 3, 4, 6, 8, 9, 10 and 11, validations at 3, 6 and 9; 6 scores best.
CHANGES = {
    **{"steps": "11", "batch": "2", "crop": "16", "checkpoint_every": "2"},
    **{"validation": "2", "validate_every": "3"},
    **{"loss.fidelity": "0", "loss.edges": "0", "sizes.width": "4", "sizes.residual_layers": "1"},
}
BEST_STEP = 6


class Killed(BaseException):
    """In place of a signal that ends the process."""


@pytest.fixture(autouse=True)
def best(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(self: FusionTraining, _: object) -> float:
        return -abs(self.global_step - BEST_STEP)

    monkeypatch.setattr(FusionTraining, "_score", score)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    root = tmp_path_factory.mktemp("pairs")
    for index, stem in enumerate(("001D", "100D", "200N", "300N")):
        infrared, visible = scene(48, 56, seed=index)
        write_image(root / "ir" / f"{stem}.png", infrared)
        write_image(root / "vi" / f"{stem}.png", visible)
    return resolve("fast", root, CHANGES)


@pytest.fixture(scope="module")
def whole(settings: TrainingSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that nothing breaks."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            FusionTraining, "_score", lambda self, _: -abs(self.global_step - BEST_STEP)
        )
        run.start(settings, folder)
    return folder


def assert_same_result(folder: Path, whole: Path) -> None:
    one, other = (
        safetensors.torch.load((each / run.WEIGHTS).read_bytes()) for each in (folder, whole)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    records = [json.loads((each / run.RECORD).read_text()) for each in (folder, whole)]
    assert records[0]["validation"] == records[1]["validation"]
    assert records[0]["validation"]["chosen_step"] == BEST_STEP


def step_of(path: Path) -> int:
    return torch.load(path, weights_only=True)["global_step"]


def kill_in_a_step(patched: pytest.MonkeyPatch) -> None:
    step = FusionTraining.training_step

    def training_step(self: FusionTraining, *args: object) -> torch.Tensor:
        if self.global_step == 7:
            raise Killed
        return step(self, *args)

    patched.setattr(FusionTraining, "training_step", training_step)


def kill_in_the_best_validation(patched: pytest.MonkeyPatch) -> None:
    validate = FusingTraining._evaluate

    def evaluate(self: FusingTraining, *args: object, **named: object) -> dict[str, float]:
        if self.global_step == BEST_STEP:
            raise Killed
        return validate(self, *args, **named)

    patched.setattr(FusingTraining, "_evaluate", evaluate)


def kill_after_the_best_validation(patched: pytest.MonkeyPatch) -> None:
    save = lightning.Trainer.save_checkpoint

    def save_checkpoint(self: lightning.Trainer, *args: object) -> None:
        if self.global_step == BEST_STEP:
            raise Killed
        save(self, *args)

    patched.setattr(lightning.Trainer, "save_checkpoint", save_checkpoint)


def kill_while_a_checkpoint_is_written(patched: pytest.MonkeyPatch) -> None:
    fail_at_checkpoint(patched, 4, Killed())


def kill_between_the_renames(patched: pytest.MonkeyPatch, number: int = 4) -> None:
    rename, done = os.replace, []

    def replace(source: Path, target: Path) -> None:
        if target.name == CHECKPOINT:
            done.append(target)
            if len(done) == number:
                raise Killed
        rename(source, target)

    patched.setattr(os, "replace", replace)


def kill_before_the_weights(patched: pytest.MonkeyPatch) -> None:
    def dump(*_: object) -> bytes:
        raise Killed

    patched.setattr(run, "dump", dump)


def fail_at_checkpoint(patched: pytest.MonkeyPatch, number: int, failure: BaseException) -> None:
    """Fail when a part of that checkpoint, counted from 1, is written."""
    save, sync, saved = torch.save, os.fsync, []

    def count(*args: object) -> None:
        saved.append(args)
        save(*args)

    def fsync(file: int) -> None:
        if len(saved) == number:
            os.truncate(file, 1000)
            raise failure
        sync(file)

    patched.setattr(torch, "save", count)
    patched.setattr(os, "fsync", fsync)


@pytest.mark.parametrize(
    "kill",
    [
        kill_in_a_step,
        kill_in_the_best_validation,
        kill_after_the_best_validation,
        kill_while_a_checkpoint_is_written,
        kill_between_the_renames,
        kill_before_the_weights,
    ],
)
def test_a_kill_at_any_moment_changes_no_result(
    settings: TrainingSettings, whole: Path, tmp_path: Path, kill
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        kill(patched)
        with pytest.raises(Killed):
            run.start(settings, tmp_path)
    assert not (tmp_path / run.WEIGHTS).exists()
    name = "from piafusion.files import *; print(temporary_beside(Path('last.ckpt')))"
    ended = subprocess.run([sys.executable, "-c", name], capture_output=True, text=True, check=True)
    (tmp_path / ended.stdout.strip()).write_bytes(b"half")  # what a real kill leaves
    run.resume(tmp_path, settings)
    assert_same_result(tmp_path, whole)
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / DAMAGED).exists()


def test_checkpoints_come_after_validation_and_at_the_end(whole: Path) -> None:
    assert (step_of(whole / PREVIOUS), step_of(whole / CHECKPOINT)) == (10, 11)


def test_a_full_disk_leaves_both_checkpoints(
    settings: TrainingSettings, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patched:
        fail_at_checkpoint(patched, 4, full)
        with pytest.raises(OutputError, match=r"last\.ckpt: .*no space left.*free space"):
            run.start(settings, tmp_path)
    assert [step_of(tmp_path / name) for name in (PREVIOUS, CHECKPOINT)] == [3, 4]
    run.resume(tmp_path, settings)
    assert_same_result(tmp_path, whole)


def test_a_log_that_cannot_be_written_is_told(
    settings: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(_: CSVLogger) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CSVLogger, "save", save)
    with pytest.raises(OutputError, match=rf"^{tmp_path}: the log .*no space left.*resume$"):
        run.start(settings, tmp_path)


def test_the_thread_of_a_log_shows_no_traceback(
    settings: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        tried.append(threading.current_thread())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tried: list[threading.Thread] = []
    shown: list[object] = []
    monkeypatch.setattr(RecordWriter, "write", write)
    monkeypatch.setattr(threading, "excepthook", shown.append)
    with contextlib.suppress(OutputError):  # if the thread is slow, the run ends without it
        run.start(settings, tmp_path)
    assert threading.main_thread() not in tried
    assert tried
    assert not shown
    assert threading.excepthook == shown.append


@pytest.fixture
def broken(settings: TrainingSettings, tmp_path: Path) -> Path:
    """Return a run that was killed in step 8, with checkpoints of the steps 4 and 6."""
    with pytest.MonkeyPatch.context() as patched:
        kill_in_a_step(patched)
        with pytest.raises(Killed):
            run.start(settings, tmp_path / "broken")
    return tmp_path / "broken"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    weight = next(iter(torch.load(path)["state_dict"].values())).numpy().tobytes()
    data[data.index(weight) + 5] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "missing"),
        (truncate, r"damaged \(BadZipFile\)"),
        (flip_a_bit, r"damaged \(a checksum differs\)"),
        (lambda path: path.write_bytes(b""), r"damaged \(BadZipFile\)"),
        (lambda path: torch.save({"state_dict": 1}, path), r"damaged \(KeyError\)"),
    ],
)
def test_a_damaged_last_checkpoint_costs_the_steps_since_the_one_before(
    settings: TrainingSettings,
    whole: Path,
    broken: Path,
    capsys: pytest.CaptureFixture[str],
    damage,
    said: str,
) -> None:
    assert [step_of(broken / name) for name in (PREVIOUS, CHECKPOINT)] == [4, 6]
    damage(broken / CHECKPOINT)
    capsys.readouterr()
    run.resume(broken, settings)
    lines = [line for line in capsys.readouterr().out.splitlines() if PREVIOUS in line]
    assert len(lines) == 1
    assert re.search(rf"{CHECKPOINT}: {said}; going on from {PREVIOUS}", lines[0])
    assert_same_result(broken, whole)
    assert (broken / DAMAGED).exists() is (said != "missing")


def test_a_damaged_checkpoint_never_becomes_the_one_before(
    settings: TrainingSettings, whole: Path, broken: Path
) -> None:
    truncate(broken / CHECKPOINT)
    with pytest.MonkeyPatch.context() as patched:
        kill_between_the_renames(patched, 1)
        with pytest.raises(Killed):
            run.resume(broken, settings)
    run.resume(broken, settings)
    assert_same_result(broken, whole)


def test_without_a_whole_checkpoint_the_run_says_what_to_do(
    settings: TrainingSettings, whole: Path, broken: Path
) -> None:
    truncate(broken / CHECKPOINT)
    truncate(broken / PREVIOUS)
    with pytest.raises(TrainingError, match=r"last\.ckpt: .*damaged.*remove .* at step 0"):
        run.resume(broken, settings)
    for name in (CHECKPOINT, PREVIOUS):
        (broken / name).unlink()
    run.resume(broken, settings)
    assert_same_result(broken, whole)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda kept: kept["state_dict"].popitem(), "of another network"),
        (lambda kept: kept["callbacks"].pop(Keeper.__qualname__), "of another version"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    settings: TrainingSettings, broken: Path, change, found: str
) -> None:
    kept = torch.load(broken / CHECKPOINT)
    change(kept)
    torch.save(kept, broken / CHECKPOINT)
    (broken / PREVIOUS).unlink()
    with pytest.raises(TrainingError, match=rf"last\.ckpt: expected .* found it {found}"):
        run.resume(broken, settings)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no JSON"),
        (b'{"preset":"fast","model":"piafusion-fast"<"data":"DATA"}', "no JSON"),
        (b'{"preset": "\xed"}', "no UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1, 2]", "found a list"),
        (b"null", "found null"),
        (b'{"preset": "fast", "steps": 8, "model": ["x"]}', "setting 'model'"),
        (b'{"preset": "fast", "model": "fast", "x": NaN}', "the number NaN"),
    ],
)
def test_damaged_settings_are_named(
    settings: TrainingSettings, broken: Path, content: bytes, found: str
) -> None:
    (broken / run.SETTINGS).write_bytes(content)
    for use in (run.load_settings, lambda folder: run.resume(folder, settings)):
        with pytest.raises(UsageError, match=r"settings\.json: .*; restore the file") as raised:
            use(broken)
        assert found in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        (run.WEIGHTS, b"", WeightsError),
        (run.WEIGHTS, b"\x10" + bytes(40), WeightsError),
        (run.WEIGHTS, b'\x02\0\0\0\0\0\0\0"x"', WeightsError),
        (run.RECORD, b"{", UsageError),
        (run.RECORD, b"7", UsageError),
        (run.RECORD, None, UsageError),
    ],
)
def test_damage_of_a_finished_run_is_named_and_mended(
    settings: TrainingSettings,
    whole: Path,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    error: type[PiafusionError],
) -> None:
    for file in (run.SETTINGS, run.RECORD, run.WEIGHTS, CHECKPOINT):
        (tmp_path / file).write_bytes((whole / file).read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=rf"{name}: expected .*; remove {run.WEIGHTS} and resume"):
        export_run(tmp_path, tmp_path / "weights")
    (tmp_path / run.WEIGHTS).unlink(missing_ok=True)
    run.resume(tmp_path, settings)
    assert_same_result(tmp_path, whole)


def test_scores_that_are_no_number_are_never_the_best(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, every=1, last_step=9, validate_every=1, score="score")

    class Trainer:
        def __init__(self, step: int, score: float) -> None:
            self.global_step, self.callback_metrics = step, {"score": torch.tensor(score)}

        def save_checkpoint(self, _: Path) -> None:
            """Do nothing."""

    module = lightning.LightningModule()
    for step, score in ((1, np.nan), (2, 0.5), (3, np.nan), (4, 0.25)):
        keeper.on_validation_end(Trainer(step, score), module)
    assert (keeper.step, keeper.score) == (2, 0.5)
