"""A training run: a folder with settings, checkpoints, logs and, at the end, weights."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from piafusion.errors import TrainingError, UsageError
from piafusion.files import read_json, sha256, sweep, write_bytes, write_json
from piafusion.lab.data.folders import dataset_name
from piafusion.lab.models import IlluminationNet, MixingFusionNet, dump, load
from piafusion.lab.models.folding import merge, spread
from piafusion.lab.training.checkpoints import Keeper, WholeCheckpoints, find_checkpoint
from piafusion.lab.training.config import (
    ContextSettings,
    FusionSettings,
    IlluminationSettings,
    MethodSettings,
    TrainingSettings,
    command,
    portable,
    validate,
)
from piafusion.lab.training.context import ContextTraining
from piafusion.lab.training.data import TrainingPairs, hold_apart, load_training_pairs
from piafusion.lab.training.loop import (
    Precision,
    StepReport,
    fit,
    fitting_precision,
    quieten,
)
from piafusion.lab.training.modules import (
    SCORE,
    FusionTraining,
    IlluminationTraining,
    MethodTraining,
    Training,
)
from piafusion.run.progress import Progress, silent
from piafusion.weights import Kind, find_record, read_weights

_REPORT_EVERY, _LOG_EVERY = 10, 50  # steps

SETTINGS, WEIGHTS, RECORD = "settings.json", "weights.safetensors", "record.json"
LOG = "log"


def start(settings: TrainingSettings, run: Path, progress: Progress = silent) -> Path:
    """Train from scratch into a new folder and return the path of the weights.

    Raises:
        UsageError: If the folder already holds a run, or the data cannot be found.
        TrainingError: If the data cannot be used, or training fails.
    """
    if is_main_process() and (run / SETTINGS).exists():
        raise UsageError(f"{run}: holds a run already; add --resume or choose another folder")
    return _train(settings, run, progress)


def resume(run: Path, wanted: TrainingSettings, progress: Progress = silent) -> Path:
    """Continue a run from its last checkpoint and return the path of the weights.

    Args:
        run: Folder of the run.
        wanted: The settings asked for now; they must be those that the run was started with,
            except for the hardware.
        progress: Shows the steps.

    Raises:
        UsageError: If there is no run in the folder, it is finished, or the settings differ.
    """
    settings = load_settings(run)
    then, now = settings.model_dump(), wanted.model_dump()
    changed = [name for name in now if name != "hardware" and then.get(name, ...) != now[name]]
    if changed:
        raise UsageError(
            f"{run}: expected the settings it was started with, found another "
            f"{', '.join(changed)}; give the same ones or start a new run"
        )
    if (run / WEIGHTS).exists():
        raise UsageError(
            f"{run}: expected a run to resume, found a finished one ({WEIGHTS}); start a new one"
        )
    return _train(wanted, run, progress, fitting_precision(settings.hardware))


def finish(run: Path, settings: TrainingSettings, progress: Progress = silent) -> Path:
    """Start a run, or continue it, or leave it alone if it is finished; return its weights.

    Raises:
        UsageError: If the run was started with other settings, or the data cannot be found.
        TrainingError: If the data cannot be used, or training fails.
    """
    if (run / WEIGHTS).is_file():
        return run / WEIGHTS
    began = (run / SETTINGS).is_file()
    return resume(run, settings, progress) if began else start(settings, run, progress)


def is_main_process() -> bool:
    """Tell the process that writes from the others of a run on several devices or nodes."""
    # Before there is a trainer, Lightning takes the first process of any node for the first.
    node = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))
    return bool(rank_zero_only.rank == 0) and node == "0"  # type: ignore[attr-defined]


def load_settings(run: Path) -> TrainingSettings:
    """Return the settings that a run was started with.

    Raises:
        UsageError: If there is no run in the folder, or its settings are damaged.
    """
    path = run / SETTINGS
    if not path.is_file():
        raise UsageError(f"{run}: expected a training run, found no {SETTINGS}; check the path")
    remedy = "restore the file, or start a new run in another folder"
    values = read_json(path, dict, "the settings of a training run", remedy)
    try:
        return validate(values)
    except UsageError as error:
        raise UsageError(f"{path}: {error}; {remedy}") from error


def _train(
    settings: TrainingSettings, run: Path, progress: Progress, began: Precision | None = None
) -> Path:
    quieten()
    settings = _with_precision(settings, began)
    everything = load_training_pairs(settings.data)
    held = hold_apart(everything.stems, settings.validation)
    pairs = everything.select([i for i in range(len(everything)) if i not in held])
    lightning.seed_everything(settings.seed, verbose=False)
    module = _module(settings, pairs, everything.select(held) if held else None)
    before = _start_from(settings, module.network)
    light = _light(settings)
    if isinstance(settings, FusionSettings) and settings.branches:
        spread(cast(MixingFusionNet, module.network))
    checkpoint = find_checkpoint(run, module, writes=is_main_process())
    if is_main_process():
        sweep(run)  # what a killed process left
        write_bytes(run / SETTINGS, f"{settings.model_dump_json(indent=2)}\n".encode())
    timer = Timer()  # its time is kept in the checkpoints
    keeper = Keeper(
        run,
        every=settings.checkpoint_every,
        last_step=settings.last_step,
        validate_every=_validate_every(settings) if held else None,
        score=SCORE,
    )
    steps = settings.last_step

    def on_step(step: int, loss: float) -> None:
        progress(f"training, loss {loss:.4f}", step, steps)

    callbacks = [timer, StepReport(on_step, steps, _REPORT_EVERY), keeper, _EarlierLog(run)]
    trainer = _trainer(settings, run, callbacks, validates=bool(held))
    fit(trainer, module, checkpoint)
    if trainer.global_step < settings.last_step:
        raise TrainingError(
            f"{run}: interrupted at step {trainer.global_step} of {settings.last_step}; the same "
            "command with --resume goes on from the last checkpoint"
        )
    if trainer.is_global_zero:
        record = _record(settings, pairs, timer)
        if held:
            module.load_state_dict(keeper.weights)
            record["validation"] = {
                "pairs": [everything.stems[index] for index in held],
                "chosen_step": keeper.step,
                "score": keeper.score,
            }
        if before is not None:
            record["start"] = before
        if light is not None:
            record["light"] = light
        write_json(run / RECORD, record)
        write_bytes(run / WEIGHTS, dump(settings.model, merge(module.network)))
    return run / WEIGHTS


def _with_precision(settings: TrainingSettings, began: Precision | None) -> TrainingSettings:
    """Return the settings with a precision in the place of `auto`: that of the run's beginning."""
    hardware = settings.hardware
    if hardware.precision == "auto":
        hardware = hardware.model_copy(update={"precision": began or fitting_precision(hardware)})
    return settings.model_copy(update={"hardware": hardware})


