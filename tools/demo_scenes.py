"""Paint the scenes that the package ships: one street in detail, by day and by night.

python -m tools.demo_scenes    # writes src/piafusion/scenes/shipped anew
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.imaging.io import write_image
from piafusion.scenes.cars import PAINTS, paint_car
from piafusion.scenes.houses import (
    PLASTER,
    STOREY,
    STREET_END,
    WALL,
    House,
    bare_wall,
    front_surface,
    plan_houses,
)
from piafusion.scenes.people import COATS, DARK_COAT, paint_cyclist, paint_person
from piafusion.scenes.render import Camera, Frame, Placement, Surface
from piafusion.scenes.street import KERB, ground_surface, paint_signs, paint_tree, rod
from piafusion.scenes.synthetic import check_size, demo_scenes_root
from piafusion.scenes.texture import Array, Noise, lettering, rgb, smoothstep
from tools.demo_shading import (
    SUN,
    GroundMaps,
    Light,
    camera_noise,
    infrared,
    locate,
    sunlight,
    thermal_noise,
    tone,
    visible_day,
    visible_night,
    with_glare,
)

Illumination: TypeAlias = Literal["day", "night"]
DEMO_SEED = 5
DEMO_SIZE = (480, 640)
IN_THE_DARK = 2
LAMPS = ((1, 12.6), (-1, 46.0), (1, 29.0), (1, 50.0), (-1, 62.0), (1, 80.0))
TREES = ((-1, 8.5), (1, 18.5), (-1, 21.0), (1, 33.0), (-1, 39.0), (1, 58.0), (-1, 55.0), (-1, 76.0))
HALF_TURN = float(np.pi)
WALKERS = ((7.9, 12.6, 0.25), (7.2, 15.0, 3.3), (-0.4, 20.6, 1.57), (7.9, 23.0, 3.0))
WALKERS_IN_THE_DARK = (
    (-6.3, 11.0, 0.2),
    (-5.9, 16.2, HALF_TURN),
    (-3.0, 15.4, 1.35),
    (-7.4, 17.5, 0.5),
)
"""Where people walk: x, z and yaw, before some jitter; for lamps and trees side and z."""


@dataclass(frozen=True)
class Scene:
    """An aligned pair with its ground truth.

    Attributes:
        infrared: Thermal picture, uint8 `H x W`, warm is bright.
        visible: Colour picture, uint8 `H x W x 3`, RGB.
        people: bool `H x W`, pixels that show a person on foot or on a bicycle.
        people_in_the_dark: bool `H x W`, the part of `people` that stands outside every lamp and
            headlight by night: hot in `infrared`, next to invisible in `visible`. Empty by day.
    """

    infrared: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    people: NDArray[np.bool_]
    people_in_the_dark: NDArray[np.bool_]


def road_scene(light: Illumination, *, height: int = 480, width: int = 640, seed: int = 0) -> Scene:
    """Render a street with houses, trees, cars, people and a cyclist.

    The same seed gives the same street by day and by night.

    Args:
        light: `"day"` or `"night"`.
        height: Rows of the pictures, at least 64.
        width: Columns of the pictures, at least 64.
        seed: Chooses houses, trees, cars, people and noise; not negative.

    Returns:
        The pair, the same for the same arguments, see `Scene`.

    Raises:
        UsageError: If `light` is unknown, a side is too short or the seed is negative; it is a
            ValueError too.
    """
    _check(light, height, width, seed)
    night = light == "night"
    layout, grain = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    frame = Frame(_camera(height, width, layout), Noise(layout), GroundMaps(SUN))
    houses = plan_houses(layout, night=night)
    paint_ground(frame)
    for house in houses:
        paint_house(frame, house)
    paint_street_end(frame, layout, night=night)
    lights = _paint_furniture(frame, layout, night=night)
    lights += _paint_traffic(frame, layout, night=night)
    paint_sky(frame, night=night)

    points = locate(frame)
    sun = np.zeros_like(frame.thermal) if night else sunlight(frame, points, houses)
    if night:
        radiance = with_glare(visible_night(frame, points, lights), 0.24)
        picture = tone(radiance, 0.95)
    else:
        picture = tone(with_glare(visible_day(frame, points, sun), 0.04), 0.66)
    colour = camera_noise(_shrink(picture), grain, night=night)
    thermal = thermal_noise(_shrink(infrared(frame, points, sun, night=night)), grain)
    hidden = (frame.person == IN_THE_DARK) & night
    return Scene(
        infrared=_to_uint8(thermal),
        visible=_to_uint8(colour),
        people=_shrink((frame.person > 0).astype(np.float32)) > 0.5,
        people_in_the_dark=_shrink(hidden.astype(np.float32)) > 0.5,
    )


def write_demo_scenes(root: Path) -> None:
    """Render the shipped scenes again and write them as PNG, replacing files of the same name.

    Args:
        root: Folder that receives `ir/street_D.png`, `ir/street_N.png`, `vi/street_D.png` and
            `vi/street_N.png`; it is made if needed.

    Raises:
        OutputError: If a picture cannot be written.
    """
    lights: tuple[Illumination, ...] = get_args(Illumination)
    height, width = DEMO_SIZE
    for light in lights:
        scene = road_scene(light, height=height, width=width, seed=DEMO_SEED)
        name = f"street_{light[0].upper()}.png"
        write_image(root / "ir" / name, scene.infrared, overwrite=True)
        write_image(root / "vi" / name, scene.visible, overwrite=True)


def _check(light: str, height: int, width: int, seed: int) -> None:
    if light not in get_args(Illumination):
        raise UsageError(
            f"light: expected 'day' or 'night', found {light!r}; choose one of the two"
        )
    check_size(height, width, seed)


def _camera(height: int, width: int, rng: np.random.Generator) -> Camera:
    """A dash camera in the right lane; everything at twice the size of the pictures."""
    eye = (1.55 + float(rng.uniform(-0.15, 0.15)), 1.62, 0.0)
    return Camera(
        width=2 * width,
        height=2 * height,
        focal=2 * 1.12 * min(height, 0.8 * width),
        centre_u=2 * width * (0.475 + float(rng.uniform(-0.015, 0.015))),
        centre_v=2 * height * 0.485,
        eye=eye,
    )


def _paint_furniture(frame: Frame, rng: np.random.Generator, *, night: bool) -> list[Light]:
    for side, z in TREES:
        paint_tree(frame, rng, side * (6.9 + float(rng.uniform(-0.3, 0.5))), z)
    paint_signs(frame, 11.0, night=night)
    heads = [paint_lamp(frame, side, z, lit=night) for side, z in LAMPS]
    return [Light((float(x), float(y), float(z)), (74.0, 50.0, 23.0)) for x, y, z in heads]


def _paint_traffic(frame: Frame, rng: np.random.Generator, *, night: bool) -> list[Light]:
    paints = [PAINTS[i] for i in rng.permutation(len(PAINTS))]
    jitter = rng.uniform(-0.6, 0.6, 12)
    oncoming = Placement(-1.8, 26.6 + 0.6 * jitter[0], HALF_TURN)
    ahead = Placement(1.75, 15.0 + 2 * jitter[1], 0.0)
    parked = (
        Placement(-4.35, 10.2 + jitter[2], HALF_TURN),
        Placement(4.35, 27.2 + jitter[3], 0.0),
        Placement(-4.35, 28.4 + jitter[4], HALF_TURN),
        Placement(4.35, 33.4 + jitter[5], 0.0),
        Placement(-4.35, 41.0 + jitter[5], HALF_TURN),
    )
    for index, place in enumerate((ahead, oncoming, *parked)):
        plate = "".join(rng.choice(list("ABCDEHKLMNPRSTX"), 3)) + f" {rng.integers(100, 1000)}"
        colour = paints[index % len(paints)]
        paint_car(frame, place, colour, plate, driven=index < 2, night=night)

    coats = [COATS[i] for i in rng.permutation(len(COATS))]
    for index, (x, z, yaw) in enumerate((*WALKERS, *WALKERS_IN_THE_DARK)):
        hidden = index >= len(WALKERS)
        place = Placement(x + 0.3 * jitter[index], z + 0.5 * jitter[-1 - index], yaw)
        coat = DARK_COAT if hidden else coats[index]
        paint_person(frame, rng, place, coat, person=IN_THE_DARK if hidden else 1)
    paint_cyclist(frame, rng, Placement(3.75, 17.0 + jitter[7], 0.6), coats[-1])
    return _headlights(frame, oncoming, ahead) if night else []


def _headlights(frame: Frame, oncoming: Placement, ahead: Placement) -> list[Light]:
    """Our own low beam, that of the oncoming car, and the tail lights in front of us."""
    eye, white = frame.camera.eye, (1.0, 0.93, 0.80)
    return [
        Light((eye[0] + 0.5, 0.75, 0.3), _times(white, 3.4), 1, 0.22, 70.0),
        Light((oncoming.x, 0.65, oncoming.z - 2.4), _times(white, 7.0), -1, 0.35, 22.0),
        Light((ahead.x, 0.65, ahead.z + 2.3), _times(white, 6.0), 1, 0.30, 40.0),
        Light((ahead.x, 0.70, ahead.z - 2.4), (0.7, 0.02, 0.01), -1, 1.0, 8.0),
    ]


def _times(colour: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def _shrink(picture: Array) -> Array:
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _to_uint8(picture: Array) -> NDArray[np.uint8]:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def paint_ground(frame: Frame) -> None:
    """Asphalt with lanes, cracks and a crossing; kerbs and pavements beside it."""
    far = STREET_END + 60.0

    def material(x: Array, y: Array, z: Array) -> Surface:
        return ground_surface(frame.noise, x, z)

    wide = 60.0
    corners = [(-wide, 0, -5), (wide, 0, -5), (wide, 0, far), (-wide, 0, far)]
    frame.polygon(corners, material, scenery=True)
    for side in (-1, 1):
        low, high = (side * KERB, 0.0), (side * KERB, 0.13)
        face = [(*low, -5), (*high, -5), (*high, far), (*low, far)]
        frame.polygon(face, Surface((0.27, 0.26, 0.25), 0.38), scenery=True)


def paint_sky(frame: Frame, *, night: bool) -> None:
    """Fill what no shape covers: gradient and clouds, cold in the infrared."""
    empty = np.isinf(frame.depth)
    rows = slice(0, int(np.flatnonzero(empty.any(axis=1)).max(initial=0)) + 1)
    empty = empty[rows]
    dx, dy = frame.camera.rays(rows, slice(0, frame.camera.width))
    up = np.maximum(dy, 0.012)
    reach = 1.0 / (up + np.float32(0.16))
    cover = frame.noise.cloudy(dx * reach + 3.0, reach, 30.0)
    cover = cover + 0.30 * frame.noise.cloudy(dx * reach, reach, 110.0)
    cloud = smoothstep(-0.2, 1.3, cover) * smoothstep(0.0, 0.1, dy)
    height = smoothstep(-0.05, 0.75, dy)[..., None]
    if night:
        low, high, puff = (
            rgb(0.020, 0.019, 0.023),
            rgb(0.003, 0.004, 0.009),
            rgb(0.014, 0.012, 0.013),
        )
    else:
        low, high, puff = rgb(0.60, 0.76, 0.96), rgb(0.13, 0.30, 0.72), rgb(1.45, 1.42, 1.38)
    sky = low + (high - low) * height
    shade = puff * (1.0 - 0.22 * smoothstep(0.6, 2.4, cover))[..., None]
    sky = sky + (shade - sky) * (cloud * 0.85)[..., None]
    np.copyto(frame.emission[rows], sky, where=empty[..., None], casting="same_kind")
    cold = 0.20 - 0.14 * height[..., 0] + (0.05 if night else 0.09) * cloud
    np.copyto(frame.thermal[rows], cold, where=empty, casting="same_kind")


def paint_lamp(frame: Frame, side: int, z: float, *, lit: bool) -> Array:
    """A street lamp with its arm over the road; returns where its light comes from (`3`)."""
    steel = Surface((0.10, 0.11, 0.11), 0.33, gloss=0.1)
    foot = np.array([side * (KERB + 0.45), 0.0, z])
    top = foot + [0, 6.4, 0]
    head = top + [-side * 1.7, 0.35, 0]
    rod(frame, foot, foot + [0, 1.0, 0], (0.11, 0.10), steel)
    rod(frame, foot, top, (0.075, 0.05), steel)
    rod(frame, top, head, (0.05, 0.04), steel)
    rod(frame, head + [side * 0.3, 0.02, 0], head - [side * 0.35, 0, 0], (0.12, 0.09), steel)
    glow = (14.0, 9.6, 4.6) if lit else (0.0, 0.0, 0.0)
    bulb = Surface((0.7, 0.7, 0.66), 0.62 if lit else 0.38, emission=glow)
    rod(frame, head + [side * 0.2, -0.08, 0], head - [side * 0.28, 0.1, 0], (0.085, 0.07), bulb)
    return np.asarray(head - [0.0, 0.15, 0.0])


def paint_house(frame: Frame, house: House) -> None:
    """Front, gable towards the camera, roof and chimney of a house."""
    x = house.side * WALL
    sign = lettering([house.shop]) if house.shop else None

    def front(_: Array, y: Array, z: Array) -> Surface:
        along = (house.far - z) if house.side > 0 else (z - house.near)
        return front_surface(frame.noise, house, along, y, z, sign)

    def gable(x: Array, y: Array, z: Array) -> Surface:
        albedo, thermal = bare_wall(frame.noise, house, np.abs(x), y, z)
        return Surface(albedo * 0.85, thermal)

    def tiles(x: Array, y: Array, z: Array) -> Surface:
        course = np.mod(y, 0.28) / 0.28
        tone = 0.75 + 0.35 * course + 0.08 * frame.noise.grainy(z, np.floor(y / 0.28), 3.0)
        tone = tone + 0.10 * frame.noise.cloudy(z, y, 12.0)
        red = np.array([0.30, 0.13, 0.09] if house.bays % 2 else [0.15, 0.15, 0.17])
        return Surface(tone[..., None] * red, 0.27 + 0.01 * frame.noise.cloudy(z, y, 12.0))

    top, eaves, ridge = house.height, x - house.side * 0.35, x + house.side * 5.0
    near, far = house.near, house.far
    front_corners = [(x, 0, near), (x, top, near), (x, top, far), (x, 0, far)]
    frame.polygon(front_corners, front, scenery=True)
    back = x + house.side * 10.0
    frame.polygon(
        [
            (x, 0, near),
            (x, top, near),
            (ridge, top + 3.6, near),
            (back, top, near),
            (back, 0, near),
        ],
        gable,
        scenery=True,
    )
    slope = [(eaves, top - 0.2, near), (eaves, top - 0.2, far)]
    slope += [(ridge, top + 3.6, far), (ridge, top + 3.6, near)]
    frame.polygon(slope, tiles, scenery=True)
    stack = near + 0.3 * (far - near)
    for z0, z1 in ((stack, stack), (stack, stack + 1.2)):
        wide = 0.8 * house.side if z0 == z1 else 0.0
        at = x + house.side * 2.6
        shape = [(at, top + 1, z0), (at, top + 4.2, z0)]
        shape += [(at + wide, top + 4.2, z1), (at + wide, top + 1, z1)]
        frame.polygon(shape, Surface((0.27, 0.15, 0.11), 0.47))


def paint_street_end(frame: Frame, rng: np.random.Generator, *, night: bool) -> None:
    """A row of houses across the far end, with treetops behind it."""
    lit = np.where(rng.random((6, 16)) < 0.3, 0.8, 0.0) * night
    for index in range(5):
        colour = PLASTER[int(rng.integers(len(PLASTER)))]
        left = -32.0 + 13.0 * index
        top = float(rng.integers(2, 4)) * STOREY + 0.9
        row = House(1, 0.0, 13.0, top, False, colour, "", 5, lit)

        def front(x: Array, y: Array, z: Array, row: House = row, left: float = left) -> Surface:
            return front_surface(frame.noise, row, x - left, y, z, None)

        z = STREET_END + 14.0
        corners = [(left, 0, z), (left, top, z), (left + 13, top, z), (left + 13, 0, z)]
        frame.polygon(corners, front, scenery=True)
        slope = [(left, top, z), (left + 13, top, z)]
        slope += [(left + 12.5, top + 3.2, z + 4), (left + 0.5, top + 3.2, z + 4)]
        frame.polygon(slope, Surface((0.22, 0.11, 0.09), 0.27))


if __name__ == "__main__":
    write_demo_scenes(demo_scenes_root())
