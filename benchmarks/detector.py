"""Does a fused picture help a machine? A small detector of people and cars on each kind of picture.

    python -m benchmarks.detector MSRS --output OUTPUT [PICTURES ...]

MSRS holds `train` and `test`, each with `ir`, `vi`, `boxes/infrared` and `boxes/visible`. PICTURES
are `visible`, `infrared`, a model, a method, an exported file, a model at a strength, such as
`piafusion@0.5`, or `mix@0.8`, a mean that is infrared by 0.8; `NAME=` before it gives it another
name in the table. `NAME=FOLDER` takes pictures that are fused already, FOLDER/train and
FOLDER/test, named as the pairs are (with `--painted-steps 0`, for all that are compared). For each
of them the same network is trained from scratch, first on painted streets, then on MSRS, with the
same crops in the same order, and is asked for boxes on the test pairs; three times, with other
seeds. An object counts if a box was drawn on the infrared or on the visible picture. Printed are
average precisions in percent (IoU 0.5), the mean over the seeds, with 95 % intervals by bootstrap
over the test pairs, and the differences from `--against` on the same draws.

The answers of each training are kept in OUTPUT and are used again as long as the pictures and the
settings are the same, so another name on the command line trains that one only. `--read` takes the
answers as they are kept, and neither fuses nor trains: for a table of what is there. One thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from piafusion import Fuser
from piafusion.files import write_bytes
from piafusion.imaging.arrays import to_rgb8, to_uint8
from piafusion.imaging.io import read_image, read_pair
from piafusion.lab.data.folders import dataset_pairs, is_day
from piafusion.lab.evaluation.statistics import resamples
from piafusion.methods import list_methods, register_method
from piafusion.metrics import read_boxes
from piafusion.scenes.synthetic import CLASSES, labelled_scene

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Fuse = Callable[[Bytes, Bytes], Bytes]
Pair = tuple[Bytes, Bytes, Floats]  # infrared, visible, boxes

PICTURES = ("visible", "infrared", "maximum", "piafusion")
NAMES = ("people", "cars")
LABELS = {0: 0, 2: 1}  # of the boxes' files: index in NAMES
PAINTED = {CLASSES.index("person"): 0, CLASSES.index("vehicle"): 1}
SAME = 0.3  # two boxes of one class that overlap so much are of one object
SIDE = 224  # of a crop of the halved picture, in pixels
ZOOM = (0.95, 1.6)
STRIDE = 4
BATCH = 8
RATE = 2e-3
MOST = 100  # answers in a picture
LEAST = 3.0  # pixels of the halved picture that a painted box has at least
DRAWS = 2000


@dataclass(frozen=True)
class Frame:
    """A picture at half the size, and its boxes: N x 5, class, left, top, right, bottom."""

    picture: Bytes
    boxes: Floats


def main() -> None:
    """Train, or read what was trained, and print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("msrs", type=Path)
    parser.add_argument("pictures", nargs="*", default=PICTURES)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--against", default="maximum", help="kind that the others are compared with"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--painted", type=int, default=300, help="number of painted streets")
    parser.add_argument("--painted-steps", type=int, default=400)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--read", action="store_true", help="only read what was trained")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    stems = {
        split: [pair.stem for pair in dataset_pairs(options.msrs / split).pairs]
        for split in ("train", "test")
    }
    pairs = {split: list(read_split(options.msrs / split)) for split in stems}
    painted = options.painted_steps and not options.read
    pairs["painted"] = list(paint(options.painted)) if painted else []
    found: dict[str, list[list[Floats]]] = {}
    for text in options.pictures:
        name, equals, given_as = text.partition("=")
        paths = [
            options.output / f"{name.replace('/', '-')}.{seed}.json"
            for seed in range(options.seeds)
        ]
        if not options.read:
            fused = fused_as(given_as if equals else text, pairs, stems)
            frames = {
                split: [
                    Frame(half(picture), boxes)
                    for picture, (_, _, boxes) in zip(fused[split], given, strict=True)
                ]
                for split, given in pairs.items()
            }
            phases = (options.painted_steps, options.steps)
            for seed, path in enumerate(paths):
                learn(frames, phases, seed, path)
        found[name] = [answers(path) for path in paths if path.exists()]
        if not found[name]:
            raise SystemExit(f"{paths[0]}: expected kept answers, found none; leave out --read")
    lights = [is_day(stem) for stem in stems["test"]]
    report(found, [boxes for _, _, boxes in pairs["test"]], lights, options.against)


