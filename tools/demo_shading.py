"""Light on the painted streets of `tools.demo_scenes`: the visible and the infrared picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from piafusion.scenes.houses import WALL, House
from piafusion.scenes.render import SUBPIXEL_BITS, Frame, Ground
from piafusion.scenes.texture import Array, rgb, smoothstep

SUN = (-0.540, 0.757, -0.368)
"""Unit vector towards the sun: high, behind the camera, to the left."""

LEFT, RIGHT, FAR = -10.0, 22.0, 80.0
"""Extent of the maps in metres: x from LEFT to RIGHT, z from 0 to FAR."""
TEXELS = 20.0


class GroundMaps(Ground):
    """Shadow and warmth that objects leave on the ground, drawn while they are painted."""

    def __init__(self, sun: tuple[float, float, float]) -> None:
        """Start empty; `sun` is the unit vector towards the sun."""
        self.sun = np.asarray(sun, np.float64)
        shape = (int(FAR * TEXELS), int((RIGHT - LEFT) * TEXELS))
        self._shadow = np.zeros(shape, np.uint8)
        self._contact = np.zeros(shape, np.uint8)
        self._warmth = np.zeros(shape, np.uint8)

    def cast_polygon(self, points: Array) -> None:
        """Add the sun shadow of a polygon `N x 3`."""
        cv2.fillPoly(self._shadow, [_fixed(self._fall(points))], 255, cv2.LINE_8, SUBPIXEL_BITS)

    def cast_rod(self, start: Array, stop: Array, radius: float) -> None:
        """Add the sun shadow of a rod between two points `3`."""
        ends = _fixed(self._fall(np.stack([start, stop])))
        thickness = max(1, round(2 * radius * TEXELS))
        first, last = ends.tolist()
        cv2.line(self._shadow, first, last, 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def cast_discs(self, centres: Array, radii: Array) -> None:
        """Add the sun shadows of many small balls, centres `N x 3` and radii `N`."""
        places = _fixed(self._fall(centres)).tolist()
        sizes = np.maximum(np.rint(radii * TEXELS * (1 << SUBPIXEL_BITS)), 1).astype(int).tolist()
        for place, size in zip(places, sizes, strict=True):
            cv2.circle(self._shadow, place, size, 255, cv2.FILLED, cv2.LINE_8, SUBPIXEL_BITS)

    def rest(self, outline: Array, *, warmth: float = 0.0) -> None:
        """Darken, and warm by `warmth` in [0, 1], the ground under an outline `N x 2` of x, z."""
        corners = _fixed(outline)
        cv2.fillPoly(self._contact, [corners], 255, cv2.LINE_8, SUBPIXEL_BITS)
        if warmth:
            cv2.fillPoly(self._warmth, [corners], 255 * warmth, cv2.LINE_8, SUBPIXEL_BITS)

    def shadow(self, x: Array, y: Array, z: Array) -> Array:
        """Share of the sun that things take away at world positions (any shape), in [0, 1]."""
        reach = y / np.float32(self.sun[1])
        fall_x = x - reach * np.float32(self.sun[0])
        fall_z = z - reach * np.float32(self.sun[2])
        return _read(cv2.GaussianBlur(self._shadow, (0, 0), 1.3), fall_x, fall_z)

    def contact(self, x: Array, z: Array) -> Array:
        """Closeness of things that stand on the ground at x, z, in [0, 1]."""
        return _read(cv2.GaussianBlur(self._contact, (0, 0), 3.5), x, z)

    def warmth(self, x: Array, z: Array) -> Array:
        """Warmth that engines left on the ground at x, z, in [0, 1]."""
        return _read(cv2.GaussianBlur(self._warmth, (0, 0), 7.0), x, z)

    def _fall(self, points: Array) -> Array:
        """Where the sun's rays through `points` `N x 3` meet the ground, `N x 2` of x, z."""
        return np.asarray((points - points[:, 1:2] * (self.sun / self.sun[1]))[:, [0, 2]])