def _leg(model: str, weights: bytes) -> dict[str, Any]:
    """Return the digest of weights that a run builds on, and how they were trained, if known."""
    path = Path(model)
    if path.name == WEIGHTS and (path.parent / RECORD).is_file():
        what = "the record of a training run"
        training = read_json(path.parent / RECORD, dict, what, "remove it")
    else:
        record = find_record(model)
        training = record.training if record else {}
    return {"sha256": sha256(weights), "training": training}


def _light(settings: TrainingSettings) -> dict[str, Any] | None:
    """Return the leg of the illumination network, if the settings name one."""
    if not isinstance(settings, FusionSettings) or settings.light in ("label", "equal"):
        return None
    return _leg(settings.light, read_weights(settings.light, "safetensors", "illumination"))


def _start_from(settings: TrainingSettings, network: nn.Module) -> dict[str, Any] | None:
    """Load the weights to start from, if there are any, and return their leg."""
    if settings.start_from is None:
        return None
    kind: Kind = "illumination" if isinstance(settings, IlluminationSettings) else "fusion"
    weights = read_weights(settings.start_from, "safetensors", kind)
    before = load(weights)
    if isinstance(before, MixingFusionNet):
        before.context = None  # which stays as it is, beside any fusion network
    try:
        network.load_state_dict(before.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"start_from: expected weights of the network {settings.model!r}, found others in "
            f"{settings.start_from!r}; choose a model of the same kind"
        ) from error
    return _leg(settings.start_from, weights)


