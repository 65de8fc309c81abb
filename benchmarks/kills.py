"""Kill trainings at random moments, resume them, and compare with unbroken ones.

    python benchmarks/kills.py [FOLDER] [--kills N] [--seed N] [--full]

Two kinds are killed by signal 9, tiny and on synthetic streets: the training of a fusion network
that is validated, and a comparison of segmentations. The runs lie in FOLDER, which chooses the
file system; by default it is a temporary one. Kills take turns with what they hit: the start, a
step, a validation, the writing of a checkpoint or of another file, the end.

With --full nothing is killed: the file system of FOLDER, a small one made for this, is filled at
those moments instead, and emptied before the run is resumed.

Prints a line for each kill: what was hit, what was left, and whether the resumed run ended with
the weights and scores of the unbroken one, bit for bit. Linux only: the runs are forks of this
process, which has loaded torch already.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from lightning.pytorch.loggers import CSVLogger

from piafusion.errors import PiafusionError
from piafusion.imaging.io import write_image
from piafusion.lab.segmentation import learning, segment
from piafusion.lab.segmentation import settings as segmentation
from piafusion.lab.training import run
from piafusion.lab.training.checkpoints import CHECKPOINT, PREVIOUS, WholeCheckpoints
from piafusion.lab.training.config import resolve
from piafusion.lab.training.loop import TrainingLoop
from piafusion.lab.training.modules import FusingTraining
from piafusion.scenes.synthetic import labelled_scene

FUSION = {
    **{"steps": "31", "batch": "2", "crop": "16", "checkpoint_every": "2"},
    **{"validation": "2", "validate_every": "6", "learning_rate": "0.01"},
    **{"loss.fidelity": "0", "loss.edges": "0", "sizes.width": "8", "sizes.residual_layers": "1"},
}
SEGMENTATION = {"steps": "12", "batch": "2", "crop": "48,64", "widths": "4,8", "decoder": "4"}
HEIGHT, WIDTH = 64, 80
LARGEST_DISK = 64 << 20
PHASES: list[tuple[Any, str, str]] = [
    (run, "load_training_pairs", "start"),
    (TrainingLoop, "training_step", "step"),
    (FusingTraining, "_evaluate", "validation"),
    (WholeCheckpoints, "save_checkpoint", "checkpoint"),
    (os, "replace", "rename"),
    (CSVLogger, "save", "log"),
    (run, "_record", "end"),
    (learning, "read_labelled", "start"),
    (learning.Trainings, "_save", "weights"),
    (learning.Trainings, "_test", "test"),
    (learning.Journal, "add", "journal"),
]
"""What is called in which phase."""

Go = Callable[[Path], object]
context = multiprocessing.get_context("fork")


def main() -> None:
    """Print a line for each kill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--kills", type=int, default=20, help="of each kind of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="fill the disk instead")
    options = parser.parse_args()

    torch.set_num_threads(1)  # a fork has none of the others
    with tempfile.TemporaryDirectory() as data, contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.full and shutil.disk_usage(folder).total > LARGEST_DISK:
            sys.exit(f"{folder}: expected a file system of at most {LARGEST_DISK >> 20} MiB")
        write_data(Path(data))
        wrong = 0
        for name, go, result in (
            ("fusion", partial(train, Path(data) / "train"), trained),
            ("segmentation", partial(compare, Path(data)), compared),
        ):
            wrong += series(name, go, result, folder / name, options)
    print(f"{wrong} runs ended otherwise than the unbroken one")
    sys.exit(bool(wrong))


def write_data(root: Path) -> None:
    """Write streets by day and night with labels, to train and to test on."""
    for split, first in (("train", 0), ("test", 10)):
        for seed, stem in enumerate(("001D", "100D", "200N", "300N"), first):
            light = 1.0 if stem.endswith("D") else 0.0
            scene = labelled_scene(seed, daylight=light, height=HEIGHT, width=WIDTH)
            for name, picture in (
                ("ir", scene.infrared),
                ("vi", scene.visible),
                ("label", scene.labels),
            ):
                write_image(root / split / name / f"{stem}.png", picture)


def train(data: Path, folder: Path) -> None:
    """Start or resume the training of a fusion network, unless it is finished."""
    settings = resolve("fast", data, FUSION)
    if (folder / run.WEIGHTS).exists():
        return
    if (folder / run.SETTINGS).exists():
        run.resume(folder, settings)
    else:
        run.start(settings, folder)


def trained(folder: Path) -> tuple[object, dict[str, torch.Tensor]]:
    """Return what a training has ended with."""
    record = json.loads((folder / run.RECORD).read_text())
    return record["validation"], safetensors.torch.load((folder / run.WEIGHTS).read_bytes())


def compare(data: Path, folder: Path) -> None:
    """Start a comparison of segmentations, or go on with it."""
    settings = segmentation.resolve("short", SEGMENTATION)
    segment(data, ["infrared", "visible"], (0,), output=folder, settings=settings, scenes=1)


def compared(folder: Path) -> tuple[object, dict[str, torch.Tensor]]:
    """Return what a comparison has ended with."""
    tensors = {
        f"{path.parent} {name}": tensor
        for path in sorted(folder.glob("runs/*/*/weights.safetensors"))
        for name, tensor in safetensors.torch.load(path.read_bytes()).items()
    }
    named = {name.removeprefix(str(folder)): tensor for name, tensor in tensors.items()}
    return json.loads((folder / "segmentation.json").read_text()), named


