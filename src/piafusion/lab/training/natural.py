"""Train the context network: `python -m piafusion.lab.training.natural DATA RUN`.

DATA holds `msrs/train` and `roadscene/train`; `--boxes` is the folder of the boxes of the latter. A
run is a folder: `settings.json`, `last.pt` (network, optimiser, step), `log.csv`. The same command
goes on from `last.pt`. The mixing network is not trained; its weights are the shipped ones.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from piafusion.lab.data.folders import dataset_pairs
from piafusion.lab.models import load
from piafusion.lab.models.natural import NATURAL, ContextNet, Judgement, double, weight_at
from piafusion.lab.training.data import hold_apart
from piafusion.lab.training.losses import edge_loss, fidelity_loss, sobel
from piafusion.lab.training.natural_data import (
    ContextBatch,
    ContextSampler,
    Example,
    blur_batch,
    paint_examples,
    read_pair_examples,
)
from piafusion.weights import read_weights


@dataclass(frozen=True)
class Settings:
    """Of a run; every one can be given as `--name value`."""

    steps: int = 4000
    batch: int = 6
    size: int = 256
    learning_rate: float = 2e-3
    decay: float = 0.02
    seed: int = 0
    painted: int = 120
    gain: float = 1.6
    target: float = 1.0
    light: float = 1.0
    smooth: float = 0.0
    fidelity: float = 0.0
    edges: float = 0.0
    bleach: float = 0.0
    contrast: float = 0.0
    mixing: str = "piafusion"
    validation: int = 6
    start_from: str = ""
    boxes: str = "benchmarks/roadscene_boxes"


def by_night(stem: str) -> bool:
    """Read the light off a name of RoadScene's: its night drives, which somebody looked up."""
    if "video" in stem:
        return True
    number = int(re.findall(r"\d+", stem)[0])
    return 3800 <= number <= 3820 or 5500 <= number <= 6000 or number >= 6970


