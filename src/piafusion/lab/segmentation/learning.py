"""The trainings of a comparison: each is done once, recorded in a journal, and scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
import safetensors.torch
import torch
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from piafusion.errors import UsageError
from piafusion.files import content_hash, write_bytes
from piafusion.imaging.io import write_image
from piafusion.lab.segmentation.inputs import NetworkInput
from piafusion.lab.segmentation.networks import build
from piafusion.lab.segmentation.pictures import (
    LabelledBatch,
    LabelledSampler,
    LabelledSet,
    read_labelled,
    to_network,
)
from piafusion.lab.segmentation.scores import IGNORED, Counts, confusion
from piafusion.lab.segmentation.settings import SegmentationSettings, as_json
from piafusion.lab.training.loop import StepReport, TrainingLoop, fit, fitting_precision, quieten
from piafusion.run.journal import Entry, Journal
from piafusion.run.progress import Progress
from piafusion.scenes.synthetic import CLASSES

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

    The folder receives the log, and the batch at which a guard stops the training. `on_step` is
    called after each step with the number of steps and the loss.

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
        precision=fitting_precision(settings.hardware),
        callbacks=[StepReport(on_step, settings.steps)],
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

    Returns:
        H x W, indices of the classes.
    """
    device = next(network.parameters()).device
    scores: Tensor = network(to_network(torch.from_numpy(picture).to(device)[None]))
    return scores[0].argmax(dim=0).byte().cpu().numpy()


JOURNAL, WEIGHTS, PREDICTED = "trainings.jsonl", "weights.safetensors", "predicted"

_ENTRY = {"pictures": str, "counts": {str: [int]}}


@dataclass
class Trainings:
    """The trainings of a comparison.

    `total` is the number of trainings of the comparison, `done` how many of them are done; the
    progress counts steps.
    """

    settings: SegmentationSettings
    train: LabelledSet
    test: LabelledSet
    output: Path
    progress: Progress
    total: int
    done: int = 0

    def __post_init__(self) -> None:
        """Read which trainings are done.

        Raises:
            UsageError: If they were done with other data or settings.
        """
        decides = {
            "settings": {k: v for k, v in as_json(self.settings).items() if k != "hardware"},
            "data": {each.data.name: _set_hash(each) for each in (self.train, self.test)},
        }
        self._journal = Journal(self.output / JOURNAL, decides, _ENTRY)
        if self._journal.outdated:
            raise UsageError(
                f"{self.output}: holds a comparison with other data or settings; give the same "
                "ones or choose another folder"
            )

    def folder(self, source: str, seed: int) -> Path:
        """Return the folder of a training."""
        return self.output / "runs" / source / f"seed-{seed}"

    def __call__(self, source: NetworkInput, seed: int) -> Counts:
        """Return the confusion matrix of each test scene, scenes x 4 x 4; train if necessary."""
        key = f"{source.name}/{seed}"
        pictures = content_hash(
            *(path for files in source.files.values() for path in files.values())
        )
        entry = self._journal.entries.get(key)
        if entry is None or entry["pictures"] != pictures or not self._is_whole(entry):
            entry = {"pictures": pictures, **self._run(source, seed)}
            self._journal.add(key, entry)
        self.done += 1
        self._show(f"{source.name}, seed {seed}", 0)
        flat = np.array([entry["counts"][stem] for stem in self.test.stems], np.int64)
        side = round(flat.shape[1] ** 0.5)
        return flat.reshape(-1, side, side)

    def _is_whole(self, entry: Entry) -> bool:
        """Tell whether there is a matrix of counts for each test scene."""
        matrices = [entry["counts"].get(stem, ()) for stem in self.test.stems]
        return all(
            len(matrix) == len(CLASSES) ** 2 and all(0 <= count < 2**63 for count in matrix)
            for matrix in matrices
        )

    def _run(self, source: NetworkInput, seed: int) -> Entry:
        folder = self.folder(source.name, seed)
        pictures, labels = zip(*self._read(source, self.train), strict=True)
        sampler = LabelledSampler(
            list(map(torch.from_numpy, pictures)),
            list(map(torch.from_numpy, labels)),
            self.train.stems,
            crop=self.settings.crop,
            batch=self.settings.batch,
            seed=seed,
            sought=self.settings.sought,
        )
        start, last = time.perf_counter(), [0.0]

        def on_step(step: int, loss: float) -> None:
            last[0] = loss
            self._show(f"{source.name}, seed {seed}, loss {loss:.3f}", step)

        network = train(self.settings, sampler, seed, folder, on_step)
        seconds = time.perf_counter() - start
        self._save(network, folder / WEIGHTS)
        return {
            "counts": self._test(network, source, folder),
            "loss": last[0],
            "seconds": round(seconds, 1),
            "torch": torch.__version__,
        }

    def _read(
        self, source: NetworkInput, split: LabelledSet
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Read the pictures and labels of a split."""
        others = self.settings.others
        for stem in split.stems:
            path = source.files[split.data.name][stem]
            yield read_labelled(path, split.labels[stem], others, infrared=source.is_infrared)

    def _test(self, network: nn.Module, source: NetworkInput, folder: Path) -> dict[str, list[int]]:
        counts = {}
        pairs = self._read(source, self.test)
        for stem, (picture, label) in zip(self.test.stems, pairs, strict=True):
            predicted = predict(network, picture)
            write_image(folder / PREDICTED / f"{stem}.png", predicted, overwrite=True)
            counts[stem] = confusion(label, predicted).ravel().tolist()
        return counts

    def _save(self, network: nn.Module, path: Path) -> None:
        tensors = {name: each.contiguous() for name, each in network.state_dict().items()}
        metadata = {"settings": self.settings.model_dump_json()}
        write_bytes(path, safetensors.torch.save(tensors, metadata=metadata))

    def _show(self, task: str, step: int) -> None:
        steps = self.settings.steps
        self.progress(task, self.done * steps + step, self.total * steps)


def _set_hash(each: LabelledSet) -> str:
    pairs = each.data.pairs
    files = (file for p in pairs for file in (p.infrared, p.visible, each.labels[p.stem]))
    return content_hash(*files)
