"""The training of a comparison method's network by its own loss."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from piafusion.models import build
from piafusion.models.comparison import ComparisonNet
from piafusion.training.config import MethodSettings
from piafusion.training.data import Batch, TrainingPairs
from piafusion.training.modules import FusingTraining


class MethodTraining(FusingTraining):
    """Trains one of `COMPARISON`."""

    def __init__(
        self, settings: MethodSettings, pairs: TrainingPairs, held: TrainingPairs | None
    ) -> None:
        """Prepare a run."""
        super().__init__(settings, build(settings.model), pairs, held)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        # What a loss draws depends on the seed and the step alone, as the crops do.
        generator = torch.Generator().manual_seed(self.settings.seed + self.global_step)
        network = cast(ComparisonNet, self.network)
        return network.losses(batch.infrared, batch.luminance, generator)
