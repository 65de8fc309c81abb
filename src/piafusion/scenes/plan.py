"""Where things stand in a street: drawn from a seed, the same at every hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from piafusion.scenes import library
from piafusion.scenes.houses import STREET_END, WALL
from piafusion.scenes.library import Front, Sprite
from piafusion.scenes.street import KERB

LEFT, RIGHT = -1, 1


@dataclass(frozen=True)
class HousePlace:
    """A house beside the street, from `near` to `far` (metres)."""

    front: Front
    side: int
    near: float

    @property
    def far(self) -> float:
        """Where it ends."""
        return self.near + self.front.length


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground.

    Attributes:
        sprite: Its picture from the camera's view.
        x: Metres to the right of the middle of the road.
        z: Metres ahead.
        width: Metres across, for its shadow.
        depth: Metres along the street.
        height: Metres.
        stretch: Factor on its height in the picture.
        beam: +1 or -1 for a car whose headlights shine ahead or towards us, else 0.
        crown: Height of the middle of a tree's crown, else 0.
        warm: Whether an engine warms the ground under it.
    """

    sprite: Sprite
    x: float
    z: float
    width: float
    depth: float
    height: float
    stretch: float = 1.0
    beam: int = 0
    crown: float = 0.0
    warm: bool = False


@dataclass(frozen=True)
class StreetPlan:
    """A street: everything but the light.

    Attributes:
        eye: x and y of the camera, metres.
        zoom: Focal length over the smaller of height and 0.8 widths.
        centre: Where the street vanishes, as shares of width and height.
        azimuth: Direction of the sun, radians from ahead to the right.
        ground: Index of the ground.
        sky: Index of the clouds, how far they are moved, and how much there is of them.
        houses: Houses, near ones first.
        end: Fronts that close the street, from left to right.
        things: Sprites, in no order.
        lamps: Side and z of street lamps.
    """

    eye: tuple[float, float]
    zoom: float
    centre: tuple[float, float]
    azimuth: float
    ground: int
    sky: tuple[int, float, float]
    houses: tuple[HousePlace, ...]
    end: tuple[Front, ...]
    things: tuple[Thing, ...]
    lamps: tuple[tuple[int, float], ...]


def plan_street(rng: np.random.Generator) -> StreetPlan:
    """Draw a street."""
    eye = (float(rng.uniform(1.1, 2.0)), float(rng.uniform(1.4, 1.85)))
    ground = int(rng.integers(library.GROUNDS))
    green = ((), (), (), (RIGHT,), (LEFT,), (LEFT, RIGHT))[ground]
    houses = [house for side in (LEFT, RIGHT) if side not in green for house in _houses(rng, side)]
    things = [*_trees(rng, green), *_traffic(rng, eye[0]), *_parked(rng, eye[0])]
    things += [*_walkers(rng), *_bicycles(rng)]
    if rng.random() < 0.3:
        things.append(Thing(library.sign(), KERB + 0.75, float(rng.uniform(11, 24)), 0.1, 0.1, 3))
    return StreetPlan(
        eye=eye,
        zoom=float(rng.uniform(1.0, 1.25)),
        centre=(0.5 + float(rng.uniform(-0.07, 0.07)), 0.47 + float(rng.uniform(-0.035, 0.035))),
        azimuth=float(rng.uniform(-np.pi, np.pi)),
        ground=ground,
        sky=(int(rng.integers(library.SKIES)), float(rng.random()), float(rng.uniform(0.4, 1))),
        houses=tuple(houses),
        end=tuple(library.front(int(i)) for i in rng.integers(library.FRONTS, size=7)),
        things=tuple(things),
        lamps=tuple(_lamps(rng)),
    )


def _houses(rng: np.random.Generator, side: int) -> list[HousePlace]:
    houses: list[HousePlace] = []
    near = float(rng.uniform(-14, -4))
    while near < STREET_END:
        house = HousePlace(library.front(int(rng.integers(library.FRONTS))), side, near)
        houses.append(house)
        near = house.far + float(rng.choice([0.0, 0.0, 0.0, 4.0, 9.0]))
    return houses


def _lamps(rng: np.random.Generator) -> list[tuple[int, float]]:
    first, step = float(rng.uniform(8, 24)), float(rng.uniform(16, 26))
    both = rng.random() < 0.6
    return [
        (RIGHT if index % 2 == 0 or not both else LEFT, first + index * step)
        for index in range(5)
        if first + index * step < 95
    ]


