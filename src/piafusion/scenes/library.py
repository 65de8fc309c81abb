"""Parts of streets, painted once in detail and then set into many scenes.

Each part holds its material (colour, warmth, shape, glow) and no light: the scene adds the light of
its hour. Parts are the same in every process, and are painted when they are first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import cv2
import numpy as np

from piafusion.scenes.cars import PAINTS as DEMO_PAINTS
from piafusion.scenes.cars import paint_car
from piafusion.scenes.houses import House, front_surface, plan_houses
from piafusion.scenes.people import COATS, DARK_COAT, paint_bicycle, paint_cyclist, paint_person
from piafusion.scenes.render import Camera, Frame, Ground, Placement
from piafusion.scenes.street import KERB, ground_surface, paint_signs, paint_tree
from piafusion.scenes.texture import Array, Noise, lettering, smoothstep

VEHICLE, PERSON, BICYCLE = 1, 2, 3
"""Labels of the paper's Table 4; 0 is background."""

FRONTS, TREES, PEOPLE, CYCLISTS, BICYCLES, GROUNDS, SKIES = 14, 7, 26, 12, 6, 6, 4
PAINTS = (
    *DEMO_PAINTS,
    (0.30, 0.31, 0.32),
    (0.75, 0.75, 0.74),
    (0.09, 0.10, 0.12),
    (0.45, 0.36, 0.22),
)
VIEWS = (-0.75, -0.5, -0.3, -0.15, 0.0, 0.15, 0.3, 0.5, 0.75)
"""Slopes, to the right over ahead, from which cars are painted."""
GROUND_BANDS = ((2.2, 11.0, 9.0, 44.0), (10.9, 32.0, 18.0, 20.0), (31.9, 200.0, 40.0, 5.0))
"""Near and far end, half width (metres) and texels per metre of the ground's pieces."""
GLOW = 1.25
"""Radiance that 255 stands for in the glow of a house front."""
NOISE_SIDE = 1024
LAMP, BEAM = (74.0, 50.0, 23.0), (3.4, 3.16, 2.72)
"""Linear RGB of street lamps and of headlights."""
LIGHT_TEXELS = 4.0  # per metre of the maps of light on the ground

_SEED = 20220
_EYE, _BELOW = 1.6, 0.3  # metres: height of the camera, and room below the feet
FRONT_TEXELS = 28.0  # per metre of a house front


@dataclass(frozen=True)
class Level:
    """A sprite at one size; outside the thing all planes are 0.

    Attributes:
        paint: uint8 `h x w x 4`: albedo RGB and thermal value, times opacity.
        shape: uint8 `h x w x 4`: normal x, y, z (128 is 0), and opacity.
        mirror: uint8 `h x w`, the share of the sky that it mirrors, times opacity, or None.
        glow: float32 `h x w x 3`, linear radiance of its own lights, or None.
        labels: uint8 `h x w`.
    """

    paint: Array
    shape: Array
    mirror: Array | None
    glow: Array | None
    labels: Array


@dataclass(frozen=True)
class Sprite:
    """A thing seen from the camera, without light.

    Attributes:
        levels: The same at full, half, quarter size and so on.
        foot: Where it touches the ground, u and v in pixels of the first level.
        scale: Pixels per metre at its distance, in the first level.
        alive: Whether its warmth is its own (people) rather than the air's.
    """

    levels: tuple[Level, ...]
    foot: tuple[float, float]
    scale: float
    alive: bool = False


@dataclass(frozen=True)
class Front:
    """A house front, without light.

    Attributes:
        index: Below `FRONTS`.
        length: Metres along the street.
        height: Metres from the ground to the eaves.
        colour: Albedo of its gables.
        side: -1 or 1, the side of the street on which its lettering can be read.
    """

    index: int
    length: float
    height: float
    colour: tuple[float, float, float]
    side: int


@lru_cache(maxsize=4)
def _noise(seed: int) -> Noise:
    return Noise(np.random.default_rng((_SEED, seed)))


def _frame(x: float, z: float, wide: float, tall: float, texels: float) -> Frame:
    """A frame, twice as large as its sprite, around a thing at x, z; sizes in metres."""
    scale = 2 * texels
    width, height = int(scale * wide), int(scale * tall)
    camera = Camera(
        width=width,
        height=height,
        focal=scale * z,
        centre_u=width / 2 - scale * x,
        centre_v=height - scale * (_EYE + _BELOW),
        eye=(0.0, _EYE, 0.0),
    )
    return Frame(camera, _noise(0), Ground())