def _fixed(places: Array) -> Array:
    texels = (places - [LEFT, 0.0]) * TEXELS - 0.5
    return np.rint(texels * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _read(chart: Array, x: Array, z: Array) -> Array:
    u = ((x - np.float32(LEFT)) * np.float32(TEXELS)).astype(np.float32)
    v = np.clip(z * np.float32(TEXELS), -1e4, 1e4).astype(np.float32)
    read = cv2.remap(chart, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return read.astype(np.float32) / np.float32(255.0)


@dataclass(frozen=True)
class Light:
    """A lamp at `place`: a street lamp that shines down, or a beam along the street.

    `heading` is 0 for a street lamp and +1 or -1 for a beam towards +z or -z. `spread` is the width
    of the lobe in radians; `reach` is how far along the street it is worth computing, in metres.
    """

    place: tuple[float, float, float]
    colour: tuple[float, float, float]
    heading: int = 0
    spread: float = 0.8
    reach: float = 12.0


@dataclass(frozen=True)
class Points:
    """World position of every pixel; sky pixels lie far away."""

    x: Array
    y: Array
    z: Array
    sky: Array
    view: Array
    """Unit vectors from the camera, `H x W x 3`."""


def locate(frame: Frame) -> Points:
    """World position of every pixel of `frame`."""
    camera = frame.camera
    dx, dy = camera.rays(slice(0, camera.height), slice(0, camera.width))
    sky = np.isinf(frame.depth)
    depth = np.where(sky, np.float32(400.0), frame.depth)
    ex, ey, ez = (np.float32(value) for value in camera.eye)
    view = np.stack(np.broadcast_arrays(dx, dy, np.float32(1.0)), axis=-1)
    view /= np.sqrt(1.0 + dx * dx + dy * dy)[..., None]
    return Points(ex + dx * depth, ey + dy * depth, ez + depth, sky, view)


def sunlight(frame: Frame, points: Points, houses: Sequence[House]) -> Array:
    """Sun on every pixel: slope of the surface times what houses and things let through."""
    sun = np.asarray(SUN, np.float32)
    slope = np.maximum(frame.normal @ sun, 0.0)
    reach = np.maximum(points.x + WALL, 0.0) / -sun[0]
    past = points.y + reach * sun[1] - _skyline(houses, points.z + reach * sun[2])
    sun_seen = smoothstep(-0.12, 0.12, past)
    things = frame.ground.shadow(points.x, points.y, points.z)
    sun_seen = sun_seen * (1.0 - 0.93 * things * frame.scenery)
    return np.asarray(slope * sun_seen * ~points.sky, np.float32)


def _skyline(houses: Sequence[House], z: Array) -> Array:
    """Height of the left row of houses at `z`, 0 in its gaps."""
    grid = np.arange(-60.0, 180.0, 0.1)
    height = np.zeros_like(grid)
    for house in houses:
        if house.side < 0:
            height[(grid >= house.near) & (grid < house.far)] = house.height
    height[grid < -6.0] = 10.0
    index = np.clip((z + 60.0) * 10.0, 0, len(grid) - 1).astype(np.int32)
    return np.asarray(height[index], np.float32)


def visible_day(frame: Frame, points: Points, sun: Array) -> Array:
    """Radiance by day, `H x W x 3`, linear."""
    up = frame.normal[..., 1:2]
    contact = frame.ground.contact(points.x, points.z) * (points.y < 0.4)
    open_sky = (1.0 - 0.75 * contact * frame.scenery)[..., None]
    ambient = (0.55 + 0.45 * up) * rgb(0.34, 0.42, 0.54)
    bounce = (0.5 - 0.5 * up) * rgb(0.20, 0.17, 0.13)
    light = (ambient + bounce + 0.06) * open_sky + sun[..., None] * rgb(2.5, 2.3, 1.95)
    radiance = frame.albedo * light + frame.emission
    _add_mirror(radiance, frame, points, rgb(0.80, 0.90, 1.05), rgb(0.16, 0.15, 0.14))
    _add_sparkle(radiance, frame, points, sun)
    haze = ((1.0 - np.exp(-points.z / 520.0)) * ~points.sky)[..., None]
    return np.asarray(radiance + (rgb(0.72, 0.81, 0.92) - radiance) * haze, np.float32)


def visible_night(frame: Frame, points: Points, lights: Sequence[Light]) -> Array:
    """Radiance by night, `H x W x 3`, linear."""
    light = np.full_like(frame.albedo, 0.0030)
    light[..., 2] *= 1.5
    for lamp in lights:
        _add_lamp(light, frame, points, lamp)
    contact = frame.ground.contact(points.x, points.z) * (points.y < 0.4)
    light *= (1.0 - 0.8 * contact * frame.scenery)[..., None]
    radiance = np.asarray(frame.albedo * light + frame.emission, np.float32)
    _add_mirror(radiance, frame, points, rgb(0.012, 0.012, 0.014), rgb(0.02, 0.016, 0.010))
    return radiance


def _add_lamp(light: Array, frame: Frame, points: Points, lamp: Light) -> None:
    """Add to `light`, `H x W x 3`, what a lamp sends to the pixels in its reach."""
    px, py, pz = (np.float32(value) for value in lamp.place)
    ahead = points.z - pz
    ahead = np.abs(ahead) if lamp.heading == 0 else ahead * np.float32(lamp.heading)
    lit = (ahead > 0) & (ahead < lamp.reach) & ~points.sky
    if lamp.heading:
        lit &= np.abs(points.x - px) < ahead * np.float32(2.7 * lamp.spread)
    near = np.flatnonzero(lit)
    dx, dy, dz = (
        at - axis.ravel()[near] for at, axis in ((px, points.x), (py, points.y), (pz, points.z))
    )
    squared = dx * dx + dy * dy + dz * dz + np.float32(0.01)
    distance = np.sqrt(squared)
    normal = frame.normal.reshape(-1, 3)[near]
    slope = (normal[:, 0] * dx + normal[:, 1] * dy + normal[:, 2] * dz) / distance
    slope = np.maximum(slope, 0.0)
    if lamp.heading == 0:
        angle = np.arccos(dy / distance) / np.float32(lamp.spread)
        strength = slope * np.exp(-np.square(np.square(angle))) / (squared + 1.0)
    else:
        # A low beam: cut off above the lamp, and kept up on the ground, which it grazes.
        side = dx / np.abs(dz) / np.float32(lamp.spread)
        lift = np.maximum(-dy / distance + np.float32(0.01), 0.0) / np.float32(0.035)
        strength = np.sqrt(np.sqrt(slope)) * np.exp(-side * side - lift * lift) / (distance + 2.0)
    light.reshape(-1, 3)[near] += strength[:, None] * np.asarray(lamp.colour, np.float32)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("...i,...i->...", a, b))


def _add_mirror(radiance: Array, frame: Frame, points: Points, sky: Array, ground: Array) -> None:
    """Add to glossy pixels the mirror image of the sky above and the street below."""
    glossy = (frame.gloss > 0) & ~points.sky
    view, normal, gloss = points.view[glossy], frame.normal[glossy], frame.gloss[glossy]
    facing = _dot(view, normal)
    wave = 0.07 * np.sin(points.x[glossy] * 5.0 + points.z[glossy] * 2.3 + points.y[glossy] * 3.1)
    above = smoothstep(-0.06, 0.22, view[:, 1] - 2.0 * facing * normal[:, 1] + wave)
    image = ground + (sky - ground) * above[:, None]
    fresnel = gloss * (0.35 + 0.65 * (1.0 - np.clip(-facing, 0.0, 1.0)) ** 3)
    radiance[glossy] += image * fresnel[:, None]


def _add_sparkle(radiance: Array, frame: Frame, points: Points, sun: Array) -> None:
    """Add the sun's own reflection to glossy pixels that it reaches."""
    glossy = (frame.gloss > 0) & (sun > 0.02)
    half = np.asarray(SUN, np.float32) - points.view[glossy]
    cosine = _dot(half, frame.normal[glossy]) / np.sqrt(_dot(half, half))
    radiance[glossy] += (9.0 * frame.gloss[glossy] * np.maximum(cosine, 0.0) ** 90)[:, None]


def with_glare(radiance: Array, strength: float) -> Array:
    """Add the halo of bright lights, and faint rays to the sides."""
    half = cv2.resize(radiance, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    bright = np.minimum(np.maximum(half - 0.9, 0.0), 40.0)
    unit = max(radiance.shape[:2]) / 1280.0
    halo = np.zeros_like(bright)
    for sigma, share in ((1.2, 0.30), (4.0, 0.22), (14.0, 0.20)):
        halo += share * cv2.GaussianBlur(bright, (0, 0), max(0.3, sigma * unit))
    for across, down in ((16.0, 0.45), (0.45, 7.0)):
        rays = cv2.GaussianBlur(
            bright, (0, 0), sigmaX=max(0.3, across * unit), sigmaY=max(0.3, down * unit)
        )
        halo += 0.16 * rays
    size = (radiance.shape[1], radiance.shape[0])
    return np.asarray(radiance + strength * cv2.resize(halo, size, interpolation=cv2.INTER_LINEAR))


def tone(radiance: Array, exposure: float) -> Array:
    """Film-like curve and display gamma: linear light to grey levels in [0, 255]."""
    x = np.maximum(radiance * np.float32(exposure), 0.0)
    curve = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return np.float32(255.0) * np.asarray(cv2.pow(np.clip(curve, 0.0, 1.0), 1 / 2.2))


def camera_noise(picture: Array, rng: np.random.Generator, *, night: bool) -> Array:
    """Photon and read noise on grey levels `H x W x 3`, stronger by night."""
    photon, read = (0.028, 1.3) if night else (0.006, 0.35)
    shared = rng.standard_normal((*picture.shape[:2], 1), np.float32)
    own = rng.standard_normal(picture.shape, np.float32)
    noise = np.float32(0.8) * shared + np.float32(0.6) * own
    noise = cv2.GaussianBlur(noise, (0, 0), 0.55) * np.float32(1.5)
    return np.asarray(picture + noise * np.sqrt(photon * picture + read * read))


def infrared(frame: Frame, points: Points, sun: Array, *, night: bool) -> Array:
    """Heat as grey levels in [0, 255] at render size, before the blur of the lens."""
    thermal = frame.thermal + 0.26 * frame.ground.warmth(points.x, points.z) * (
        frame.scenery & (points.y < 0.05)
    )
    if not night:
        gentle = cv2.GaussianBlur(sun, (0, 0), max(0.5, 0.004 * frame.camera.width))
        soaked = (0.10 + 0.15 * np.minimum(gentle, 1.0)) * ~points.sky
        soaked *= np.where(frame.scenery, 1.0, 0.45) * (frame.person == 0)
        thermal = thermal + soaked * (1.0 - 0.8 * np.minimum(frame.gloss * 2, 1.0)) * 0.9
    facing = np.clip(-_dot(frame.normal, points.view), 0.0, 1.0)
    thermal = thermal * np.where(points.sky, 1.0, 0.93 + 0.07 * np.sqrt(facing))
    air = 0.34 if night else 0.46
    mist = (1.0 - np.exp(-points.z / 260.0)) * ~points.sky
    thermal = thermal + (air - thermal) * mist
    shown = np.clip(thermal, 0.0, 1.0) ** (1.42 if night else 1.2)
    return np.asarray(np.float32(255.0) * shown, np.float32)


def thermal_noise(picture: Array, rng: np.random.Generator) -> Array:
    """Blur of the lens, then random noise and the fixed columns of a microbolometer, `H x W`."""
    unit = max(picture.shape) / 640.0
    soft = cv2.GaussianBlur(picture, (0, 0), float(np.clip(0.85 * unit, 0.4, 3.0)))
    columns = rng.standard_normal((1, picture.shape[1]), np.float32)
    pixels = rng.standard_normal(picture.shape, np.float32)
    return np.asarray(soft + np.float32(0.4) * columns + np.float32(0.9) * pixels)