def _validate_every(settings: TrainingSettings) -> int:
    return min(settings.validate_every, settings.last_step)


def _module(
    settings: TrainingSettings, pairs: TrainingPairs, held: TrainingPairs | None
) -> Training | ContextTraining:
    if isinstance(settings, ContextSettings):
        return ContextTraining(settings, pairs.stems, held.stems if held else [])
    if isinstance(settings, IlluminationSettings):
        return IlluminationTraining(settings, pairs, held)
    if isinstance(settings, MethodSettings):
        return MethodTraining(settings, pairs, held)
    if not isinstance(settings, FusionSettings):
        raise TypeError(f"expected settings of one of the trainings, found {type(settings)}")
    illumination: IlluminationNet | None = None
    if settings.light not in ("label", "equal"):
        network = load(read_weights(settings.light, "safetensors", "illumination"))
        if not isinstance(network, IlluminationNet):
            raise UsageError(f"light: {settings.light!r} is not an illumination model")
        illumination = network
    return FusionTraining(settings, pairs, held, illumination)


def _trainer(
    settings: TrainingSettings, run: Path, callbacks: list[Callback], *, validates: bool
) -> lightning.Trainer:
    hardware = settings.hardware
    return lightning.Trainer(
        default_root_dir=run,
        max_steps=settings.last_step,
        max_epochs=-1,
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy="ddp" if hardware.ranks > 1 else "auto",
        precision=fitting_precision(hardware),
        use_distributed_sampler=False,  # processes share each batch, not the counted steps
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        enable_checkpointing=False,  # that is what the keeper does
        val_check_interval=_validate_every(settings),
        check_val_every_n_epoch=None,
        limit_val_batches=1.0 if validates else 0,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=[
            CSVLogger(run, name="", version=LOG),
            TensorBoardLogger(run, name="", version=LOG),
        ],
        log_every_n_steps=min(_LOG_EVERY, settings.last_step),
    )


class _EarlierLog(Callback):
    """Keeps the rows of `metrics.csv` up to the checkpoint; Lightning's logger begins it anew."""

    def __init__(self, run: Path) -> None:
        path = run / LOG / "metrics.csv"
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        self._rows = list(csv.DictReader(text.splitlines()))

    def on_train_start(self, trainer: lightning.Trainer, *_: object) -> None:
        """Write the rows, in the process that writes."""
        done = {str(step) for step in range(trainer.global_step)}
        kept = [row for row in self._rows if row.get("step") in done]
        logger = trainer.loggers[0]
        if kept and trainer.is_global_zero and isinstance(logger, CSVLogger):
            logger.experiment.metrics.extend(kept)
            logger.save()


def _record(settings: TrainingSettings, pairs: TrainingPairs, timer: Timer) -> dict[str, Any]:
    """Return the description of a run for a manifest."""
    pixels = (each.numpy().tobytes() for each in (pairs.infrared, pairs.visible))
    seconds = timer.time_elapsed("train")
    crops = (
        settings.last_step * settings.batch / max(seconds - timer.time_elapsed("validate"), 1e-9)
    )
    return {
        "command": command(settings),
        "data": dataset_name(settings.data),
        "pairs": len(pairs),
        "data_sha256": sha256(*pixels, " ".join(pairs.stems).encode()),
        "seed": settings.seed,
        "steps": settings.last_step,
        "settings": {k: v for k, v in portable(settings).items() if k not in ("data", "preset")},
        "torch": torch.__version__,
        "hardware": _hardware(),
        "seconds": round(seconds),
        "crops_per_second": round(crops, 1),
        "pixels_per_second": round(crops * settings.crop**2),
    }


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} CPU threads"