def _sprite(frame: Frame, x: float, z: float, labels: Array, *, alive: bool = False) -> Sprite:
    """Shrink the painting of a thing that stands at x, z."""
    camera, opaque = frame.camera, np.isfinite(frame.depth)
    rows, columns = (np.flatnonzero(opaque.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]) // 2 * 2, int(columns[0]) // 2 * 2
    block = (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))
    dx, dy = camera.rays(*block)
    view = np.stack(np.broadcast_arrays(dx, dy, np.float32(1)), axis=-1)
    view = view / np.linalg.norm(view, axis=-1, keepdims=True)
    normal = frame.normal[block]
    facing = (view * normal).sum(axis=-1)
    above = smoothstep(-0.06, 0.22, view[..., 1] - 2 * facing * normal[..., 1])
    fresnel = frame.gloss[block] * (0.35 + 0.65 * (1 - np.clip(-facing, 0, 1)) ** 3)
    single = (frame.thermal[block], opaque[block], fresnel * above)
    thermal, opacity, mirror = (np.asarray(plane, np.float32)[..., None] for plane in single)
    planes = np.concatenate([frame.albedo[block], thermal, normal, opacity, mirror], axis=-1)
    glow = frame.emission[block] if frame.emission[block].any() else None
    own = labels[block]
    levels: list[Level] = []
    while not levels or (min(own.shape) >= 16 and len(levels) < 5):
        planes, own = _means(planes), np.ascontiguousarray(own[1::2, 1::2])
        glow = None if glow is None else _means(glow)
        levels.append(_level(planes, glow, own))
    foot = camera.project(np.array([(x, 0.0, z)]))[0]
    place = ((float(foot[0]) - left) / 2, (float(foot[1]) - top) / 2)
    return Sprite(tuple(levels), place, camera.focal / z / 2, alive)


def _level(planes: Array, glow: Array | None, labels: Array) -> Level:
    opacity = planes[..., 7:8]
    normal = 0.5 + planes[..., 4:7] / np.maximum(opacity, 1e-3) / 2
    shape, mirror = np.concatenate([normal, opacity], axis=-1), planes[..., 8]
    own_labels = labels[: planes.shape[0], : planes.shape[1]]
    return Level(
        _bytes(planes[..., :4]),
        _bytes(shape),
        _bytes(mirror) if mirror.any() else None,
        glow,
        own_labels,
    )


