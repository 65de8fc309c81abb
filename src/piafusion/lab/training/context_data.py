"""Crops for the context network: pairs of several cameras, targets from boxes, light from labels.

Light is labelled as what was lost. By day nothing is but in the darkest places; by night what no
lamp reaches; and where a good picture was spoilt on purpose, by darkness, fog or glare, what was
spoilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_image
from piafusion.lab.data.folders import dataset_pairs, is_day
from piafusion.metrics.natural import find_targets, read_boxes
from piafusion.scenes.synthetic import CLASSES, SUNRISE, labelled_scene

Bytes = NDArray[np.uint8]
Single = NDArray[np.float32]

ALIVE = (0, 1)
"""Classes of the boxes that are targets: people and bicycles with their riders."""
CARS = (2,)
"""Classes whose hot parts may be targets or not: an engine runs or the sun shines on it."""
LEVELS = np.arange(256) / 255
CLOSING = np.ones((5, 5), np.uint8)
"""Closes gaps in a target, such as a belt or a bag."""
UNDECIDED = 9
"""Class of boxes in which there may be targets or not."""
UNKNOWN = 255
"""A value of the target map: nobody has looked there."""
_SEED = 1000  # of the first painted street


@dataclass(frozen=True)
class Example:
    """A pair with what is known of it.

    Attributes:
        infrared: The picture as it is, equalised and by CLAHE, H x W uint8 each.
        luminance: The luminance of the visible picture, H x W uint8.
        targets: 0 or 1, or `UNKNOWN`, H x W uint8.
        day: Whether the visible picture was taken by day.
        level: The luminance of the place, blurred widely, H x W uint8.
        scene: The luminance around that place, blurred more widely still.
        missing: How far the visible picture lacks structure that the infrared has, H x W uint8.
    """

    infrared: tuple[Bytes, ...]
    luminance: Bytes
    targets: Bytes
    day: bool
    level: Bytes
    scene: Bytes
    missing: Bytes


def _bytes(image: ArrayLike) -> Bytes:
    return np.asarray(image, dtype=np.uint8)


def _single(image: ArrayLike) -> Single:
    return np.asarray(image, dtype=np.float32)


def _example(ir: Bytes, y: Bytes, targets: Bytes, *, day: bool) -> Example:
    clahe = cv2.createCLAHE(3.0, (8, 8))
    shown = (ir, _bytes(cv2.equalizeHist(ir)), _bytes(clahe.apply(ir)))
    coarse = _coarse(_single(y))
    level, scene = (_bytes(_fine_to(blur(coarse, s / COARSE), ir.shape)) for s in (WIDE, SCENE))
    missing = 255 * structure_missing(_single(ir) / np.float32(255), _single(y) / np.float32(255))
    return Example(shown, y, targets, day, level, scene, _bytes(missing))


def read_examples(
    root: Path,
    boxes: Path | None,
    stems: Sequence[str] | None = None,
) -> list[Example]:
    """Read a dataset folder.

    Args:
        root: With `ir` and `vi`.
        boxes: Folder of YOLO text files; a picture that has none is not known to have no target.
            Pairs by night, where the names do not tell, stand in `nights.txt`, one a line.
        stems: The pairs to read; all by default.
    """
    listed = boxes / "nights.txt" if boxes else None
    nights = listed.read_text().split() if listed and listed.exists() else []
    examples = []
    for pair in dataset_pairs(root).pairs:
        stem = pair.stem
        if stems is not None and stem not in stems:
            continue
        ir, vi = read_image(pair.infrared), read_image(pair.visible)
        ir = np.ascontiguousarray(ir if ir.ndim == 2 else ir[..., 0])
        y = np.rint(luminance(vi.astype(np.float32))).astype(np.uint8)
        file = boxes / f"{stem}.txt" if boxes else None
        targets = np.full(ir.shape, UNKNOWN, np.uint8)
        if file and file.exists():
            targets[:] = 0
            heat, found = ir.astype(np.float64), read_boxes(file, *ir.shape)
            for box in found:
                if box.label == UNDECIDED:
                    targets[box.top : box.bottom, box.left : box.right] = UNKNOWN
            for target in find_targets(heat, found, CARS):
                targets[target.window][target.body] = UNKNOWN
            for target in find_targets(heat, found, ALIVE):
                body = cv2.morphologyEx(target.body.astype(np.uint8), cv2.MORPH_CLOSE, CLOSING)
                targets[target.window][body > 0] = 1
        named = is_day(stem)
        examples.append(
            _example(ir, y, targets, day=stem not in nights if named is None else named)
        )
    return examples


def paint_examples(count: int) -> list[Example]:
    """Paint streets at all hours, half of them by day; people and riders are targets."""
    generator = np.random.default_rng(_SEED)
    examples = []
    for index in range(count):
        day = index % 2 == 0
        daylight = (
            generator.uniform(1.5 * SUNRISE, 1.0) if day else generator.uniform(0, 0.7 * SUNRISE)
        )
        scene = labelled_scene(_SEED + index, daylight=daylight)
        alive = np.isin(scene.labels, [CLASSES.index("person"), CLASSES.index("bicycle")])
        y = np.rint(luminance(scene.visible.astype(np.float32))).astype(np.uint8)
        examples.append(_example(scene.infrared, y, alive.astype(np.uint8), day=day))
    return examples


DARK, NOT_DARK = 0.32, 0.42
"""Luminance of a part of the scene that is dark, and of one that is not."""
GREY, LIT = 0.29, 0.55
"""In a scene that is not dark, what is below the first is lost; in a dark one, below the second."""
NIGHT, TWILIGHT = 0.375, 0.395
"""Mean luminance of a picture that is dark as a whole, and of one that is grey."""
BLACK, SHOWN = 0.20, 0.28
"""Luminance of places of a grey picture that show nothing, and of those that show something."""
HALF = 0.33
"""Share that is lost in a grey picture where the place shows something."""
LACKS = 0.6
"""The same, where structure lacks."""
WIDE, SCENE, SOFT, LOCAL = 32, 80, 14, 10
"""Deviations of blurs, in pixels: a place, its scene, the edge of what is lost, structure."""
COARSE = 4
"""Light is judged at a fourth of the resolution: it varies slowly, and that is quick."""


def blur(picture: Single, sigma: float) -> Single:
    """Gaussian blur, replicating the border."""
    return _single(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _coarse(picture: Single) -> Single:
    size = (picture.shape[1] // COARSE, picture.shape[0] // COARSE)
    return _single(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _fine(field: Single) -> Single:
    size = (field.shape[1] * COARSE, field.shape[0] * COARSE)
    return _single(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR))


def _fine_to(field: Single, shape: tuple[int, ...]) -> Single:
    return _single(np.rint(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_LINEAR)))


def lost_by_day(y: Single) -> Single:
    """Return how far the visible picture fails by day, in [0, 1]: in the darkest places only."""
    return _fine(np.clip((0.16 - blur(_coarse(y), 4)) / 0.10, 0, 1))


def structure_missing(ir: Single, y: Single) -> Single:
    """Return where the infrared has structure and the visible picture, dark, has not, in [0, 1]."""
    (_, in_ir), (mean, in_y) = (_deviation(blur(picture, 1)) for picture in (ir, y))
    missing = np.clip((in_ir - 2 * in_y) / 0.08, 0, 1) * np.clip((0.46 - mean) / 0.12, 0, 1)
    return _single(np.clip(1.6 * blur(missing, 1.6 * LOCAL), 0, 1))


def _deviation(picture: Single) -> tuple[Single, Single]:
    """Return the local mean and standard deviation."""
    mean = blur(picture, LOCAL)
    return mean, np.sqrt(np.maximum(blur(picture * picture, LOCAL) - mean * mean, 0))


def lost_by_night(y: Single, level: Single, scene: Single, missing: Single, mean: float) -> Single:
    """Return how far the visible picture fails by night, in [0, 1].

    A picture that is dark as a whole fails everywhere; the complete fusion keeps its lamps. A grey
    one fails where it is darker than the rest and where structure is missing; there a part of the
    visible picture is kept. The map varies slowly, so that it divides no object.

    Args:
        y: Luminance in [0, 1].
        level: Luminance, blurred widely.
        scene: Luminance, blurred more widely still.
        missing: `structure_missing`.
        mean: Mean luminance of the whole picture.
    """
    y, level, scene, missing = (_coarse(plane) for plane in (y, level, scene, missing))
    whole = np.clip((TWILIGHT - mean) / (TWILIGHT - NIGHT), 0, 1)
    night = np.clip((NOT_DARK - scene) / (NOT_DARK - DARK), 0, 1)
    dark = np.clip((GREY + night * (LIT - GREY) - level) / 0.06 + 0.5, 0, 1)
    shown = np.clip((blur(y, SOFT / COARSE) - BLACK) / (SHOWN - BLACK), 0, 1)
    share = np.maximum((1 - (1 - HALF) * shown) * dark, (1 - (1 - LACKS) * shown) * missing)
    return _fine(blur(_single(np.maximum(share, whole)), SOFT / COARSE))


def _field(shape: tuple[int, int], generator: np.random.Generator, scale: int) -> Single:
    """Return a smooth random field in [0, 1]."""
    height, width = (side // scale + 3 for side in shape)
    coarse = generator.random((height, width), np.float32)
    return np.clip(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def spoil(y: Single, generator: np.random.Generator) -> tuple[Single, Single]:
    """Spoil a good picture; return it and how far each place is lost."""
    kind = generator.random()
    shape = (y.shape[0] // COARSE, y.shape[1] // COARSE)
    if kind < 0.5:  # a night: lamps here and there, a black level, noise, sometimes smoothed
        light = 1.6 * _field(shape, generator, int(generator.integers(15, 50))) - 0.5
        light = np.clip(light, 0, 1) * np.float32(generator.uniform(0.2, 1.0))
        black, gain = (
            np.float32(generator.uniform(0, 0.35)),
            np.float32(generator.uniform(0.4, 0.8)),
        )
        shown = black + gain * y * (_fine(light) + np.float32(0.02))
        noise = generator.standard_normal(y.shape, np.float32)
        noise *= np.float32(generator.uniform(0.003, 0.04))
        if generator.random() < 0.6:
            noise = 2 * blur(noise, 1.0)
            shown = blur(shown, generator.uniform(0.5, 1.5))
        return np.clip(shown + noise, 0, 1), _fine(np.clip((0.35 - light) / 0.2, 0, 1))
    if kind < 0.8:  # fog, thicker in places, or clouds of smoke
        field = _field(shape, generator, int(generator.integers(20, 75)))
        shade = np.full_like(y, generator.uniform(0.45, 0.9))
        if generator.random() < 0.5:
            thick = np.clip(1.4 * field - 0.1, 0, 1) * np.float32(generator.uniform(0.5, 1.0))
        else:
            billows = _field(shape, generator, int(generator.integers(3, 9)))
            thick = np.clip(4 * field + 0.8 * billows - 2.2, 0, 1)
            shade = shade * _fine(0.7 + 0.5 * billows)
        veil = _fine(thick)
        shown = (1 - veil) * y + veil * shade
        return np.clip(shown, 0, 1), _fine(np.clip((thick - 0.65) / 0.2, 0, 1))
    # glare: lamps or the sun
    glow = np.zeros(shape, np.float32)
    for _ in range(generator.integers(1, 4)):
        row, column = (int(generator.integers(side)) for side in shape)
        cv2.circle(glow, (column, row), int(generator.integers(1, 7)), 1.0, -1)
    glow = np.clip(glow + 8 * blur(glow, 3) + 12 * blur(glow, 10), 0, 1)
    shown = np.clip(y * np.float32(generator.uniform(0.3, 1.0)) + _fine(glow), 0, 1)
    return shown, _fine(np.clip((glow - 0.6) / 0.3, 0, 1))


def vignette(shape: tuple[int, int], generator: np.random.Generator) -> Single:
    """Return a factor in [0, 1] for each pixel: a lens that darkens the corners."""
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    rows, columns = (axis - np.float32(generator.uniform(-0.3, 0.3)) for axis in (rows, columns))
    far = np.sqrt(rows[:, None] ** 2 + columns**2) - np.float32(generator.uniform(0.4, 1.0))
    return _single(1 - generator.uniform(0.4, 1.0) * np.clip(far / 0.8, 0, 1) ** 1.5)


def hot_shape(
    side: int, large: bool, generator: np.random.Generator
) -> tuple[tuple[slice, slice], Single, Single]:
    """Draw something hot: small and ragged, an engine or an animal; or large, a wall in the sun.

    Args:
        side: The side of the crop that it goes into, in pixels.
        large: Whether it is more than half as long as the crop.
        generator: Chooses.

    Returns:
        Its place in the crop, its share of each pixel there, and a texture in [0.7, 1].
    """
    least, most = (0.45, 0.95) if large else (0.04, 0.38)
    size = side * np.exp(generator.uniform(np.log(least), np.log(most)))
    stretch = np.exp(generator.uniform(-0.5, 0.5))
    height, width = (
        int(np.clip(length, 6, side - 2)) for length in (size / stretch, size * stretch)
    )
    rows, columns = (np.abs(np.linspace(-1, 1, n, dtype=np.float32)) for n in (height, width))
    power = generator.uniform(1.5, 8)  # from a lozenge over an ellipse to a box
    far = rows[:, None] ** power + columns**power
    rough, fine = (
        _field((height, width), generator, max(2, max(height, width) // parts)) for parts in (3, 8)
    )
    ragged = 0.2 if large else 1.6
    body = _single(far + ragged * (rough - 0.5) + 0.3 * ragged * (fine - 0.5) < 0.75)
    top, left = (int(generator.integers(side - n)) for n in (height, width))
    place = (slice(top, top + height), slice(left, left + width))
    return place, blur(body, 0.6), _single(0.7 + 0.3 * fine)


@dataclass(frozen=True)
class ContextBatch:
    """Crops, N x 1 x H x W each; `targets` is NaN where nobody knows."""

    infrared: Tensor
    luminance: Tensor
    targets: Tensor
    lost: Tensor


def cutouts(example: Example) -> list[tuple[Single, Single, Single]]:
    """Return the targets of a picture: infrared, luminance and share of the body, h x w each."""
    found: list[tuple[Single, Single, Single]] = []
    targets = _bytes(example.targets == 1)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(targets)
    for left, top, width, height, area in boxes[1:count]:
        # As tall as somebody who stands, and no square: that is a box without a silhouette.
        if height < 24 or not 1.2 < height / width < 5 or area > 0.8 * height * width:
            continue
        part = (slice(top, top + height), slice(left, left + width))
        planes = (example.infrared[0][part], example.luminance[part], 255 * targets[part])
        heat, seen, body = (_single(plane) / np.float32(255) for plane in planes)
        found.append((heat, seen, blur(body, 0.7)))
    return found


class ContextSampler:
    """Draws crops that depend on the seed and the step alone."""

    PASTED = 0.3
    """Share of the crops that people of other pictures are put into."""
    HEATED = 0.25
    """Share of the crops that something hot is put into."""
    LARGE = 0.4
    """How often it is large, a wall in the sun, and no target."""
    VIGNETTED = 0.35
    """Share of the crops with dark corners, in both pictures or in one."""

    def __init__(
        self,
        groups: Sequence[Sequence[Example]],
        shares: Sequence[float],
        batch: int,
        size: int,
        seed: int = 0,
    ) -> None:
        """Keep the examples.

        Args:
            groups: Examples of each camera.
            shares: How often each group is drawn.
            batch: Crops in a batch.
            size: Side of a crop, a multiple of 32.
            seed: Chooses the crops.
        """
        self._groups, self._batch, self._size, self._seed = groups, batch, size, seed
        self._shares = np.asarray(shares) / np.sum(shares)
        self._device = torch.device("cpu")
        self._cutouts = [cut for group in groups for example in group for cut in cutouts(example)]

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> ContextBatch:
        """Return batch number `step`, or the share of it of one of several ranks."""
        crops = [
            self._crop(np.random.default_rng((self._seed, step, index)))
            for index in range(rank, self._batch, ranks)
        ]
        planes = [torch.from_numpy(np.stack(plane))[:, None] for plane in zip(*crops, strict=True)]
        return ContextBatch(*(plane.to(self._device) for plane in planes))

    def describe(self, step: int) -> str:
        """Say which crops a batch holds."""
        return f"crops of step {step} and seed {self._seed}"

    def to(self, device: torch.device) -> None:
        """Make the batches of a device; the crops are cut on the processor."""
        self._device = device

    def _crop(self, generator: np.random.Generator) -> tuple[Single, ...]:
        group = self._groups[int(generator.choice(len(self._groups), p=self._shares))]
        example = group[int(generator.integers(len(group)))]
        window = self._window(example, generator)
        size = (self._size, self._size)
        shown = example.infrared[int(generator.choice(3, p=(0.5, 0.25, 0.25)))]
        seen = example.luminance[window]
        flip = slice(None, None, -1 if generator.random() < 0.5 else 1)
        planes = (shown[window], seen, *(p[window] for p in (example.level, example.scene)))
        ir, y, level, scene, missing = (
            _single(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))[:, flip]
            / np.float32(255)
            for plane in (*planes, example.missing[window])
        )
        targets = cv2.resize(example.targets[window], size, interpolation=cv2.INTER_NEAREST)
        marked = targets[:, flip].astype(np.float32)
        marked[marked == UNKNOWN] = np.nan
        if self._cutouts and generator.random() < self.PASTED:
            for _ in range(int(generator.integers(1, 4))):
                self._paste(ir, y, marked, generator)
        if generator.random() < self.HEATED:
            # The camera's range follows what is hottest, the rest becomes darker.
            ir *= np.float32(generator.uniform(0.4, 0.85))
            for _ in range(int(generator.integers(1, 3))):
                self._heat(ir, y, marked, generator)
        if generator.random() < 0.5:
            gamma = np.exp(generator.uniform(-1.0, 0.4))
            curve = generator.uniform(-0.05, 0.2) + generator.uniform(0.6, 1.1) * LEVELS**gamma
            ir = curve.astype(np.float32)[(255 * ir + 0.5).astype(np.uint8)]
            ir = _single(np.clip(ir, 0, 1))
        if not example.day:
            y, level, scene = self._toned((y, level, scene), generator)
            lost = lost_by_night(y, level, scene, missing, float(y.mean()))
        elif generator.random() < 0.25:
            y, lost = spoil(y, generator)
            lost = np.maximum(lost, lost_by_day(y))
        else:
            (y,) = self._toned((y,), generator)
            lost = lost_by_day(y)
        if generator.random() < self.VIGNETTED:
            both = generator.random()
            if both < 0.7:
                y = y * vignette(y.shape, generator)
            if both > 0.4:
                ir = ir * vignette(ir.shape, generator)
        if generator.random() < 0.2:
            ir = ir + generator.standard_normal(ir.shape, np.float32) * np.float32(0.02)
        return tuple(
            np.ascontiguousarray(np.clip(p, 0, 1), np.float32) for p in (ir, y, marked, lost)
        )

    def _paste(self, ir: Single, y: Single, marked: Single, generator: np.random.Generator) -> None:
        """Put a person of another picture into a crop: another camera's streets have some too."""
        cut = self._cutouts[int(generator.integers(len(self._cutouts)))]
        scale = np.exp(generator.uniform(-0.5, 0.9))
        height, width = (int(np.clip(side * scale, 8, self._size - 2)) for side in cut[0].shape)
        heat, seen, body = (
            cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in cut
        )
        if generator.random() < 0.5:
            heat, seen, body = heat[:, ::-1], seen[:, ::-1], body[:, ::-1]
        top, left = (int(generator.integers(self._size - side)) for side in (height, width))
        part = (slice(top, top + height), slice(left, left + width))
        # As hot over this background as bodies are, and sometimes shown as hot as can be.
        low, high = float(heat.min()), float(heat.max())
        hot = min(1.0, float(np.median(ir[part])) + generator.uniform(0.2, 0.8))
        heat = hot * (0.6 + 0.4 * (heat - low) / max(high - low, 0.02))
        body = body * (heat > ir[part] + 0.03)
        ir[part] += body * (heat - ir[part])
        share = generator.uniform(0.5, 1.5)
        y[part] += body * (np.clip(share * seen, 0, 1) - y[part])
        known = marked[part]
        known[body > 0.5] = 1

    def _heat(self, ir: Single, y: Single, marked: Single, generator: np.random.Generator) -> None:
        """Put something hot into a crop; the visible picture shows it in half of the cases."""
        large = generator.random() < self.LARGE
        place, body, texture = hot_shape(self._size, large, generator)
        hot = np.float32(generator.uniform(0.75, 1.0))
        ir[place] += body * (np.maximum(hot * texture, ir[place]) - ir[place])
        if generator.random() < 0.5:
            shade = np.float32(generator.uniform(0.05, 0.9))
            y[place] += body * (shade * texture - y[place])
        known = marked[place]
        known[body > 0.5] = 0 if large else 1

    @staticmethod
    def _toned(planes: tuple[Single, ...], generator: np.random.Generator) -> tuple[Single, ...]:
        """Show planes of one picture in another exposure, in half of the cases."""
        if generator.random() >= 0.5:
            return planes
        gamma = np.exp(generator.uniform(-0.4, 0.5))
        curve = generator.uniform(0, 0.12) + generator.uniform(0.6, 1.1) * LEVELS**gamma
        curve = _single(np.clip(curve, 0, 1))
        return tuple(curve[(255 * plane + 0.5).astype(np.uint8)] for plane in planes)

    def _window(self, example: Example, generator: np.random.Generator) -> tuple[slice, slice]:
        """Draw a square that has a target in half of the cases, if there is one."""
        height, width = example.luminance.shape
        near = generator.random() < 0.5
        zoom = generator.uniform(0.6, 1.4) if near else generator.uniform(1.4, 2.2)
        side = int(self._size * zoom)
        side = min(side, height, width)
        top, left = (int(generator.integers(s - side + 1)) for s in (height, width))
        spots = np.argwhere(example.targets[::4, ::4] == 1) * 4
        if len(spots) and generator.random() < 0.5:
            row, column = spots[int(generator.integers(len(spots)))]
            top = int(np.clip(row - generator.integers(side), 0, height - side))
            left = int(np.clip(column - generator.integers(side), 0, width - side))
        return slice(top, top + side), slice(left, left + side)
