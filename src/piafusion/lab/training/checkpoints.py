"""Checkpoints that survive a kill at any moment: whole files, and the one before the last."""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from piafusion.errors import TrainingError, system_reason
from piafusion.files import replacement

CHECKPOINT, PREVIOUS, DAMAGED = "last.ckpt", "previous.ckpt", "damaged.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint and keeps the one before it."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: object = None,
    ) -> None:
        """Write a checkpoint. If the process is killed meanwhile, a whole one remains.

        An existing file is renamed to `PREVIOUS`.

        Raises:
            OutputError: If it cannot be written; the checkpoints that are there stay.
        """
        data = io.BytesIO()
        torch.save(checkpoint, data)
        target = Path(path)
        with replacement(target) as temporary:
            with temporary.open("wb") as file:
                file.write(data.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                os.replace(target, target.with_name(PREVIOUS))


class Keeper(Callback):
    """Writes `CHECKPOINT` and keeps the best weights in it.

    One file holds everything that a run needs to continue: after a kill there are no two files that
    differ. It is written when nothing more belongs to the step: where a validation follows, after
    that.

    Attributes:
        step: At which the best weights were found; None before the first validation.
        score: Score of the best weights; higher is better.
        weights: The best ones, on the CPU.
    """

    def __init__(
        self, run: Path, *, every: int, last_step: int, validate_every: int | None, score: str
    ) -> None:
        """Prepare a run.

        A checkpoint is written every `every` steps and after the last. `score` names the logged
        value that the best weights maximise; without `validate_every` there are no validations.
        """
        self._path, self._every, self._last_step = run / CHECKPOINT, every, last_step
        self._validate_every, self._name = validate_every, score
        self.step: int | None = None
        self.score = -math.inf
        self.weights: dict[str, Tensor] = {}

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        """Write a checkpoint if it is time, and no validation follows."""
        step = trainer.global_step
        if self._validate_every is not None and step % self._validate_every == 0:
            return
        if step % self._every == 0 or step == self._last_step:
            trainer.save_checkpoint(self._path)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Take the weights if they are the best, and write a checkpoint."""
        score = float(trainer.callback_metrics[self._name])
        if self.step is None or score > self.score:
            self.step, self.score = trainer.global_step, -math.inf if math.isnan(score) else score
            self.weights = {k: v.detach().cpu().clone() for k, v in pl_module.state_dict().items()}
        trainer.save_checkpoint(self._path)

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights for the checkpoint."""
        return {"step": self.step, "score": self.score, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best weights from a checkpoint."""
        self.step, self.score = state_dict["step"], state_dict["score"]
        self.weights = state_dict["weights"]


def find_checkpoint(run: Path, module: lightning.LightningModule, *, writes: bool) -> Path | None:
    """Return the checkpoint to continue from: the last, or the one before if that is damaged.

    Args:
        run: Folder of the run.
        module: The network that the checkpoint must match.
        writes: Whether this process writes: it says if the last is missing or damaged, and
            renames a damaged one, which must not become the one before.

    Raises:
        TrainingError: If there are checkpoints and none can be used.
    """
    last, previous = run / CHECKPOINT, run / PREVIOUS
    damage = ""
    for path in (last, previous):
        if not path.exists():
            continue
        found = _damage(path, module)
        if not found:
            if path == previous and writes:
                print(f"{last}: {damage or 'missing'}; going on from {PREVIOUS}", flush=True)
                if damage:
                    os.replace(last, run / DAMAGED)
            return path
        damage = damage or found
    if damage:
        raise TrainingError(
            f"{last if last.exists() else previous}: expected a checkpoint of this run, found it "
            f"{damage}, and no other that is whole; restore a copy, or remove {CHECKPOINT} and "
            f"{PREVIOUS} to begin again at step 0"
        )
    return None


def _damage(path: Path, module: lightning.LightningModule) -> str:
    """Return in a few words how a checkpoint is damaged; "" if it is whole."""
    try:
        data = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(data) as archive:  # torch does not look at the checksums
            if archive.testzip() is not None:
                return "damaged (a checksum differs)"
        data.seek(0)
        checkpoint = torch.load(data, map_location="cpu", weights_only=True)
        state, callbacks = checkpoint["state_dict"], checkpoint["callbacks"]
    except OSError as error:
        return f"unreadable ({system_reason(error)})"
    except Exception as error:  # what readers of damaged bytes raise has no end
        return f"damaged ({type(error).__name__})"
    expected = {name: each.shape for name, each in module.state_dict().items()}
    if {name: getattr(each, "shape", None) for name, each in state.items()} != expected:
        return "of another network"
    if Keeper.__qualname__ not in callbacks:
        return "of another version of piafusion"
    return ""