def _bytes(planes: Array) -> Array:
    """Planes in [0, 1] as uint8."""
    levels = np.rint(255 * np.clip(planes, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(levels)


def _means(planes: Array) -> Array:
    """Means of 2 x 2 pixels, float32."""
    height, width = planes.shape[0] // 2, planes.shape[1] // 2
    whole = planes[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    return np.asarray(whole.mean(axis=(1, 3), dtype=np.float32))


@cache
def car(view: int, paint: int, *, oncoming: bool, driven: bool) -> Sprite:
    """A car, with its lights on if it is driven.

    `view` and `paint` are indices of `VIEWS` and `PAINTS`.
    """
    black, white = (_car(view, tone, oncoming=oncoming, driven=driven) for tone in (0.0, 1.0))
    colour = np.asarray(PAINTS[paint], np.float32)
    levels = []
    for dark, light in zip(black.levels, white.levels, strict=True):
        mixed = dark.paint.copy()
        covered = light.paint[..., :3].astype(np.float32) - mixed[..., :3]
        mixed[..., :3] = np.rint(mixed[..., :3] + colour * covered)
        levels.append(replace(dark, paint=mixed))
    return replace(black, levels=tuple(levels))


@cache
def _car(view: int, tone: float, *, oncoming: bool, driven: bool) -> Sprite:
    z = 9.0
    x = VIEWS[view] * z
    frame = _frame(x, z, 7.0, 2.4, 48.0)
    rng = np.random.default_rng((_SEED, 1, view, oncoming, driven))
    plate = "".join(rng.choice(list("ABCDEHKLMNPRSTX"), 3)) + f" {rng.integers(100, 1000)}"
    place = Placement(x, z, np.pi if oncoming else 0.0)
    paint_car(frame, place, (tone, tone, tone), plate, driven=driven, night=True)
    return _sprite(frame, x, z, np.full(frame.depth.shape, VEHICLE, np.uint8))


@cache
def person(index: int) -> Sprite:
    """One of `PEOPLE` people on foot; the first six wear dark coats."""
    rng = np.random.default_rng((_SEED, 2, index))
    frame = _frame(0.0, 7.0, 2.0, 2.4, 100.0)
    coat = DARK_COAT if index < 6 else COATS[index % len(COATS)]
    yaw = float(rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2])) + float(rng.normal(0, 0.3))
    paint_person(frame, rng, Placement(0.0, 7.0, yaw), coat, person=1)
    return _sprite(frame, 0.0, 7.0, np.full(frame.depth.shape, PERSON, np.uint8), alive=True)


@cache
def cyclist(index: int) -> Sprite:
    """One of `CYCLISTS` people on bicycles."""
    rng = np.random.default_rng((_SEED, 3, index))
    frame = _frame(0.0, 7.0, 3.0, 2.4, 100.0)
    yaw = (0.0, np.pi, 0.7, -0.7, np.pi / 2, -np.pi / 2)[index % 6] + float(rng.normal(0, 0.15))
    paint_cyclist(frame, rng, Placement(0.0, 7.0, yaw), COATS[index % len(COATS)])
    labels = np.where(frame.person > 0, PERSON, BICYCLE).astype(np.uint8)
    return _sprite(frame, 0.0, 7.0, labels, alive=True)


@cache
def bicycle(index: int) -> Sprite:
    """One of `BICYCLES` bicycles that are left standing."""
    yaw = (np.pi / 2, 1.0, -1.0, 0.5, -np.pi / 2, 2.2)[index]
    frame = _frame(0.0, 7.0, 3.0, 1.8, 100.0)
    paint_bicycle(frame, Placement(0.0, 7.0, yaw))
    return _sprite(frame, 0.0, 7.0, np.full(frame.depth.shape, BICYCLE, np.uint8))


@cache
def tree(index: int) -> Sprite:
    """One of `TREES` trees."""
    rng = np.random.default_rng((_SEED, 4, index))
    frame = _frame(0.0, 13.0, 9.0, 9.0, 36.0)
    paint_tree(frame, rng, 0.0, 13.0)
    return _sprite(frame, 0.0, 13.0, np.zeros(frame.depth.shape, np.uint8))


@cache
def sign() -> Sprite:
    """A direction board and a speed limit on one post; they send headlight back."""
    x, z = KERB + 0.75, 11.0
    frame = _frame(x, z, 2.6, 4.3, 60.0)
    paint_signs(frame, z, night=True)
    return _sprite(frame, x, z, np.zeros(frame.depth.shape, np.uint8))


@lru_cache(maxsize=1)
def _houses() -> list[House]:
    return plan_houses(np.random.default_rng((_SEED, 5)), night=True)


def front(index: int) -> Front:
    """One of `FRONTS` house fronts, some of its windows lit."""
    house = _houses()[index]
    return Front(index, house.far - house.near, house.height, house.colour, house.side)


@cache
def front_texture(index: int, across: int, down: int, *, mirrored: bool) -> tuple[Array, Array]:
    """The material of a house front.

    Its width is halved `across` times, its height `down` times; it is mirrored for the side of the
    street on which its lettering cannot be read.

    Returns:
        Albedo RGB and thermal value; light from inside RGB and the share of sky that it mirrors;
        both uint8 `h x w x 4`. Rows go from the eaves down, columns away from the camera.
    """
    if mirrored:
        first, second = front_texture(index, across, down, mirrored=False)
        return np.ascontiguousarray(first[:, ::-1]), np.ascontiguousarray(second[:, ::-1])
    if across or down:
        finer = front_texture(index, max(0, across - 1), down - (not across), mirrored=False)
        height, width = finer[0].shape[:2]
        size = (max(1, width // 2), height) if across else (width, max(1, height // 2))
        first, second = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in finer)
        return first, second
    house = _houses()[index]
    length = house.far - house.near
    z, y = np.meshgrid(
        np.arange(0.5 / FRONT_TEXELS, length, 1 / FRONT_TEXELS, dtype=np.float32),
        np.arange(house.height - 0.5 / FRONT_TEXELS, 0, -1 / FRONT_TEXELS, dtype=np.float32),
    )
    board = lettering([house.shop]) if house.shop else None
    along = np.float32(length) - z if house.side > 0 else z
    surface = front_surface(_noise(0), house, along, y, np.full_like(z, 9.0), board)
    glow = np.broadcast_to(np.asarray(surface.emission, np.float32), (*z.shape, 3))
    single = (np.asarray(surface.thermal), 0.6 * np.asarray(surface.gloss))
    thermal, mirror = (np.broadcast_to(plane, z.shape)[..., None] for plane in single)
    paint = np.concatenate([np.asarray(surface.albedo), thermal], axis=-1)
    return _bytes(paint), _bytes(np.concatenate([glow / GLOW, mirror], axis=-1))


@cache
def ground(index: int) -> tuple[Array, ...]:
    """One of `GROUNDS` grounds: uint8 `h x w x 4` (albedo RGB, thermal value) for each band.

    Rows go from the far end of the band to the near one, columns from left to right. The second
    half has grass beside the pavement: on the right, on the left, on both sides.
    """
    noise = _noise(index % 4)
    ahead = (0.0, 9.0, 40.0, 4.5, 31.0, 60.0)[index]
    lawns = ((), (), (), (1,), (-1,), (-1, 1))[index]
    bands = []
    for near, far, half, texels in GROUND_BANDS:
        x, z = np.meshgrid(
            np.arange(-half + 0.5 / texels, half, 1 / texels, dtype=np.float32),
            np.arange(far - 0.5 / texels, near, -1 / texels, dtype=np.float32),
        )
        surface = ground_surface(noise, x, z, ahead)
        albedo, thermal = np.asarray(surface.albedo), np.asarray(surface.thermal)
        for side in lawns:
            lawn = side * x > KERB + 2.0 + 0.1 * noise.cloudy(x, z, 30.0)
            blades = 1 + 0.22 * noise.cloudy(x, z, 40.0) + 0.25 * noise.grainy(x, z, 45.0)
            tuft = np.clip(blades + 0.18 * noise.cloudy(x, z, 4.0), 0.3, 2.2)[..., None]
            green = np.array([0.060, 0.105, 0.026], np.float32)
            albedo = np.where(lawn[..., None], green * tuft, albedo)
            thermal = np.where(lawn, 0.33 + 0.012 * blades, thermal)
        planes = np.concatenate([albedo, thermal[..., None]], axis=-1)
        bands.append(_bytes(planes))
    return tuple(bands)


@cache
def clouds(index: int) -> Array:
    """One of `SKIES` skies: how much cloud, float32 in [0, 1], 0.75 of slope high, 3 wide."""
    dy, dx = np.mgrid[0.75:0:192j, -1.5:1.5:768j].astype(np.float32)
    reach = 1 / (np.maximum(dy, 0.012) + np.float32(0.16))
    noise = _noise(index)
    cover = noise.cloudy(dx * reach + 3.0, reach, 30.0)
    cover = cover + 0.3 * noise.cloudy(dx * reach, reach, 110.0) + (0.5, 0.0, -0.6, 1.3)[index]
    return np.asarray(smoothstep(-0.2, 1.3, cover) * smoothstep(0.0, 0.1, dy), np.float32)


@cache
def sensor_noise() -> tuple[Array, Array, Array]:
    """Noise of red, green and blue, slightly soft and partly shared, of unit variance.

    Each is float32 `NOISE_SIDE x NOISE_SIDE`.
    """
    rng = np.random.default_rng((_SEED, 6))
    white = rng.standard_normal((4, NOISE_SIDE, NOISE_SIDE), np.float32)
    shared, *own = (cv2.GaussianBlur(plane, (0, 0), 0.5) for plane in white)
    planes = [np.float32(0.8) * shared + np.float32(0.6) * plane for plane in own]
    red, green, blue = (np.asarray(plane / plane.std(), np.float32) for plane in planes)
    return red, green, blue


@cache
def lamp_pool() -> Array:
    """Light of a street lamp on the ground around it, float32 `n x n x 3`, the lamp amid it."""
    side = np.arange(-12, 12 + 1e-6, 1 / LIGHT_TEXELS, dtype=np.float32)
    x, z = np.meshgrid(side, side)
    squared = x * x + z * z + np.float32(6.6**2)
    cosine = np.float32(6.6) / np.sqrt(squared)
    lobe = np.exp(-((np.arccos(cosine) / np.float32(0.8)) ** 4))
    strength = cosine * lobe / (squared + 1)
    return np.asarray(strength[..., None] * np.asarray(LAMP, np.float32))


@cache
def beam_pool() -> Array:
    """Light of headlights on the ground before them, float32 `70 m x 24 m x 3`, near row first."""
    across = np.arange(-12, 12 + 1e-6, 1 / LIGHT_TEXELS, dtype=np.float32)
    ahead = np.arange(1.0, 60.0, 1 / LIGHT_TEXELS, dtype=np.float32)
    x, z = np.meshgrid(across, ahead)
    distance = np.sqrt(x * x + z * z + np.float32(0.5))
    grazing = np.sqrt(np.sqrt(np.float32(0.7) / distance))
    strength = grazing * np.exp(-((x / z / np.float32(0.26)) ** 2)) / (distance + 2)
    return np.asarray(strength[..., None] * np.asarray(BEAM, np.float32))