def _trees(rng: np.random.Generator, green: tuple[int, ...]) -> list[Thing]:
    things = []
    for side in (LEFT, RIGHT):
        step = 4.5 if side in green else float(rng.choice([9.0, 14.0, 200.0]))
        z = float(rng.uniform(9, 9 + step / 2))
        while z < 95:
            x = 6.9 + float(rng.uniform(-0.3, 0.5))
            if side in green:
                x = float(rng.uniform(8.2, 19.0)) * (1 + z / 160)
            size = float(rng.uniform(0.85, 1.35 if side in green else 1.1))
            sprite = library.tree(int(rng.integers(library.TREES)))
            things.append(Thing(sprite, side * x, z, 0.4, 0.4, 6 * size, size, crown=4.4 * size))
            z += step * float(rng.uniform(0.5, 1.4)) * (1 + z / 80)
    return things


def _car(
    rng: np.random.Generator, eye: float, x: float, z: float, *, oncoming: bool, driven: bool
) -> Thing:
    slope = (x - eye) / z
    view = int(np.argmin([abs(slope - known) for known in library.VIEWS]))
    paint = int(rng.integers(len(library.PAINTS)))
    sprite = library.car(view, paint, oncoming=oncoming, driven=driven)
    stretch = float(rng.choice([1.0, 1.0, 1.08, 1.22, 1.34]))
    beam = (-1 if oncoming else 1) if driven else 0
    return Thing(sprite, x, z, 1.8, 4.2, 1.45 * stretch, stretch, beam, warm=driven)


def _traffic(rng: np.random.Generator, eye: float) -> list[Thing]:
    things = []
    z = float(rng.uniform(11, 30))
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        x = 1.75 + float(rng.uniform(-0.2, 0.2))
        things.append(_car(rng, eye, x, z, oncoming=False, driven=True))
        z += float(rng.uniform(9, 30))
    z = float(rng.uniform(12, 40))
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        x = -1.8 + float(rng.uniform(-0.2, 0.2))
        things.append(_car(rng, eye, x, z, oncoming=True, driven=True))
        z += float(rng.uniform(10, 30))
    return things


def _parked(rng: np.random.Generator, eye: float) -> list[Thing]:
    things = []
    for side in (LEFT, RIGHT):
        z = float(rng.uniform(9.5 if side < 0 else 13, 26))
        for _ in range(int(rng.integers(0, 6))):
            x = side * (4.4 + float(rng.uniform(-0.1, 0.15)))
            things.append(_car(rng, eye, x, z, oncoming=side < 0, driven=False))
            z += float(rng.choice([6.4, 6.4, 7.5, 13.0]))
    return things


def _walkers(rng: np.random.Generator) -> list[Thing]:
    def along() -> tuple[float, float]:
        side = rng.choice([-1.0, 1.0])
        return side * float(rng.uniform(5.9, 8.6)), float(rng.gamma(2.2, 7.0)) + 6.5

    def across() -> tuple[float, float]:
        return float(rng.uniform(-6, 6)), float(rng.uniform(13, 34))

    return [
        Thing(library.person(int(rng.integers(library.PEOPLE))), *place(), 0.45, 0.35, 1.75)
        for place in [along] * int(rng.integers(2, 9)) + [across] * int(rng.integers(0, 3))
    ]


def _bicycles(rng: np.random.Generator) -> list[Thing]:
    def thing(draw: Callable[[int], Sprite], count: int, x: float, z: float, tall: float) -> Thing:
        return Thing(draw(int(rng.integers(count))), x, z, 0.5, 1.6, tall)

    things = []
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        x = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(2.9, 4.0))
        z = float(rng.uniform(7.5, 32))
        things.append(thing(library.cyclist, library.CYCLISTS, x, z, 1.7))
    side, first = float(rng.choice([-1.0, 1.0])), float(rng.uniform(9, 22))
    for index in range(int(rng.choice([0, 0, 1, 2, 4]))):
        x = side * float(rng.uniform(8.3, WALL - 0.4))
        things.append(thing(library.bicycle, library.BICYCLES, x, first + 1.1 * index, 1.0))
    return things
