"""The loop of every training: batches by step, Adam, and checks that stop a failed run."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar

import lightning
import safetensors.torch
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from piafusion.errors import OutputError, PiafusionError, TrainingError, system_reason
from piafusion.files import write_bytes
from piafusion.machine import has_bf16
from piafusion.run.settings import ComputeSettings, LoopSettings

FAILED_BATCH = "failed_batch.safetensors"

_STEPS_WITHOUT_GRADIENT = 10
"""After so many in a row the run stops: a saturated network learns no more."""

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]

BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)


class Sampler(Protocol[BatchT_co]):
    """Draws batches, which are dataclasses of tensors, from the seed and the step alone."""

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> BatchT_co:
        """Return batch number `step`, or the share of it of one of several ranks."""

    def describe(self, step: int) -> str:
        """Return in words which crops a batch holds."""

    def to(self, device: torch.device) -> None:
        """Move the data to a device; batches are then made there."""


def fitting_precision(hardware: ComputeSettings) -> Precision:
    """Return the precision that was asked for, or the one that `auto` means on this machine."""
    if hardware.precision != "auto":
        return hardware.precision
    on_gpu = hardware.accelerator != "cpu" and torch.cuda.is_available()
    return "bf16-mixed" if has_bf16() and not on_gpu else "32-true"


class StepReport(Callback):
    """Calls a function with the number of steps and the loss, after some steps and the last."""

    def __init__(self, on_step: Callable[[int, float], None], steps: int, every: int = 1) -> None:
        self._on_step, self._steps, self._every = on_step, steps, every

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        """Report the step, in the process that writes; the loss is waited for, so not too often."""
        step = trainer.global_step
        if trainer.is_global_zero and (step % self._every == 0 or step == self._steps):
            self._on_step(step, float(trainer.callback_metrics["loss"]))


class TrainingLoop(lightning.LightningModule, Generic[BatchT]):
    """Trains a network by Adam with exponential decay, and checks the loss and the gradients."""

    def __init__(
        self, settings: LoopSettings, network: nn.Module, sampler: Sampler[BatchT]
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sampler = sampler
        self._without_gradient = 0

    def on_fit_start(self) -> None:
        """Move the data to the device of the network, so that no batch has to be copied."""
        self._sampler.to(self.device)

    def train_dataloader(self) -> Iterable[int]:
        """Only count the steps: the sampler draws a batch from the number of its step."""
        return count(self.settings.steps)

    def training_step(self, *_: object) -> Tensor:
        """Compute the loss of this process's share of the step's batch."""
        batch = self._batch()
        terms = self._losses(batch)
        if not torch.isfinite(terms["loss"]):
            found = ", ".join(f"{name} {value.item():g}" for name, value in terms.items())
            self._stop(f"expected a finite loss, found {found}", batch)
        self.log_dict({name: value.detach() for name, value in terms.items()})
        return terms["loss"]

    def configure_gradient_clipping(self, *_: object, **__: object) -> None:
        """Clip the norm of the gradients; stop if the norm shows that training has failed."""
        settings = self.settings
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), settings.gradient_clip)
        self.log("gradient_norm", norm)
        if settings.hardware.precision == "16-mixed" and not torch.isfinite(norm):
            return  # the gradient scaler skips this step and lowers its scale
        if not norm <= settings.gradient_limit:
            limit = f"{settings.gradient_limit:g}"
            self._stop(
                f"expected a gradient norm of at most {limit}, found {norm.item():g}", self._batch()
            )
        self._without_gradient = 0 if norm > 0 else self._without_gradient + 1
        if self._without_gradient == _STEPS_WITHOUT_GRADIENT:
            self._stop(
                f"expected a gradient, found none in {_STEPS_WITHOUT_GRADIENT} steps: the "
                "output no longer depends on the weights",
                self._batch(),
            )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam, its rate decayed exponentially to `decay` times the first at the last step."""
        settings = self.settings
        optimizer: Optimizer = torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(
            optimizer, settings.decay ** (1 / settings.steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _batch(self) -> BatchT:
        return self._sampler(self.global_step, self.global_rank, self.trainer.world_size)

    def _stop(self, what: str, batch: BatchT) -> NoReturn:
        """Save the batch of this step and end the run."""
        path = Path(self.trainer.default_root_dir) / FAILED_BATCH
        given: Any = batch
        tensors = {field.name: getattr(given, field.name) for field in fields(given)}
        kept = {name: each.contiguous().cpu() for name, each in tensors.items()}
        write_bytes(path, safetensors.torch.save(kept))
        raise TrainingError(
            f"step {self.global_step}: {what}; look at the batch in {path} "
            f"({self._sampler.describe(self.global_step)}), lower learning_rate or gradient_clip "
            "or take another seed, and start again"
        )

    def _losses(self, batch: BatchT) -> dict[str, Tensor]:
        """Return the value to minimise as "loss", and any terms of it to log."""
        raise NotImplementedError


def count(length: int) -> Iterable[int]:
    """Return a data loader that only counts: Lightning needs one."""
    return DataLoader(range(length), batch_size=None)  # type: ignore[arg-type]


def fit(
    trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: Path | None = None
) -> None:
    """Train, from a checkpoint on if there is one.

    Raises:
        TrainingError: If a check stops the run.
        OutputError: If a file cannot be written.
    """
    show = threading.excepthook

    def show_others(found: threading.ExceptHookArgs) -> None:
        if not isinstance(found.exc_value, OSError):
            show(found)

    threading.excepthook = show_others  # TensorBoard's thread raises here once more
    # Processors are many times slower on denormal numbers, and a loss near 0 is full of them.
    torch.set_flush_denormal(True)
    try:
        trainer.fit(module, ckpt_path=checkpoint)
    except PiafusionError:
        raise
    except OSError as error:  # the loggers' files
        reason = system_reason(error)
        raise OutputError(
            f"{trainer.default_root_dir}: the log could not be written ({reason}); check the "
            "folder and the free space, then resume"
        ) from error
    finally:
        threading.excepthook = show
        torch.set_flush_denormal(False)


def quieten() -> None:
    """Silence Lightning's messages about its internals."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
