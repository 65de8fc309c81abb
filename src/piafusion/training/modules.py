"""The two trainings as Lightning modules."""

from __future__ import annotations

from collections.abc import Iterable

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader

from piafusion.errors import TrainingError
from piafusion.models import IlluminationNet, build
from piafusion.training.augment import INFRARED, VISIBLE, change_tone
from piafusion.training.config import FusionSettings, IlluminationSettings, TrainingSettings
from piafusion.training.data import Batch, CropSampler, TrainingPairs
from piafusion.training.losses import FusionLoss, illumination_cross_entropy


class _Training(lightning.LightningModule):
    """A network, its sampler, Adam with exponential decay, and a guard against NaN."""

    def __init__(
        self, settings: TrainingSettings, network: nn.Module, pairs: TrainingPairs
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sampler = CropSampler(
            pairs,
            size=settings.crop,
            batch=settings.batch,
            seed=settings.seed,
            sampling=settings.sampling,
        )

    def train_dataloader(self) -> Iterable[int]:
        """Only count: the crops of a step are drawn from the step's number."""
        return DataLoader(range(self.settings.steps), batch_size=None)  # type: ignore[arg-type]

    def training_step(self, *_: object) -> Tensor:
        """One step on the batch that belongs to it."""
        terms = self._losses(self._sampler(self.global_step).to(self.device))
        loss = terms["loss"]
        if not torch.isfinite(loss):
            found = ", ".join(f"{name} {value.item():g}" for name, value in terms.items())
            raise TrainingError(
                f"step {self.global_step}: expected a finite loss, found {found}; "
                "lower learning_rate or gradient_clip and start again"
            )
        self.log_dict({name: value.detach() for name, value in terms.items()})
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam, its rate decayed exponentially to `decay` times the first at the last step."""
        settings = self.settings
        optimizer = torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(
            optimizer, settings.decay ** (1 / settings.steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError


class FusionTraining(_Training):
    """Trains a fusion network by Eq. 12; the illumination network only looks on."""

    def __init__(
        self,
        settings: FusionSettings,
        pairs: TrainingPairs,
        illumination: IlluminationNet | None,
    ) -> None:
        """Prepare a run.

        Args:
            settings: The run's settings.
            pairs: Training pairs.
            illumination: A trained network for the day probability; None takes the labels.
        """
        super().__init__(settings, build(settings.model), pairs)
        self._tone_share = settings.tone_share
        self._loss = FusionLoss(**settings.loss.model_dump())
        # In a list, so that it is neither a submodule nor part of the checkpoints.
        self._illumination = [illumination.eval()] if illumination else []

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        generator = np.random.default_rng((self.settings.seed, self.global_step, 1))
        infrared = change_tone(batch.infrared, INFRARED, self._tone_share, generator)
        luminance = change_tone(batch.luminance, VISIBLE, self._tone_share, generator)
        fused = self.network(infrared, luminance)
        return self._loss(fused, infrared, luminance, self._day_probability(batch))

    def _day_probability(self, batch: Batch) -> Tensor:
        if not self._illumination:
            return batch.is_day
        with torch.no_grad():
            network = self._illumination[0].to(self.device)
            probabilities: Tensor = network(batch.visible)
            return probabilities[:, 0]


class IlluminationTraining(_Training):
    """Trains the illumination network by Eq. 13."""

    def __init__(self, settings: IlluminationSettings, pairs: TrainingPairs) -> None:
        """Prepare a run."""
        super().__init__(settings, IlluminationNet(), pairs)
        self._grey_share = settings.grey_share

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        visible = batch.visible
        generator = np.random.default_rng((self.settings.seed, self.global_step, 1))
        if generator.random() < self._grey_share:
            visible = batch.luminance.expand_as(visible)
        logits = self.network.logits(visible)
        right = (logits.argmax(dim=1) == 1 - batch.is_day.long()).float().mean()
        return {"loss": illumination_cross_entropy(logits, batch.is_day), "accuracy": right}