def series(
    name: str,
    go: Go,
    result: Callable[[Path], tuple[object, dict[str, torch.Tensor]]],
    folder: Path,
    options: argparse.Namespace,
) -> int:
    """Kill runs of one kind; return how many ended otherwise than the unbroken one."""
    shutil.rmtree(folder, ignore_errors=True)
    unbroken = Attempt(go, folder)
    unbroken.watch()
    if unbroken.said:
        sys.exit(f"{name}: the unbroken run ended with: {unbroken.said}")
    scores, weights = result(folder)
    shutil.rmtree(folder)
    phases = unbroken.phases
    counts = {phase: sum(each == phase for each, _ in phases) for phase in dict(phases)}
    print(f"\n{name} in {folder.parent}: {', '.join(f'{n} x {p}' for p, n in counts.items())}")
    print("| kill | hit | after | left | said when it resumed | result |")
    print("| --- | --- | --- | --- | --- | --- |")
    generator = np.random.default_rng(options.seed)
    wrong = 0
    for number in range(options.kills):
        wanted = list(counts)[number % len(counts)]
        place = generator.choice([i for i, (phase, _) in enumerate(phases) if phase == wanted])
        delay = generator.uniform(0, phases[place][1])
        broken = Attempt(go, folder)
        if options.full:
            broken.fill_disk(place, delay)
        else:
            broken.kill(place, delay)
        left = leftovers(folder)
        resumed = Attempt(go, folder)
        resumed.watch()
        is_same = False
        if not resumed.said:
            found, tensors = result(folder)
            is_same = found == scores and tensors.keys() == weights.keys()
            is_same = is_same and all(torch.equal(tensors[k], weights[k]) for k in weights)
        is_same = is_same and not broken.crashed
        wrong += not is_same
        said = "; ".join(filter(None, (broken.said, resumed.said, resumed.printed)))
        hit = broken.phases[-1][0] if broken.phases else "nothing yet"
        print(
            f"| {number + 1} | {hit} | {broken.seconds:.2f} s | {left} | "
            f"{said.replace(str(folder), 'RUN')} | {'equal' if is_same else 'NOT EQUAL'} |",
            flush=True,
        )
        shutil.rmtree(folder)
    return wrong


def leftovers(folder: Path) -> str:
    """Return what a broken run has left, in words."""
    found = []
    for name in (CHECKPOINT, PREVIOUS):
        if (folder / name).exists():
            step = torch.load(folder / name, weights_only=True)["global_step"]
            found.append(f"{name.split('.')[0]} at {step}")
    if (folder / learning.JOURNAL).exists():
        done = len((folder / learning.JOURNAL).read_text().splitlines()) - 1
        found.append(f"{done} of 2 trainings")
    half = len(list(folder.rglob(".*.tmp")))
    if half:
        found.append(f"{half} half-written")
    return ", ".join(found) or "nothing"


class Attempt:
    """A run in a process of its own that tells which phase it is in.

    Attributes:
        phases: What it told: each phase, and the seconds until the next one.
        said: The line it ended with, if it failed.
        crashed: Whether that was no line of ours.
        printed: What it said about its checkpoints.
        seconds: How long it ran.
    """

    def __init__(self, go: Go, folder: Path) -> None:
        self._told, tells = context.Pipe(duplex=False)
        self._folder = folder
        self._log = Path(tempfile.mkstemp()[1])
        self._process = context.Process(target=_work, args=(go, folder, tells, self._log))
        self.phases: list[tuple[str, float]] = []
        self.said, self.printed, self.crashed = "", "", False
        self._start = time.perf_counter()
        self._process.start()
        tells.close()

    def watch(self, until: int | None = None) -> bool:
        """Wait for the end, or until so many phases are over; return whether it still runs."""
        last = self._start
        while True:
            try:
                kind, text = self._told.recv()
            except EOFError:
                break
            now = time.perf_counter()
            if kind != "phase":
                self.said, self.crashed = text, kind == "crash"
                continue
            if self.phases:
                self.phases[-1] = (self.phases[-1][0], now - last)
            last = now
            self.phases.append((text, 0.0))
            if until is not None and len(self.phases) > until:
                return True
        self._end()
        return False

    def kill(self, place: int, delay: float) -> None:
        """Kill it that long after it has come to a phase."""
        if self.watch(place):
            time.sleep(delay)
            self._process.kill()
            self.watch()

    def fill_disk(self, place: int, delay: float) -> None:
        """Fill its file system that long after it has come to a phase, and empty it at the end."""
        if not self.watch(place):
            return
        time.sleep(delay)
        filler = self._folder.parent / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
        self.watch()
        filler.unlink()

    def _end(self) -> None:
        self._process.join()
        self.seconds = time.perf_counter() - self._start
        lines = self._log.read_text().splitlines()
        self.printed = "; ".join(line for line in lines if "going on from" in line)
        self._log.unlink()


def _work(go: Go, folder: Path, tells: Connection, log: Path) -> None:
    for owner, name, phase in PHASES:
        _announce(owner, name, phase, tells)
    with log.open("w", buffering=1) as out, contextlib.redirect_stdout(out):
        try:
            go(folder)
        except PiafusionError as error:
            tells.send(("error", str(error)))
        except BaseException as error:  # what a user must never see
            tells.send(("crash", f"{type(error).__name__}: {error}"))


def _announce(owner: object, name: str, phase: str, tells: Connection) -> None:
    function = getattr(owner, name)

    def announced(*args: object, **named: object) -> object:
        tells.send(("phase", phase))
        return function(*args, **named)

    setattr(owner, name, announced)


if __name__ == "__main__":
    main()