def fused_as(
    name: str, pairs: dict[str, list[Pair]], stems: dict[str, list[str]]
) -> dict[str, list[Bytes]]:
    """Return the fused pictures of each split, made by a method or a model or read from a folder.

    Args:
        name: What makes the pictures, or their folder.
        pairs: Infrared and visible pictures and boxes of each split.
        stems: The names of those that a folder has.
    """
    if not Path(name).is_dir():
        fuse = fuser_of(name)
        return {split: [fuse(ir, vi) for ir, vi, _ in given] for split, given in pairs.items()}
    if pairs["painted"]:
        raise SystemExit(f"{name}: has no painted streets; add --painted-steps 0")
    read = {
        split: [to_uint8(read_image(Path(name) / split / f"{stem}.png")) for stem in named]
        for split, named in stems.items()
    }
    return {**read, "painted": []}


def learn(frames: dict[str, list[Frame]], steps: tuple[int, int], seed: int, path: Path) -> None:
    """Train with a seed and keep the answers, unless the same ones are kept already."""
    pictures = hashlib.sha256()
    for split in ("train", "test", "painted"):
        for frame in frames[split]:
            pictures.update(frame.picture.tobytes() + frame.boxes.tobytes())
    settings = {"pictures": pictures.hexdigest(), "steps": list(steps)}
    if path.exists() and json.loads(path.read_text()).get("settings") == settings:
        return
    start = time.process_time()
    network = train(((frames["painted"], steps[0]), (frames["train"], steps[1])), seed)
    kept = [detect(network, frame.picture).tolist() for frame in frames["test"]]
    write_bytes(path, json.dumps({"settings": settings, "answers": kept}).encode())
    taken = time.process_time() - start
    print(f"{path.stem}: {taken:.0f} s of one processor", flush=True)


def answers(path: Path) -> list[Floats]:
    """Return what was found on each test picture."""
    return [np.array(boxes).reshape(-1, 6) for boxes in json.loads(path.read_text())["answers"]]


def fuser_of(name: str) -> Fuse:
    """Return what makes one kind of picture from an infrared and a visible one."""
    if name == "infrared":
        return lambda infrared, visible: infrared
    if name == "visible":
        return lambda infrared, visible: visible
    model, at, strength = name.partition("@")
    if model == "mix":
        share = float(strength)
        register_method(name, lambda infrared, y: share * infrared + (1 - share) * y)
        return Fuser(method=name)
    if at:
        return Fuser(model=model, strength=float(strength), threads=1)
    return Fuser(method=model) if model in list_methods() else Fuser(model=model, threads=1)


def half(picture: Bytes) -> Bytes:
    """Return a picture at half its size, H x W x 3."""
    size = picture.shape[1] // 2, picture.shape[0] // 2
    return np.asarray(cv2.resize(to_rgb8(picture), size, interpolation=cv2.INTER_AREA), np.uint8)


def read_split(root: Path) -> Iterator[tuple[Bytes, Bytes, Floats]]:
    """Yield infrared and visible pictures, and the boxes drawn on either, at half the size."""
    for pair in dataset_pairs(root).pairs:
        infrared, visible = read_pair(pair.infrared, pair.visible)
        boxes: list[list[float]] = []
        for modality in ("infrared", "visible"):
            path = root / "boxes" / modality / f"{pair.stem}.txt"
            for box in read_boxes(path, *infrared.shape[:2]) if path.exists() else []:
                sides = [side / 2 for side in (box.left, box.top, box.right, box.bottom)]
                if box.label in LABELS:
                    own = [float(LABELS[box.label]), *sides]
                    known = np.array([each for each in boxes if each[0] == own[0]]).reshape(-1, 5)
                    if not (overlaps(np.array([own[1:]]), known[:, 1:]) > SAME).any():
                        boxes.append(own)
        yield infrared, visible, np.array(boxes).reshape(-1, 5)


def paint(count: int) -> Iterator[tuple[Bytes, Bytes, Floats]]:
    """Yield painted streets by day and by night; what touches is one object."""
    generator = np.random.default_rng(0)
    for seed in range(count):
        daylight = generator.uniform(0.3, 1.0) if seed % 2 else generator.uniform(0.0, 0.15)
        scene = labelled_scene(5000 + seed, daylight=daylight)
        boxes = []
        for label, index in PAINTED.items():
            alike = (scene.labels == label).astype(np.uint8)
            for left, top, width, height, _ in cv2.connectedComponentsWithStats(alike)[2][1:]:
                if min(width, height) >= 2 * LEAST:
                    sides = (left, top, left + width, top + height)
                    boxes.append([float(index), *(side / 2 for side in sides)])
        yield scene.infrared, scene.visible, np.array(boxes).reshape(-1, 5)


