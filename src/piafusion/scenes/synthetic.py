"""Road scenes of our own making: infrared and visible pictures of one street, day and night.

A street is modelled in metres; light gives the visible picture and temperature the infrared one,
so the two are aligned exactly. Nothing in them comes from a photograph.

`road_scene` paints one street in detail, in a second and a half, by day or by night.
`labelled_scene` makes 20 and more a second at 640x480 out of parts that are painted once: any
street, any hour between night and day, fog, labels and a known misalignment.

Examples:
    >>> scene = road_scene("night", height=96, width=128, seed=3)
    >>> scene.infrared.shape, scene.visible.shape
    ((96, 128), (96, 128, 3))
    >>> dusk = labelled_scene(seed=3, daylight=0.22, height=96, width=128)
    >>> int(dusk.labels.max()) <= 3
    True
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from piafusion.errors import UsageError
from piafusion.imaging.io import write_image
from piafusion.scenes.cars import PAINTS, paint_car
from piafusion.scenes.compose import paint_street
from piafusion.scenes.ground import Array, GroundMaps
from piafusion.scenes.hour import hour_of
from piafusion.scenes.houses import paint_house, paint_street_end, plan_houses
from piafusion.scenes.people import COATS, DARK_COAT, paint_cyclist, paint_person
from piafusion.scenes.plan import plan_street
from piafusion.scenes.render import Camera, Frame, Placement
from piafusion.scenes.sensors import feel, see
from piafusion.scenes.shading import (
    SUN,
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
from piafusion.scenes.street import (
    paint_ground,
    paint_lamp,
    paint_signs,
    paint_sky,
    paint_tree,
)
from piafusion.scenes.texture import Noise

Illumination: TypeAlias = Literal["day", "night"]

CLASSES = ("background", "vehicle", "person", "bicycle")
"""Names of the labels 0 to 3, the classes of the paper's Table 4."""
SUNRISE = 0.22
"""Daylight at which the sun is on the horizon; by convention, less is night."""
MIN_SIDE = 64
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


@dataclass(frozen=True)
class LabelledScene:
    """A pair with its ground truth.

    Attributes:
        infrared: Thermal picture, uint8 `H x W`, warm is bright.
        visible: Colour picture, uint8 `H x W x 3`, RGB.
        labels: uint8 `H x W`, indices of `CLASSES`, aligned with `visible`.
        misalignment: Homography `3 x 3` from columns and rows of `visible` (0, 0 is the middle of
            the first pixel) to where the same point lies in `infrared`; the identity if aligned.
    """

    infrared: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    misalignment: NDArray[np.float64]


def labelled_scene(
    seed: int,
    *,
    daylight: float = 1.0,
    fog: float = 0.0,
    misalignment: ArrayLike | None = None,
    height: int = 480,
    width: int = 640,
) -> LabelledScene:
    """Compose a street.

    The same seed gives the same street, people and clouds at every hour and in every fog.

    Args:
        seed: Chooses the street and the noise; not negative.
        daylight: 0 is night, `SUNRISE` is dusk, 1 is noon.
        fog: 0 is clear (3 km of visibility), 1 is 45 m; the infrared picture suffers less.
        misalignment: Homography `3 x 3` from `visible` to `infrared`, see `LabelledScene`.
        height: Rows of the pictures, at least 64.
        width: Columns of the pictures, at least 64.

    Returns:
        The pair, the same for the same arguments.

    Raises:
        UsageError: If a number is outside its range or `misalignment` is not an invertible 3 x 3.
    """
    _check_size(height, width, seed)
    for name, value in (("daylight", daylight), ("fog", fog)):
        if not 0 <= value <= 1:
            raise UsageError(f"{name}: expected 0 to 1, got {value:g}; pass a share")
    warp = np.eye(3) if misalignment is None else np.asarray(misalignment, np.float64)
    if warp.shape != (3, 3) or not abs(np.linalg.det(warp)) > 1e-9:  # a NaN is not more either
        raise UsageError(
            "misalignment: expected an invertible 3 x 3 matrix, "
            f"got {np.array2string(warp, separator=', ')}; pass a homography"
        )
    layout, grain = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    plan = plan_street(layout)
    hour = hour_of(daylight, plan.azimuth, fog)
    canvas = paint_street(plan, hour, height, width)
    return LabelledScene(
        infrared=feel(canvas, hour, fog, warp, grain),
        visible=see(canvas, hour, fog, grain),
        labels=canvas.labels,
        misalignment=warp,
    )


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
    sun = np.zeros_like(frame.heat) if night else sunlight(frame, points, houses)
    if night:
        radiance = with_glare(visible_night(frame, points, lights), 0.24)
        picture = tone(radiance, 0.95)
    else:
        picture = tone(with_glare(visible_day(frame, points, sun), 0.04), 0.66)
    colour = camera_noise(_shrink(picture), grain, night=night)
    heat = thermal_noise(_shrink(infrared(frame, points, sun, night=night)), grain)
    hidden = (frame.person == IN_THE_DARK) & night
    return Scene(
        infrared=_to_uint8(heat),
        visible=_to_uint8(colour),
        people=_shrink((frame.person > 0).astype(np.float32)) > 0.5,
        people_in_the_dark=_shrink(hidden.astype(np.float32)) > 0.5,
    )


def demo_scenes_root() -> Path:
    """Folder of the shipped scenes, with `ir/street_D.png` and so on."""
    return Path(__file__).parent / "shipped"


def write_demo_scenes(root: Path) -> None:
    """Render the shipped scenes again and write them as PNG, replacing files of the same name.

    To make again what the package ships, call `write_demo_scenes(demo_scenes_root())`.

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
        raise UsageError(f"light: expected 'day' or 'night', got {light!r}; choose one of the two")
    _check_size(height, width, seed)


def _check_size(height: int, width: int, seed: int) -> None:
    for name, side in (("height", height), ("width", width)):
        if side < MIN_SIDE:
            raise UsageError(
                f"{name}: expected at least {MIN_SIDE} pixels, got {side}; ask for a larger scene"
            )
    if seed < 0:
        raise UsageError(f"seed: expected 0 or more, got {seed}; pass a non-negative integer")


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