def target_loss(logits: Tensor, marked: Tensor) -> Tensor:
    """Cross-entropy, and one minus the overlap of all targets of the batch (Dice)."""
    known = ~torch.isnan(marked)
    truth = torch.nan_to_num(marked)
    weight = known * (1 + 4 * truth)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    found = torch.sigmoid(logits) * known
    dice = 1 - (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    return (entropy * weight).sum() / weight.sum().clamp(min=1) + dice


def light_loss(logits: Tensor, lost: Tensor) -> Tensor:
    """Cross-entropy with a share."""
    return functional.binary_cross_entropy_with_logits(logits, lost)


def losses(
    batch: ContextBatch, judgement: Judgement, complete: Tensor | None, settings: Settings
) -> dict[str, Tensor]:
    """Return the unweighted terms and, as `loss`, their weighted sum."""
    known = ~torch.isnan(batch.targets)
    marked = functional.avg_pool2d(torch.nan_to_num(batch.targets), 2)
    marked[~(functional.avg_pool2d(known.float(), 2) == 1)] = torch.nan
    terms = {
        "target": target_loss(judgement.targets, marked),
        "light": light_loss(judgement.light, functional.avg_pool2d(batch.lost, 2)),
    }
    if settings.smooth:
        dark = torch.sigmoid(judgement.light)
        across = (dark[..., 1:] - dark[..., :-1]).abs().mean()
        down = (dark[..., 1:, :] - dark[..., :-1, :]).abs().mean()
        terms["smooth"] = across + down
    if complete is not None:
        y, ir = batch.luminance, batch.infrared
        share = judgement.share(settings.gain)
        weight = double(weight_at(NATURAL, share))
        natural = y + weight * (complete - y)
        if settings.fidelity:
            terms["fidelity"] = fidelity_loss(natural, ir, y)
        if settings.edges:
            terms["edges"] = edge_loss(sobel(natural), sobel(ir), sobel(y))
        if settings.bleach:  # outside targets, where the visible picture is well exposed
            exposed = blur_batch(y, 8)
            exposed = (exposed > 60 / 255) & (exposed < 215 / 255)
            price = (
                exposed
                * (1 - torch.nan_to_num(batch.targets))
                * (0.4 + 0.6 * batch.day[:, None, None, None])
            )
            terms["bleach"] = ((natural - y).clamp(min=0) * price).mean()
        if settings.contrast:
            terms["contrast"] = contrast_loss(natural, batch)
    total = torch.stack([getattr(settings, name) * term for name, term in terms.items()]).sum()
    return {**{name: value.detach() for name, value in terms.items()}, "loss": total}


def contrast_loss(natural: Tensor, batch: ContextBatch) -> Tensor:
    """How far targets stay below a step over their surroundings: 1.3 times the maximum's."""
    truth = torch.nan_to_num(batch.targets)
    around = blur_batch(truth, 12)
    ring = (1 - truth) * around
    maximum = torch.maximum(batch.infrared, batch.luminance)
    mean = blur_batch(natural * ring, 12) / (blur_batch(ring, 12) + 1e-4)
    base = blur_batch(maximum * ring, 12) / (blur_batch(ring, 12) + 1e-4)
    wanted = 1.3 * (maximum - base).clamp(min=0)
    short = (wanted - (natural - mean)).clamp(min=0)
    return (short * truth).sum() / (truth.sum() + 100)


def read_groups(
    data: Path, boxes: Path, validation: int, painted: int
) -> tuple[list[list[Example]], list[float]]:
    """Read what is trained on: two cameras and painted streets, and how often each is shown.

    Args:
        data: Holds `msrs/train` and `roadscene/train`.
        boxes: Of the second one.
        validation: Every so many-th block of neighbours, or pair, is left out; 0: none.
        painted: Streets to paint.
    """
    msrs, road = data / "msrs" / "train", data / "roadscene" / "train"
    stems = [pair.stem for pair in dataset_pairs(msrs).pairs]
    held = set(hold_apart(stems, validation))
    kept = [stem for index, stem in enumerate(stems) if index not in held]
    theirs = [pair.stem for pair in dataset_pairs(road).pairs]
    nights = frozenset(stem for stem in theirs if by_night(stem))
    others = [stem for index, stem in enumerate(theirs) if not validation or index % validation]
    groups = [
        read_pair_examples(msrs, msrs / "boxes" / "infrared", stems=kept),
        read_pair_examples(road, boxes, nights, stems=others),
        paint_examples(painted),
    ]
    return groups, [0.4, 0.4, 0.2]


class Run:
    """A training that can be stopped at any time and goes on."""

    def __init__(self, data: Path, folder: Path, settings: Settings) -> None:
        """Read the data, and the last checkpoint if there is one."""
        self.settings, self.folder = settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.network = ContextNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.start_from:
            state = torch.load(settings.start_from, weights_only=True)
            self.network.load_state_dict(state["network"])
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=1e-4
        )
        self.step = 0
        self.last = folder / "last.pt"
        if self.last.exists():
            state = torch.load(self.last, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1) + "\n")
        self.mixing: nn.Module | None = None
        if any((settings.fidelity, settings.edges, settings.bleach, settings.contrast)):
            weights = read_weights(settings.mixing, "safetensors", "fusion")
            self.mixing = load(weights).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sampler = ContextSampler(
            *read_groups(data, Path(settings.boxes), settings.validation, settings.painted),
            batch=settings.batch,
            size=settings.size,
            seed=settings.seed,
        )

    def train(self, minutes: float = float("inf")) -> None:
        """Go on to the last step, or for so many minutes."""
        settings, start, saved = self.settings, time.monotonic(), time.monotonic()
        sums: dict[str, float] = {}
        self.network.train()
        while self.step < settings.steps:
            for group in self.optimizer.param_groups:
                warm = min(1.0, (self.step + 1) / 100)
                group["lr"] = (
                    settings.learning_rate * warm * settings.decay ** (self.step / settings.steps)
                )
            batch = self.sampler(self.step)
            terms = self._advance(batch)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            self.step += 1
            now = time.monotonic()
            if self.step % 100 == 0:
                row = {"step": self.step, "seconds": round(now - start, 1)}
                row |= {name: round(value / 100, 5) for name, value in sums.items()}
                self._log(row)
                sums = {}
            if now - saved > 120 or self.step == settings.steps:
                saved = now
                self._save()
            if now - start > 60 * minutes:
                break
        self._save()

    def _advance(self, batch: ContextBatch) -> dict[str, Tensor]:
        pictures = [
            plane.contiguous(memory_format=torch.channels_last)
            for plane in (batch.infrared, batch.luminance)
        ]
        with torch.autocast("cpu", torch.bfloat16):
            complete = None
            if self.mixing is not None:
                with torch.no_grad():
                    complete = self.mixing(*pictures)
            judgement = self.network(*pictures)
        rows, columns = (side // 2 for side in batch.infrared.shape[-2:])
        planes = (getattr(judgement, field.name) for field in fields(Judgement))
        judgement = Judgement(*(plane[..., :rows, :columns].float() for plane in planes))
        terms = losses(
            batch, judgement, None if complete is None else complete.float(), self.settings
        )
        self.optimizer.zero_grad()
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return {name: value.detach() for name, value in terms.items()}

    def _log(self, row: dict[str, Any]) -> None:
        print(" ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        part = self.last.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.last)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    for field in fields(Settings):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    given = vars(parser.parse_args(arguments))
    data, folder, minutes = (given.pop(name) for name in ("data", "run", "minutes"))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    Run(data, folder, Settings(**given)).train(minutes)


if __name__ == "__main__":
    main()
