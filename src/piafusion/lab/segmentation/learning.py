"""Train one network on one source, and predict classes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from piafusion.lab.segmentation.networks import build
from piafusion.lab.segmentation.pictures import LabelledBatch, LabelledSampler, to_network
from piafusion.lab.segmentation.scores import IGNORED
from piafusion.lab.segmentation.settings import SegmentationSettings
from piafusion.lab.training.loop import TrainingLoop, fit, quieten

LOG = "log"


class SegmentationTraining(TrainingLoop[LabelledBatch]):
    """Training with cross-entropy in which rare classes may weigh more."""

    settings: SegmentationSettings

    def __init__(
        self, settings: SegmentationSettings, network: nn.Module, sampler: LabelledSampler
    ) -> None:
        """Prepare a training."""
        super().__init__(settings, network, sampler)
        weights = class_weights(sampler.counts, settings.balance)
        self.register_buffer("weights", weights, persistent=False)
        self.weights: Tensor

    def _losses(self, batch: LabelledBatch) -> dict[str, Tensor]:
        scores = self.network(batch.pictures).float()
        return {"loss": weighted_cross_entropy(scores, batch.labels, self.weights)}


def class_weights(counts: Sequence[int], balance: float) -> Tensor:
    """Return a weight for each class: its share of the pixels to the power of `-balance`.

    The most frequent class weighs 1, as does one that does not occur.

    Args:
        counts: Pixels of each class in the training set.
        balance: 0 weighs all alike, 1 gives all classes the same sum.
    """
    known = torch.tensor(counts, dtype=torch.float64)
    shares = torch.where(known > 0, known, known.max()) / known.max()
    return (shares**-balance).float()


def weighted_cross_entropy(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over all pixels but the ignored, weighted by class; 0 if there are none.

    Args:
        scores: Before the softmax, N x classes x H x W.
        labels: N x H x W, indices of the classes or `IGNORED`.
        weights: Weights of the classes.
    """
    total = cross_entropy(scores, labels, weights, ignore_index=IGNORED, reduction="sum")
    return total / weights[labels[labels != IGNORED]].sum().clamp(min=1e-9)


def train(
    settings: SegmentationSettings,
    sampler: LabelledSampler,
    seed: int,
    folder: Path,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> nn.Module:
    """Train a network and return it, ready to segment.

    Args:
        settings: Settings of the network and its training.
        sampler: Draws the batches.
        seed: Seed of the first parameters and of dropout.
        folder: Folder for the log, and for the batch at which a guard stops the training.
        on_step: Is called after each step with the number of steps and the loss.

    Raises:
        TrainingError: If the loss is no longer finite or the gradients are too large.
        MissingExtraError: If the library of the network is not installed.
        OutputError: If the log cannot be written.
    """
    quieten()
    lightning.seed_everything(seed, verbose=False)
    module = SegmentationTraining(settings, build(settings, seed), sampler)
    trainer = lightning.Trainer(
        default_root_dir=folder,
        max_steps=settings.steps,
        max_epochs=-1,
        accelerator=settings.hardware.accelerator,
        devices=1,
        precision=settings.hardware.precision,
        callbacks=[_StepReport(on_step)],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=CSVLogger(folder, name="", version=LOG),
        log_every_n_steps=min(20, settings.steps),
    )
    fit(trainer, module)
    network: nn.Module = module.network.eval().to(trainer.strategy.root_device)
    return network


@torch.inference_mode()
def predict(network: nn.Module, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the most likely class of each pixel.

    Args:
        network: Maps pictures to scores.
        picture: H x W x 3 RGB.

    Returns:
        H x W, indices of the classes.
    """
    device = next(network.parameters()).device
    scores: Tensor = network(to_network(torch.from_numpy(picture).to(device)[None]))
    return scores[0].argmax(dim=0).byte().cpu().numpy()


class _StepReport(Callback):
    """Reports each training step."""

    def __init__(self, on_step: Callable[[int, float], None]) -> None:
        self._on_step = on_step

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        self._on_step(trainer.global_step, float(trainer.callback_metrics["loss"]))