def overlaps(ones: Floats, others: Floats) -> Floats:
    """Return the intersection over union of boxes, N x 4, with others, M x 4: N x M."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (ones, others)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a 3 x 3 convolution with normalisation and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two layers beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(layer(width, width), layer(width, width))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        return features + self.layers(features)


class Detector(nn.Module):
    """Objects as points (CenterNet): 365,000 parameters, strides 2 to 16, answers at stride 4.

    Reference:
        X. Zhou, D. Wang, P. Krähenbühl, Objects as Points, 2019.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 96)) -> None:
        super().__init__()
        first, fourth, eighth, last = widths
        self.at_4 = nn.Sequential(layer(3, first, 2), layer(first, fourth, 2), Residual(fourth))
        self.at_8 = nn.Sequential(layer(fourth, eighth, 2), Residual(eighth))
        self.at_16 = nn.Sequential(layer(eighth, last, 2), Residual(last))
        self.to_8, self.to_4 = nn.Conv2d(last, eighth, 1), nn.Conv2d(eighth, fourth, 1)
        self.head = nn.Sequential(layer(fourth, 64), nn.Conv2d(64, len(NAMES) + 4, 1))
        nn.init.constant_(self.head[1].bias[: len(NAMES)], -4.0)  # nothing is most likely

    def forward(self, pictures: Tensor) -> Tensor:
        """N x 3 x H x W in [-0.5, 0.5] to N x 6 x H/4 x W/4: centres, log sizes, offsets."""
        fine = self.at_4(pictures)
        middle = self.at_8(fine)
        middle = middle + functional.interpolate(self.to_8(self.at_16(middle)), scale_factor=2)
        return self.head(fine + functional.interpolate(self.to_4(middle), scale_factor=2))


def train(phases: Sequence[tuple[Sequence[Frame], int]], seed: int) -> Detector:
    """Train from scratch; the crops depend on the seed and not on what the pictures show."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = Detector().to(memory_format=torch.channels_last)
    steps = max(1, sum(count for _, count in phases))
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for frames, count in phases:
        for _ in range(count):
            crops = [
                crop(frames[i], generator) for i in generator.integers(len(frames), size=BATCH)
            ]
            batch = to_tensor([frame.picture for frame in crops])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                answer = network(batch)
            loss = loss_of(answer.float(), [frame.boxes for frame in crops])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()
            plan.step()
    return network.eval()


def to_tensor(pictures: Sequence[Bytes]) -> Tensor:
    """Return pictures as N x 3 x H x W in [-0.5, 0.5]."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (batch.float() / 255 - 0.5).contiguous(memory_format=torch.channels_last)


def crop(frame: Frame, generator: np.random.Generator) -> Frame:
    """Return a part of a frame at another size, flipped or not, lighter or darker."""
    height, width = frame.picture.shape[:2]
    side = min(int(SIDE / generator.uniform(*ZOOM)), height, width)
    top, left = (int(generator.integers(whole - side + 1)) for whole in (height, width))
    part = frame.picture[top : top + side, left : left + side]
    zoom = SIDE / side
    picture = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    boxes = frame.boxes - [0, left, top, left, top]
    boxes[:, 1:] *= zoom
    inside = np.clip(boxes[:, 1:], 0, SIDE)
    whole = np.prod(boxes[:, 3:] - boxes[:, 1:3], axis=1)
    kept = np.prod(inside[:, 2:] - inside[:, :2], axis=1) > 0.4 * whole
    boxes = np.column_stack([boxes[kept, :1], inside[kept]])
    if generator.random() < 0.5:
        picture = picture[:, ::-1]
        boxes[:, [1, 3]] = SIDE - boxes[:, [3, 1]]
    gain, lift = generator.uniform(0.8, 1.25), generator.uniform(-15, 15)
    return Frame(np.clip(picture * gain + lift, 0, 255).astype(np.uint8), boxes)


def loss_of(answer: Tensor, boxes: Sequence[Floats]) -> Tensor:
    """Focal loss of the centres, and distances of log sizes and offsets at them."""
    count, _, height, width = answer.shape
    heat = np.zeros((count, len(NAMES), height, width), np.float32)
    rows, columns = np.mgrid[:height, :width]
    places, wanted = [], []
    for index, own in enumerate(boxes):
        for label, left, top, right, bottom in own:
            x, y = (left + right) / 2 / STRIDE, (top + bottom) / 2 / STRIDE
            column, row = min(int(x), width - 1), min(int(y), height - 1)
            across, down = (max(0.6, size / STRIDE / 6) for size in (right - left, bottom - top))
            spot = ((columns - column) / across) ** 2 + ((rows - row) / down) ** 2
            plane = heat[index, int(label)]
            np.maximum(plane, np.exp(-spot / 2), out=plane)
            places.append((index, row, column))
            wanted.append((np.log(right - left), np.log(bottom - top), x - column, y - row))
    target = torch.from_numpy(heat)
    logits = answer[:, : len(NAMES)]
    share = torch.sigmoid(logits)
    hit = (1 - share) ** 2 * functional.logsigmoid(logits) * (target == 1)
    missed = (1 - target) ** 4 * share**2 * functional.logsigmoid(-logits) * (target < 1)
    centres = -(hit.sum() + missed.sum()) / max(1, len(places))
    if not places:
        return centres
    where = torch.tensor(places).T
    told = answer[where[0], len(NAMES) :, where[1], where[2]]
    return centres + functional.l1_loss(told, torch.tensor(wanted, dtype=torch.float32)) * 2


