"""Estimates how the two lenses of a rig bend, together with the map between the cameras.

Pairs alone mostly show the difference between the two lenses: a bend that both have looks nearly
like none. Therefore both lenses are held weakly at no bend, and the smallest model is taken: no
lenses, one number for each lens (k1), or four (k1, k2, p1, p2). A larger model is taken only if it
predicts blocks that were left out clearly better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.align.blocks import Level, Matches, match
from piafusion.imaging.align.geometry import (
    FREEDOMS,
    Kind,
    Matrix,
    Points,
    corners,
    distances,
    magnification,
    nearest_similarity,
    ninths,
    normalised,
    transform,
)
from piafusion.imaging.align.lens import Lens, Size, over_grid
from piafusion.imaging.align.structure import Picture

Vector = NDArray[np.float64]

MIN_PAIRS = 10

_LEVEL = Level(640, 0.15, 0.035)
_FEW = 10  # pairs for the first look
_CLEARLY = 0.97  # a richer model has to have that share of the squared error
_ROUNDS = 12
_WEAK = 10.0  # visible pixels: what a number of 1 costs a lens
_STEP = 1e-6
_ENOUGH = 1e-4

Pairs = Sequence[tuple[Picture, Picture]]


def with_lenses(pairs: Pairs, found: Alignment, kind: Kind, tolerance: float) -> Alignment:
    """Return an alignment with the lenses of the rig, or as it is if these predict no better.

    Args:
        pairs: Infrared and visible pictures.
        found: An alignment without lenses.
        kind: The richest map allowed.
        tolerance: Visible pixels by which a right block may be off.
    """
    known = found
    for some in (pairs[:: -(-len(pairs) // _FEW)], pairs):
        straight = straightened(some, known.infrared_lens, known.visible_lens)
        matches = match(straight, known.matrix, _LEVEL)
        blocks = Blocks.of(matches, known, 2 * tolerance)
        model, numbers = blocks.plainest(found, kind)
        if not model.count:
            return found
        known = model.alignment(numbers)
    misses = blocks.misses(known)
    near = misses <= tolerance
    odd = np.arange(len(misses)) % 2 == 1
    halves = (blocks.fit(model, numbers, half) for half in (odd, ~odd))
    one, other = (model.alignment(half).place(matches.frame) for half in halves)
    apart = float(distances(one, other).mean()) / blocks.scale
    quality = Quality(
        score=round(matches.proof(near), 4),
        likeness=round(float(matches.likeness[near].mean()) if near.any() else 0.0, 4),
        disagreement=round(min(apart, float(max(found.visible_size))), 3),
        residual=round(float(np.median(misses[near])) if near.any() else 0.0, 3),
        pairs=len(pairs),
    )
    return replace(known, quality=quality)


def straightened(
    pairs: Pairs, infrared_lens: Lens | None, visible_lens: Lens | None
) -> list[tuple[Picture, Picture]]:
    """Return the pictures that cameras without distortion would take."""
    return [(_straight(ir, infrared_lens), _straight(vi, visible_lens)) for ir, vi in pairs]


def _straight(picture: Picture, lens: Lens | None) -> Picture:
    if lens is None:
        return picture
    x, y = cv2.split(over_grid(lens.bend, picture.size))

    def bent(plane: NDArray[np.float32], border: int) -> NDArray[np.float32]:
        found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=border)
        return np.asarray(found, np.float32)

    levels = bent(picture.levels, cv2.BORDER_REPLICATE)
    return Picture(levels, bent(picture.seen, cv2.BORDER_CONSTANT))


@dataclass(frozen=True)
class Blocks:
    """Blocks that were found, in pixels of the pictures as the cameras took them.

    Attributes:
        points: N x 2, in the visible pictures.
        targets: N x 2, in the infrared ones.
        scale: Infrared pixels of a visible pixel.
        most: A block counts less the farther off it is, and nothing that many visible pixels off.
    """

    points: Points
    targets: Points
    scale: float
    most: float

    @classmethod
    def of(cls, matches: Matches, known: Alignment, most: float) -> Blocks:
        """Return the blocks that were found in pictures which known lenses had straightened."""
        points, targets = matches.points, transform(known.matrix, matches.points + matches.shifts)
        if known.visible_lens and known.infrared_lens:
            points = known.visible_lens.bend(points)
            targets = known.infrared_lens.bend(targets)
        scale = magnification(known.matrix, known.visible_size)
        return cls(points, targets, scale, most)

    def misses(self, known: Alignment) -> Vector:
        """Return how far from each block an alignment sends it, in visible pixels."""
        missed = distances(known.place(self.points), self.targets) / self.scale
        return np.nan_to_num(missed, nan=self.most)

    def plainest(self, found: Alignment, kind: Kind) -> tuple[Model, Vector]:
        """Return the smallest model, unless a larger one predicts blocks left out clearly better.

        The blocks of each ninth of the picture are predicted from those of the others.
        """
        part = ninths(self.points)
        plain: tuple[Kind, Kind] = ("similarity", kind)
        models = [Model(found, found.kind, 0), *(Model(found, each, 1) for each in plain)]
        best, least = (models[0], models[0].start), np.inf
        for model in (*models, Model(found, kind, 4)):
            numbers = self.fit(model, model.start)
            if not np.isfinite(model.alignment(numbers).place(corners(found.visible_size))).all():
                continue
            errors = np.full(len(part), self.most)
            for left in np.unique(part):
                other = self.fit(model, numbers, part != left)
                errors[part == left] = self.misses(model.alignment(other))[part == left]
            error = float((np.minimum(errors, self.most) ** 2).mean())
            if error < _CLEARLY * least:
                best, least = (model, numbers), error
        return best

    def fit(
        self, model: Model, start: Vector, where: NDArray[np.bool_] | slice = slice(None)
    ) -> Vector:
        """Fit a model by least squares, each block weighted by Tukey's biweight."""
        points, targets = self.points[where], self.targets[where]
        costs = np.concatenate([np.zeros(FREEDOMS[model.kind]), np.full(2 * model.count, _WEAK)])

        def missed(numbers: Vector) -> Vector:
            return (targets - model.alignment(numbers).place(points)) / self.scale

        numbers = start
        for _ in range(_ROUNDS):
            now = missed(numbers)
            far = np.nan_to_num(np.linalg.norm(now, axis=1) / self.most, nan=1.0)
            weight = np.repeat(np.clip(1 - far**2, 0, 1), 2)  # the root of the biweight
            slope = np.stack(
                [
                    (now - missed(numbers + step)).ravel() / _STEP
                    for step in _STEP * np.eye(len(start))
                ],
                axis=1,
            )
            rows = np.vstack([np.nan_to_num(slope * weight[:, None]), np.diag(costs)])
            goal = np.concatenate([np.nan_to_num(now.ravel() * weight), -costs * numbers])
            change = np.linalg.lstsq(rows, goal, rcond=None)[0]
            numbers = numbers + change
            if np.abs(change).max() < _ENOUGH:
                break
        return numbers


