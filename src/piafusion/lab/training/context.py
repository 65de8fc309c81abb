"""Training of the context network: where targets are, and where the light is bad.

It learns from boxes of people and bicycles, from painted streets, and from labels of lost light
(`context_data`); the fusion network that it will stand beside takes no part.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from piafusion.errors import TrainingError
from piafusion.imaging.natural import FRAME
from piafusion.lab.models import build
from piafusion.lab.training.config import ContextSettings
from piafusion.lab.training.context_data import (
    ContextBatch,
    ContextSampler,
    Example,
    paint_examples,
    read_examples,
)
from piafusion.lab.training.loop import TrainingLoop, count
from piafusion.lab.training.modules import SCORE

_OWN, _MORE, _PAINTED = 0.4, 0.4, 0.2
"""How often a crop is drawn from the data set, from the other one and from the painted streets."""
_VALIDATION_BATCHES = 20


class ContextTraining(TrainingLoop[ContextBatch]):
    """Trains a context network."""

    def __init__(self, settings: ContextSettings, stems: list[str], held: list[str]) -> None:
        """Read the pictures and paint the streets.

        Args:
            settings: The run's settings.
            stems: Pairs of the data set to learn from.
            held: Pairs of it to validate on.
        """
        boxes = settings.data / "boxes" / "infrared"
        if not boxes.is_dir():
            raise TrainingError(
                f"{boxes}: expected a folder of boxes (YOLO text), found none; check the data"
            )
        groups = [(read_examples(settings.data, boxes, stems=stems), _OWN)]
        if settings.more is not None:
            groups.append((read_examples(settings.more, settings.more_boxes), _MORE))
        groups.append((paint_examples(settings.painted), _PAINTED))
        super().__init__(settings, build("context"), _sampler(settings, groups))
        self._held: ContextSampler | None = None
        if held:
            known = [(read_examples(settings.data, boxes, stems=held), 1.0)]
            self._held = _sampler(settings, known)

    def val_dataloader(self) -> Iterable[int]:
        """Count the batches of the validation."""
        return count(_VALIDATION_BATCHES if self._held else 0)

    def validation_step(self, index: int) -> None:
        """Log the loss of held-out crops; the score is its negative."""
        if self._held is not None:
            terms = self._terms(self._held(index))
            self.log(SCORE, -terms["loss"], batch_size=1)

    def _losses(self, batch: ContextBatch) -> dict[str, Tensor]:
        return self._terms(batch)

    def _terms(self, batch: ContextBatch) -> dict[str, Tensor]:
        pair = functional.avg_pool2d(torch.cat([batch.infrared, batch.luminance], dim=1), 2)
        framed = functional.pad(pair, [FRAME] * 4, mode="replicate")
        answer = self.network(framed.contiguous(memory_format=torch.channels_last))
        inside = slice(FRAME // 2, -FRAME // 2)
        return losses(batch, answer[..., inside, inside].float())


def _sampler(
    settings: ContextSettings, groups: list[tuple[list[Example], float]]
) -> ContextSampler:
    examples, shares = zip(*groups, strict=True)
    return ContextSampler(examples, shares, settings.batch, settings.crop, settings.seed)


def target_loss(logits: Tensor, marked: Tensor) -> Tensor:
    """Cross-entropy, and one minus the overlap of all targets of the batch (Dice).

    Args:
        logits: N x 1 x H x W.
        marked: 1 in targets, 0 elsewhere, NaN where nobody knows.
    """
    known = ~torch.isnan(marked)
    truth = torch.nan_to_num(marked)
    weight = known * (1 + 4 * truth)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    found = torch.sigmoid(logits) * known
    dice = 1 - (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    return (entropy * weight).sum() / weight.sum().clamp(min=1) + dice


def light_loss(logits: Tensor, lost: Tensor) -> Tensor:
    """Cross-entropy with the share that is lost, less its least value: 0 for a perfect answer."""
    entropy = functional.binary_cross_entropy_with_logits
    least = entropy(torch.logit(lost, eps=1e-4), lost)
    return entropy(logits, lost) - least


def losses(batch: ContextBatch, answer: Tensor) -> dict[str, Tensor]:
    """Return the two terms of the loss and their sum.

    Args:
        batch: N crops of H x W.
        answer: The network's for the crops at half their size, N x 3 x H/4 x W/4.
    """
    known = ~torch.isnan(batch.targets)
    marked = functional.avg_pool2d(torch.nan_to_num(batch.targets), 2)
    marked[functional.avg_pool2d(known.float(), 2) < 1] = torch.nan
    answer = functional.interpolate(answer, scale_factor=2.0, mode="bilinear", align_corners=False)
    steepness, height, light = answer.chunk(3, dim=1)
    targets = steepness * functional.avg_pool2d(batch.infrared, 2) + height
    target = target_loss(targets, marked)
    lost = light_loss(light, functional.avg_pool2d(batch.lost, 2))
    return {"target": target, "light": lost, "loss": target + lost}
