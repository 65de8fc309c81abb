"""One network, trained on one source, and what it makes of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from piafusion.segmentation.confusion import IGNORED
from piafusion.segmentation.networks import build
from piafusion.segmentation.pictures import LabelledBatch, LabelledSampler, to_network
from piafusion.segmentation.settings import SegmentationSettings
from piafusion.training.guarded import GuardedTraining, quieten

LOG = "log"


class SegmentationTraining(GuardedTraining[LabelledBatch]):
    """Cross-entropy over the hardest share of the pixels."""

    settings: SegmentationSettings

    def _losses(self, batch: LabelledBatch) -> dict[str, Tensor]:
        scores = self.network(batch.pictures).float()
        loss = hardest_mean(
            cross_entropy(scores, batch.labels, ignore_index=IGNORED, reduction="none"),
            batch.labels != IGNORED,
            self.settings.hard_share,
        )
        return {"loss": loss}


def hardest_mean(losses: Tensor, counted: Tensor, share: float) -> Tensor:
    """Return the mean of the largest losses; zero if none is counted.

    Args:
        losses: Of each pixel, any shape.
        counted: Which pixels count, bool, same shape.
        share: Of the counted pixels, in (0, 1]; at least one pixel is taken.

    Reference:
        A. Shrivastava, A. Gupta, R. Girshick, Training Region-based Object Detectors with Online
        Hard Example Mining, CVPR 2016; by a share as in Z. Wu, C. Shen, A. van den Hengel,
        Bridging Category-level and Instance-level Semantic Image Segmentation, 2016.
    """
    values = losses[counted]
    if not len(values):
        return losses.sum() * 0
    if share < 1:
        values = values.topk(max(1, round(share * len(values)))).values
    return values.mean()


def train(
    settings: SegmentationSettings,
    sampler: LabelledSampler,
    seed: int,
    folder: Path,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> nn.Module:
    """Train a network and return it, ready to segment.

    Args:
        settings: Of the network and its training.
        sampler: What it is shown.
        seed: Of its first parameters and of dropout.
        folder: For the log, and the batch that a guard stops at.
        on_step: Told after each step how many are done, and the loss.

    Raises:
        TrainingError: If the loss is no longer finite or the gradients are too large.
        MissingExtraError: If the network is of a library that is not installed.
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
        callbacks=[_Teller(on_step)],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=CSVLogger(folder, name="", version=LOG),
        log_every_n_steps=min(20, settings.steps),
    )
    trainer.fit(module)
    network: nn.Module = module.network.eval().to(trainer.strategy.root_device)
    return network


@torch.inference_mode()
def predict(network: nn.Module, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the most likely class of each pixel.

    Args:
        network: From pictures to scores.
        picture: H x W x 3 RGB.

    Returns:
        H x W, indices of the classes.
    """
    device = next(network.parameters()).device
    scores: Tensor = network(to_network(torch.from_numpy(picture).to(device)[None]))
    return scores[0].argmax(dim=0).byte().cpu().numpy()


class _Teller(Callback):
    """Passes on how far the training is."""

    def __init__(self, on_step: Callable[[int, float], None]) -> None:
        self._on_step = on_step

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        self._on_step(trainer.global_step, float(trainer.callback_metrics["loss"]))
