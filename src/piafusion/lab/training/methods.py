"""The training of a comparison method's network by its own loss."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from piafusion.lab.models import build
from piafusion.lab.models.comparison import ComparisonNet
from piafusion.lab.training.augment import INFRARED, VISIBLE, change_tone, draw_curves
from piafusion.lab.training.config import MethodSettings
from piafusion.lab.training.data import Batch, TrainingPairs
from piafusion.lab.training.modules import FusingTraining


class MethodTraining(FusingTraining):
    """Trains one of `COMPARISON`."""

    def __init__(
        self, settings: MethodSettings, pairs: TrainingPairs, held: TrainingPairs | None
    ) -> None:
        """Prepare a run."""
        super().__init__(settings, build(settings.model), pairs, held)
        self._tone_share = settings.tone_share
        self._settled_at = int(settings.settle * settings.steps)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        # What is drawn depends on the seed and the step alone, as the crops do.
        generator = np.random.default_rng((settings.seed, self.global_step, 1))
        share = slice(self.global_rank, None, self.trainer.world_size)
        infrared, luminance = (
            change_tone(
                images, draw_curves(tones, self._tone_share, settings.batch, generator)[:, share]
            )
            for images, tones in ((batch.infrared, INFRARED), (batch.luminance, VISIBLE))
        )
        is_settled = self.global_step >= self._settled_at
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(not is_settled)
        network = cast(ComparisonNet, self.network)
        draws = torch.Generator().manual_seed(settings.seed + self.global_step)
        return network.losses(infrared, luminance, draws)