@torch.no_grad()
def detect(network: Detector, picture: Bytes) -> Floats:
    """Return class, left, top, right, bottom and score of objects, N x 6."""
    answer = network(to_tensor([picture]))[0]
    share = torch.sigmoid(answer[: len(NAMES)])
    peaks = share * (functional.max_pool2d(share[None], 3, 1, 1)[0] == share)
    scores, order = peaks.flatten().topk(MOST)
    label, place = order // peaks[0].numel(), order % peaks[0].numel()
    row, column = place // peaks.shape[2], place % peaks.shape[2]
    width, height, x, y = answer[len(NAMES) :, row, column].double()
    width, height = width.exp() / 2, height.exp() / 2
    x, y = (column + x) * STRIDE, (row + y) * STRIDE
    boxes = (label, x - width, y - height, x + width, y + height, scores)
    return np.asarray(torch.stack([each.double() for each in boxes], dim=1))


@dataclass(frozen=True)
class Ranking:
    """Answers of one class in falling order of their scores: picture, right or not; objects."""

    picture: NDArray[np.int64]
    right: Floats
    objects: Floats

    def precision(self, drawn: NDArray[np.int64]) -> float:
        """Return the average precision where each picture counts as often as it was drawn."""
        weights = drawn[self.picture]
        right = np.cumsum(weights * self.right)
        total = float(drawn @ self.objects)
        if total == 0:
            return float("nan")
        precision = right / np.maximum(np.cumsum(weights), 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        return float(np.sum(best * np.diff(right, prepend=0)) / total)


def rank(answers: Sequence[Floats], truth: Sequence[Floats], label: int) -> Ranking:
    """Match answers with objects, the surest first; an object is found once."""
    rows = []
    for picture, (found, boxes) in enumerate(zip(answers, truth, strict=True)):
        own, known = found[found[:, 0] == label], boxes[boxes[:, 0] == label]
        own = own[np.argsort(-own[:, 5], kind="stable")]
        shared = overlaps(own[:, 1:5], known[:, 1:])
        for index, score in enumerate(own[:, 5]):
            best = int(np.argmax(shared[index])) if len(known) else 0
            right = len(known) > 0 and shared[index, best] >= 0.5
            if right:
                shared[:, best] = 0
            rows.append((picture, float(right), score))
    table = np.array(sorted(rows, key=lambda row: -row[2])).reshape(-1, 3)
    objects = np.array([float((boxes[:, 0] == label).sum()) for boxes in truth])
    return Ranking(table[:, 0].astype(np.int64), table[:, 1], objects)


def report(
    found: dict[str, list[list[Floats]]],
    truth: Sequence[Floats],
    lights: Sequence[bool | None],
    against: str,
) -> None:
    """Print average precisions, the mean of each training, and differences from one kind."""
    draws = np.concatenate([np.ones((1, len(truth)), np.int64), resamples(len(truth))[:DRAWS]])
    columns = [
        (f"{name} by {'day' if day else 'night'}", label, day)
        for label, name in enumerate(NAMES)
        for day in (True, False)
    ]
    values: dict[str, Floats] = {}
    trainings: dict[str, str] = {}
    for name, seeds in found.items():
        rows = []
        for _, label, day in columns:
            drawn = draws * np.array([light is day for light in lights])
            ranks = [rank(answers, truth, label) for answers in seeds]
            rows.append([[each.precision(own) for each in ranks] for own in drawn])
        trainings[name] = ", ".join(f"{100 * m:.1f}" for m in np.array(rows)[:, 0].mean(axis=0))
        cells = 100 * np.mean(np.array(rows), axis=2)
        values[name] = np.vstack([cells, cells.mean(axis=0)])
    header = [*(title for title, _, _ in columns), "mean"]
    for title, base in (("picture", None), (f"less {against}", values.get(against))):
        if title != "picture" and base is None:
            continue
        titles = [title, *header, *(["trainings"] if base is None else [])]
        print(f"\n| {' | '.join(titles)} |\n|{' --- |' * len(titles)}")
        for name, rows in values.items():
            if base is None or name != against:
                cells = [cell(row) for row in (rows if base is None else rows - base)]
                cells += [trainings[name]] if base is None else []
                print(f"| {name} | {' | '.join(cells)} |")


def cell(row: Floats) -> str:
    """Return the value and its 95 % interval."""
    if np.isnan(row[0]):
        return "-"
    low, high = np.nanquantile(row[1:], [0.025, 0.975])
    return f"{row[0]:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
