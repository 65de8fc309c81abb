"""The trainings as Lightning modules: fusion, comparison methods, illumination."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from piafusion.imaging.arrays import Image, from_unit, to_unit
from piafusion.imaging.colour import luminance, replace_luminance
from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.lab.models import IlluminationNet, MixingFusionSizes, build
from piafusion.lab.models.comparison import ComparisonNet
from piafusion.lab.training.augment import (
    FURTHEST,
    INFRARED,
    VISIBLE,
    change_tone,
    draw_curves,
    draw_moves,
    inner,
)
from piafusion.lab.training.config import (
    FusionSettings,
    IlluminationSettings,
    MethodSettings,
    TrainingSettings,
)
from piafusion.lab.training.data import Batch, CropSampler, TrainingPairs
from piafusion.lab.training.loop import TrainingLoop, count
from piafusion.lab.training.losses import FusionLoss, illumination_cross_entropy
from piafusion.metrics import evaluate

SCORE = "validation/score"
"""The logged value that chooses the best checkpoint; higher is better."""
_METRICS = ("MI", "SD", "SF", "VIF", "Qabf")


class Training(TrainingLoop[Batch]):
    """A network that learns from crops of pairs, and validation by light."""

    settings: TrainingSettings

    def __init__(
        self,
        settings: TrainingSettings,
        network: nn.Module,
        pairs: TrainingPairs,
        held: TrainingPairs | None,
        margin: int = 0,
    ) -> None:
        """Prepare a run.

        `held` are the pairs to validate on; crops have `margin` pixels more on each side.
        """
        sampler = CropSampler(
            pairs,
            size=settings.crop + 2 * margin,
            batch=settings.batch,
            seed=settings.seed,
            sampling=settings.sampling,
        )
        super().__init__(settings, network, sampler)
        self._held = held
        self._scores: dict[str, list[dict[str, float]]] = {"day": [], "night": []}

    def val_dataloader(self) -> Iterable[int]:
        """Count the held-out pairs; every process scores all of them."""
        return count(len(self._held) if self._held else 0)

    def validation_step(self, index: int) -> None:
        """Score one held-out pair at full size."""
        if self._held is None:
            return
        infrared, visible = (image.numpy() for image in self._held.picture(index))
        is_day = bool(self._held.is_day[index])
        self._scores["day" if is_day else "night"].append(
            self._evaluate(infrared, visible, is_day=is_day)
        )

    def on_validation_epoch_end(self) -> None:
        """Log the means by day and by night, and the score: the mean of both lights."""
        means = {
            light: {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            for light, rows in self._scores.items()
            if rows
        }
        for light, scores in means.items():
            self.log_dict({f"validation/{light}/{name}": v for name, v in scores.items()})
            self._scores[light].clear()
        self.log(SCORE, float(np.mean([self._score(scores) for scores in means.values()])))

    def _evaluate(self, infrared: Image, visible: Image, *, is_day: bool) -> dict[str, float]:
        raise NotImplementedError

    def _score(self, means: dict[str, float]) -> float:
        raise NotImplementedError


class FusingTraining(Training):
    """Validation, which is the same for all networks that fuse.

    The network takes infrared and luminance, and gives the fused luminance.
    """

    def on_validation_epoch_start(self) -> None:
        """Forget the pictures of the last validation."""
        self._samples: dict[str, dict[str, Image]] = {}

    def _evaluate(self, infrared: Image, visible: Image, *, is_day: bool) -> dict[str, float]:
        colours = to_unit(visible)
        y = luminance(colours)
        inputs = [
            torch.from_numpy(plane)[None, None].to(self.device) for plane in (to_unit(infrared), y)
        ]
        fused_y = self.network(*inputs)[0, 0].float().cpu().numpy()
        fused = from_unit(replace_luminance(colours, y, fused_y), visible.dtype)
        light = "day" if is_day else "night"
        if not self._scores[light]:
            self._samples[light] = {"infrared": infrared, "visible": visible, "fused": fused}
        return evaluate(infrared, visible, fused, metrics=_METRICS)

    def _score(self, means: dict[str, float]) -> float:
        return means["VIF"] + means["Qabf"]

    def on_validation_epoch_end(self) -> None:
        """Log the scores, and a pair of each light as a picture."""
        super().on_validation_epoch_end()
        sheet = contact_sheet(list(self._samples.values()))
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("fused", sheet, self.global_step, dataformats="HWC")


class FusionTraining(FusingTraining):
    """Trains a fusion network by Eq. 12; the illumination network is not trained."""

    def __init__(
        self,
        settings: FusionSettings,
        pairs: TrainingPairs,
        held: TrainingPairs | None,
        illumination: IlluminationNet | None,
    ) -> None:
        """Prepare a run.

        Args:
            settings: The run's settings.
            pairs: Training pairs.
            held: Pairs to validate on.
            illumination: A trained network for the day probability; None takes the labels, or
                a half where the settings ask for it.
        """
        sizes = MixingFusionSizes(**settings.sizes.model_dump()) if settings.sizes else None
        self._margin = FURTHEST if settings.move_share else 0
        network = build(settings.model, sizes, cmdaf=settings.cmdaf)
        super().__init__(settings, network, pairs, held, self._margin)
        self._light = settings.light
        self._tone_share, self._move_share = settings.tone_share, settings.move_share
        self._loss = FusionLoss(**settings.loss.model_dump())
        # In a list, so that it is neither a submodule nor part of the checkpoints.
        self._illumination = [illumination.eval()] if illumination else []

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        generator = np.random.default_rng((self.settings.seed, self.global_step, 1))
        share = slice(self.global_rank, None, self.trainer.world_size)
        curves = [
            draw_curves(tones, self._tone_share, self.settings.batch, generator)[:, share]
            for tones in (INFRARED, VISIBLE)
        ]
        moves = draw_moves(self._margin, self._move_share, self.settings.batch, generator)[share]
        infrared = change_tone(batch.infrared, curves[0])
        visible = inner(change_tone(batch.luminance, curves[1]), self._margin)
        fused = self.network(inner(infrared, self._margin, moves), visible)
        infrared = inner(infrared, self._margin)  # what the answer is compared with is in line
        day_probability = self._day_probability(batch)
        # Half precision would round the Sobel gradients of plain areas away.
        with torch.autocast(fused.device.type, enabled=False):
            return self._loss(fused.float(), infrared, visible, day_probability)

    def _day_probability(self, batch: Batch) -> Tensor:
        if self._light == "equal":
            return torch.full_like(batch.is_day, 0.5)
        if not self._illumination:
            return batch.is_day
        with torch.no_grad():
            network = self._illumination[0].to(self.device)
            probabilities: Tensor = network(batch.visible)
            return probabilities[:, 0].float()


class MethodTraining(FusingTraining):
    """Trains a network of `COMPARISON` by its own loss."""

    def __init__(
        self, settings: MethodSettings, pairs: TrainingPairs, held: TrainingPairs | None
    ) -> None:
        """Prepare a run."""
        super().__init__(settings, build(settings.model), pairs, held)
        self._tone_share = settings.tone_share
        self._settled_at = int(settings.settle * settings.steps)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        # Draws depend on the seed and the step alone, as the crops do.
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


class IlluminationTraining(Training):
    """Trains the illumination network by Eq. 13."""

    def __init__(
        self, settings: IlluminationSettings, pairs: TrainingPairs, held: TrainingPairs | None
    ) -> None:
        """Prepare a run."""
        super().__init__(settings, IlluminationNet(), pairs, held)
        self._grey_share = settings.grey_share

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        visible = batch.visible
        generator = np.random.default_rng((self.settings.seed, self.global_step, 1))
        if generator.random() < self._grey_share:
            visible = batch.luminance.expand_as(visible)
        logits = self.network.logits(visible)
        right = (logits.argmax(dim=1) == 1 - batch.is_day.long()).float().mean()
        return {"loss": illumination_cross_entropy(logits.float(), batch.is_day), "accuracy": right}

    def _evaluate(self, infrared: Image, visible: Image, *, is_day: bool) -> dict[str, float]:
        """Classify the 64x64 patches of the visible picture, which the network is trained on."""
        size = self.settings.crop
        pixels = torch.from_numpy(to_unit(visible)).to(self.device).permute(2, 0, 1)
        patches = pixels.unfold(1, size, size).unfold(2, size, size).flatten(1, 2).transpose(0, 1)
        is_right = (self.network(patches).argmax(dim=1) == 0) == is_day
        return {"accuracy": float(is_right.float().mean())}

    def _score(self, means: dict[str, float]) -> float:
        return means["accuracy"]
