"""A training run: a folder with settings, checkpoints, logs and, at the end, weights."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from piafusion.datasets.folders import dataset_name
from piafusion.errors import TrainingError, UsageError
from piafusion.imaging.io import write_bytes
from piafusion.models import IlluminationNet, dump, load
from piafusion.training.config import (
    FusionSettings,
    IlluminationSettings,
    TrainingSettings,
    command,
    validate,
)
from piafusion.training.data import TrainingPairs, load_training_pairs
from piafusion.training.modules import FusionTraining, IlluminationTraining
from piafusion.weights import read_weights

SETTINGS, CHECKPOINT, WEIGHTS, RECORD = (
    "settings.json",
    "last.ckpt",
    "weights.safetensors",
    "record.json",
)


def start(settings: TrainingSettings, run: Path) -> Path:
    """Train from scratch into a new folder and return the path of the weights.

    Raises:
        UsageError: If the folder already holds a run, or the data cannot be found.
        TrainingError: If the data cannot be used or the loss is no longer finite.
    """
    if (run / SETTINGS).exists():
        raise UsageError(f"{run}: holds a run already; add --resume or choose another folder")
    return _train(settings, run)


def resume(run: Path, wanted: TrainingSettings) -> Path:
    """Go on with a run from its last checkpoint and return the path of the weights.

    Args:
        run: Folder of the run.
        wanted: The settings asked for now; they must be those that the run was started with.

    Raises:
        UsageError: If there is no run in the folder, it is finished, or the settings differ.
    """
    settings = load_settings(run)
    then, now = settings.model_dump(), wanted.model_dump()
    changed = [name for name in now if name not in then or then[name] != now[name]]
    if changed:
        raise UsageError(
            f"{run}: expected the settings it was started with, found another "
            f"{', '.join(changed)}; give the same ones or start a new run"
        )
    if (run / WEIGHTS).exists():
        raise UsageError(f"{run}: is finished ({WEIGHTS} is there); nothing to resume")
    return _train(settings, run)


def load_settings(run: Path) -> TrainingSettings:
    """Return the settings that a run was started with."""
    if not (run / SETTINGS).is_file():
        raise UsageError(f"{run}: expected a training run, found no {SETTINGS}; check the path")
    return validate(json.loads((run / SETTINGS).read_text()))


def _train(settings: TrainingSettings, run: Path) -> Path:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")  # about its own internals
    pairs = load_training_pairs(settings.data)
    lightning.seed_everything(settings.seed, verbose=False)
    module = _module(settings, pairs)
    run.mkdir(parents=True, exist_ok=True)
    (run / SETTINGS).write_text(settings.model_dump_json(indent=2) + "\n")
    checkpoint = run / CHECKPOINT
    timer = Timer()  # its time is kept in the checkpoints
    trainer = _trainer(settings, run, timer)
    trainer.fit(module, ckpt_path=checkpoint if checkpoint.exists() else None)
    if trainer.global_step < settings.last_step:
        raise TrainingError(
            f"{run}: interrupted at step {trainer.global_step} of {settings.last_step}; the same "
            "command with --resume goes on from the last checkpoint"
        )
    record = _record(settings, pairs, seconds=timer.time_elapsed("train"))
    (run / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    write_bytes(run / WEIGHTS, dump(settings.model, module.network))
    return run / WEIGHTS


def _module(
    settings: TrainingSettings, pairs: TrainingPairs
) -> FusionTraining | IlluminationTraining:
    if isinstance(settings, IlluminationSettings):
        return IlluminationTraining(settings, pairs)
    if not isinstance(settings, FusionSettings):
        raise TypeError(f"expected fusion or illumination settings, found {type(settings)}")
    illumination: IlluminationNet | None = None
    if settings.light != "label":
        network = load(read_weights(settings.light, "safetensors", "illumination"))
        if not isinstance(network, IlluminationNet):
            raise UsageError(f"light: {settings.light!r} is not an illumination model")
        illumination = network
    return FusionTraining(settings, pairs, illumination)


def _trainer(settings: TrainingSettings, run: Path, timer: Timer) -> lightning.Trainer:
    every = settings.checkpoint_every
    keeper = ModelCheckpoint(
        dirpath=run,
        filename=Path(CHECKPOINT).stem,
        every_n_train_steps=every,
        enable_version_counter=False,
    )
    progress = RichProgressBar() if sys.stderr.isatty() else _ProgressLines(settings.last_step)
    return lightning.Trainer(
        max_steps=settings.last_step,
        max_epochs=-1,
        accelerator="auto",
        devices=1,
        gradient_clip_val=settings.gradient_clip,
        callbacks=[timer, keeper, progress],
        enable_progress_bar=isinstance(progress, RichProgressBar),
        enable_model_summary=False,
        logger=[
            CSVLogger(run, name="", version="log"),
            TensorBoardLogger(run, name="", version="log"),
        ],
        log_every_n_steps=min(50, settings.last_step),
    )


def _record(settings: TrainingSettings, pairs: TrainingPairs, *, seconds: float) -> dict[str, Any]:
    """Return what a manifest says of a run."""
    digest = hashlib.sha256()
    for stem, infrared, visible in zip(pairs.stems, pairs.infrared, pairs.visible, strict=True):
        digest.update(stem.encode())
        digest.update(infrared.numpy().tobytes())
        digest.update(visible.numpy().tobytes())
    return {
        "command": command(settings),
        "data": dataset_name(settings.data),
        "pairs": len(pairs),
        "data_sha256": digest.hexdigest(),
        "seed": settings.seed,
        "steps": settings.last_step,
        "settings": settings.model_dump(mode="json", exclude={"data", "preset"}),
        "torch": torch.__version__,
        "hardware": _hardware(),
        "seconds": round(seconds),
    }


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} CPU threads"


class _ProgressLines(Callback):
    """Where there is no terminal: a line now and then instead of a bar."""

    def __init__(self, steps: int, seconds: float = 15.0) -> None:
        self._steps, self._seconds = steps, seconds
        self._first: tuple[float, int] | None = None
        self._last = 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        now, step = time.monotonic(), trainer.global_step
        first_time, first_step = self._first = self._first or (now, step)
        if now - self._last < self._seconds and step < self._steps:
            return
        self._last = now
        rate = (step - first_step) / (now - first_time) if step > first_step else 0.0
        left = f"{(self._steps - step) / rate / 60:.1f} min left" if rate else "starting"
        terms = "  ".join(f"{k} {float(v):.4f}" for k, v in trainer.logged_metrics.items())
        print(f"step {step}/{self._steps}  {terms}  {rate:.2f} steps/s  {left}", flush=True)