@dataclass(frozen=True)
class Model:
    """A map and lenses, described by as few numbers as these have freedoms.

    Attributes:
        found: An alignment of the rig without lenses, of this kind or a plainer one.
        kind: Kind of the map.
        count: Numbers of each lens.
    """

    found: Alignment
    kind: Kind
    count: int

    @cached_property
    def _frames(self) -> tuple[Matrix, Matrix]:
        """Return the maps of the visible and the infrared picture to about [-1, 1]."""
        return _unit(self.found.visible_size), _unit(self.found.infrared_size)

    @property
    def start(self) -> Vector:
        """The parameters of the alignment that was found."""
        vi, ir = self._frames
        matrix = self.found.matrix
        if self.kind == "similarity":
            matrix = nearest_similarity(matrix, self.found.visible_size)
        inner = normalised(ir @ matrix @ np.linalg.inv(vi))
        if self.kind == "similarity":
            inner = inner[[0, 1, 0, 1], [0, 0, 2, 2]]
        return np.concatenate([inner.ravel()[: FREEDOMS[self.kind]], np.zeros(2 * self.count)])

    def alignment(self, numbers: Vector) -> Alignment:
        """Return the alignment that numbers describe."""
        freedoms = FREEDOMS[self.kind]
        inner = np.eye(3)
        if self.kind == "similarity":
            turn, moved = numbers[:2], numbers[2:4]
            inner[:2] = np.column_stack([turn, [-turn[1], turn[0]], moved])
        else:
            inner.flat[:freedoms] = numbers[:freedoms]
        vi, ir = self._frames
        rows = normalised(np.linalg.inv(ir) @ inner @ vi).tolist()
        known = replace(self.found, kind=self.kind, rows=tuple(map(tuple, rows)))
        if not self.count:
            return known
        ir_lens, vi_lens = numbers[freedoms:].reshape(2, self.count).tolist()
        return replace(
            known,
            infrared_lens=Lens.plain(known.infrared_size, *ir_lens),
            visible_lens=Lens.plain(known.visible_size, *vi_lens),
        )


def _unit(size: Size) -> Matrix:
    height, width = size
    half = max(size) / 2
    return np.array([[1, 0, (1 - width) / 2], [0, 1, (1 - height) / 2], [0, 0, half]]) / half
