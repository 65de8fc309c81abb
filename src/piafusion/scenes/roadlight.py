"""Where the light falls: maps of the street from above, and the light on things there.

The maps reach from `LEFT` to `RIGHT` and from `NEAR` to `FAR`; rows go away from the camera.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from piafusion.scenes import library
from piafusion.scenes.hour import Hour
from piafusion.scenes.houses import WALL
from piafusion.scenes.library import BEAM, LAMP, LIGHT_TEXELS
from piafusion.scenes.plan import StreetPlan, Thing
from piafusion.scenes.street import KERB
from piafusion.scenes.texture import Array, smoothstep

LEFT, RIGHT, NEAR, FAR = -20.0, 20.0, 1.0, 101.0
_SHADE_TEXELS = 10.0
_HEAD = KERB + 0.45 - 1.7  # metres from the middle of the road to the bulb of a lamp
_SKYLINE_STEP = 1.0

Seen = Callable[[list[tuple[float, float]]], Array]
"""Maps x, z of ground points to columns and rows, `N x 2`."""


class RoadLight:
    """The light of one street at one hour."""

    def __init__(self, plan: StreetPlan, hour: Hour) -> None:
        """Draw the maps."""
        self._hour = hour
        self._sunny = bool(hour.sunlight.max() > 0.002)
        self._skylines = {side: _skyline(plan, side) for side in (-1, 1)}
        self._shade = self._draw_shade(plan)
        self._lamps = self._draw_lamps(plan)

    def on_ground(self, seen: Seen, size: tuple[int, int]) -> tuple[list[Array], Array]:
        """Light on the ground in a block and its degrees above the air.

        Args:
            seen: Where the block sees ground points.
            size: Width and height of the block.

        Returns:
            Light red, green and blue, and degrees, each float32 `h x w`.
        """
        hour = self._hour
        places = seen([(LEFT, NEAR), (RIGHT, NEAR), (RIGHT, FAR), (LEFT, FAR)])
        shadow, contact, engines = cv2.split(_warp(self._shade, places, size, cv2.BORDER_REPLICATE))
        open_sky = 1 - np.float32(0.72 / 255) * contact
        sun = 1 - np.float32(0.96 / 255) * shadow
        warmth = np.float32(9 / 255) * engines + np.float32(hour.stored)
        light = [open_sky * np.float32(sky) for sky in hour.skylight]
        if self._sunny:
            for plane, strength in zip(light, hour.sunlight, strict=True):
                plane += sun * np.float32(strength * hour.sun[1])
            warmth += sun * np.float32(hour.solar)
        if hour.lamps > 0:
            lamps = cv2.split(_warp(self._lamps, places, size, cv2.BORDER_CONSTANT))
            for plane, lamp in zip(light, lamps, strict=True):
                plane += lamp * open_sky
        return light, warmth

    def on_wall(self, plan: StreetPlan, side: int, y: Array, z: Array) -> Array:
        """Light RGB and degrees by the sun, `h x w x 4`, on the wall of a side at y (rows), z."""
        hour = self._hour
        result = np.zeros((y.shape[0], z.shape[1], 4), np.float32)
        open_sky = 0.42 + 0.24 * np.minimum(y / 9.0, 1.0) + 0 * z
        result[..., :3] = open_sky[..., None] * hour.skylight
        slope = max(0.0, -side * hour.sun[0])
        if self._sunny:
            result[..., :3] += (0.07 * hour.sunlight * hour.sun[1]).astype(np.float32)
        if self._sunny and slope > 0.02:
            across = 2 * WALL / slope
            opposite = _height(self._skylines[-side], z + across * hour.sun[2])
            lit = slope * smoothstep(-0.4, 0.4, y - (opposite - across * hour.sun[1]))
            result[..., :3] += lit[..., None] * hour.sunlight
            result[..., 3] = lit * hour.solar
        if hour.lamps > 0:
            for own, far in plan.lamps:
                if abs(far - float(z.mean())) < 24:
                    result[..., :3] += hour.lamps * _lamp_on_wall(side, own, far, y, z)
        return result

    def on_thing(self, thing: Thing, shape: Array) -> tuple[Array, float]:
        """Light on a thing and the warmth that the sun gives it.

        The shape is float32 `h x w x 4`: normal (0 to 255 for -1 to 1) and opacity.

        Returns:
            Light RGB and a 1, `h x w x 4`, and degrees above the air.
        """
        hour = self._hour
        shade, lamps = self._at(thing.x, thing.z - 0.3)
        even, upward, toward = (share * hour.skylight for share in (0.55, 0.4, 0.0))
        free, solar = 0.0, 0.0
        if self._sunny:
            free = 1 - 0.93 * shade if not thing.crown else max(1 - shade, self._above(thing))
            bounce = 0.08 * free * hour.sunlight * hour.sun[1]
            even, upward = even + bounce, upward - bounce
            solar = 0.35 * free * hour.solar
        if hour.lamps > 0:
            even, upward = even + 0.42 * lamps, upward + 0.4 * lamps
            toward = hour.lamps * _own_beam(thing)
        rows = np.stack([np.zeros(3), upward, -toward, np.zeros(3), even], axis=1)
        light = _affine(np.append(rows, [[0, 0, 0, 0, 1]], axis=0), shape)
        if free > 0:
            slope = _affine(np.array([[*hour.sun, 0.0, 0.0]]), shape)
            strength = np.append(free * hour.sunlight, 0).astype(np.float32)
            light += np.maximum(slope, 0)[..., None] * strength
        return light, solar

    def _above(self, thing: Thing) -> float:
        """How far the sun reaches the crown of a tree over the houses."""
        hour = self._hour
        side = 1 if hour.sun[0] > 0 else -1
        reach = (WALL - side * thing.x) / max(abs(hour.sun[0]), 0.02)
        if reach <= 0:
            return 1.0
        house = float(_height(self._skylines[side], thing.z + reach * hour.sun[2]))
        return float(smoothstep(-2.0, 2.0, thing.crown + reach * hour.sun[1] - house))

    def _at(self, x: float, z: float) -> tuple[float, Array]:
        """Shade in [0, 1] and light of lamps, RGB, on the ground at a place."""
        row, column = (z - NEAR) * _SHADE_TEXELS, (x - LEFT) * _SHADE_TEXELS
        height, width = self._shade.shape[:2]
        shade = self._shade[int(np.clip(row, 0, height - 1)), int(np.clip(column, 0, width - 1)), 0]
        ratio = LIGHT_TEXELS / _SHADE_TEXELS
        height, width = self._lamps.shape[:2]
        place = (
            int(np.clip(row * ratio, 0, height - 1)),
            int(np.clip(column * ratio, 0, width - 1)),
        )
        return float(shade) / 255, self._lamps[place]

    def _draw_shade(self, plan: StreetPlan) -> Array:
        """Sun shadow, nearness of things and warmth of engines, uint8 `H x W x 3`."""
        shape = (int((FAR - NEAR) * _SHADE_TEXELS), int((RIGHT - LEFT) * _SHADE_TEXELS))
        shadow, contact, warmth = (np.zeros(shape, np.uint8) for _ in range(3))
        for thing in plan.things:
            foot = _box(thing)
            if not thing.crown:
                cv2.fillConvexPoly(contact, _texels(foot), 255)
            if thing.warm:
                cv2.fillConvexPoly(warmth, _texels(foot), 255)
        if self._sunny:
            self._draw_shadows(shadow, plan)
        return cv2.merge(
            [
                cv2.GaussianBlur(shadow, (0, 0), 1.0),
                cv2.blur(cv2.blur(contact, (5, 5)), (5, 5)),
                cv2.blur(cv2.blur(warmth, (9, 9)), (9, 9)),
            ]
        )

    def _draw_shadows(self, shadow: Array, plan: StreetPlan) -> None:
        x, y, z = self._hour.sun
        fall = np.array([-x / y, -z / y])  # on the ground, for each metre of height
        for house in plan.houses:
            base = np.array([(house.side * WALL, house.near), (house.side * WALL, house.far)])
            top = house.front.height + 1.0
            deep = base + [house.side * 10.0, 0.0]
            points = np.concatenate([base, deep, base + top * fall, deep + top * fall])
            cv2.fillConvexPoly(shadow, cv2.convexHull(_texels(points)), 255)
        for thing in plan.things:
            foot = _box(thing)
            if thing.crown:
                stem = np.array([thing.x, thing.z])
                ends = _texels(np.stack([stem, stem + fall * thing.crown]))
                cv2.line(shadow, ends[0].tolist(), ends[1].tolist(), 255, 3)
                _draw_crown(shadow, stem + fall * thing.crown, 0.44 * thing.crown)
            else:
                points = np.concatenate([foot, foot * [1, 1] + thing.height * fall])
                cv2.fillConvexPoly(shadow, cv2.convexHull(_texels(points)), 255)

    def _draw_lamps(self, plan: StreetPlan) -> Array:
        """Light of lamps and headlights on the ground, float32 `H x W x 3`."""
        shape = (int((FAR - NEAR) * LIGHT_TEXELS), int((RIGHT - LEFT) * LIGHT_TEXELS), 3)
        light = np.zeros(shape, np.float32)
        if self._hour.lamps == 0:
            return light
        pool, beam = library.lamp_pool(), library.beam_pool()
        half = pool.shape[0] / 2 / LIGHT_TEXELS
        for side, z in plan.lamps:
            _add(light, pool, side * _HEAD - half, z - half)
        _add(light, beam, 1.6 - half, 2.0)
        for thing in plan.things:
            if thing.beam > 0:
                _add(light, beam, thing.x - half, thing.z + 3.0)
            elif thing.beam < 0:
                _add(light, beam[::-1], thing.x - half, thing.z - 3.0 - len(beam) / LIGHT_TEXELS)
        return light * np.float32(self._hour.lamps)


def _affine(rows: Array, shape: Array) -> Array:
    """Apply `K x 5` to the normals, the opacity and a 1 of a thing."""
    scale = np.array([2 / 255, 2 / 255, 2 / 255, 1 / 255])
    matrix = rows.astype(np.float64)
    matrix[:, 4] -= matrix[:, :3].sum(axis=1)
    matrix[:, :4] *= scale
    return np.asarray(cv2.transform(shape, matrix.astype(np.float32)))


def _box(thing: Thing) -> Array:
    """Footprint of a thing, `4 x 2` of x, z."""
    half = np.array([thing.width, thing.depth]) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return np.asarray(corners * half + [thing.x, thing.z])


def _draw_crown(shadow: Array, middle: Array, radius: float) -> None:
    """Ragged shadow of a crown: discs on a spiral."""
    turn = np.arange(26) * 2.399963
    reach = radius * np.sqrt(np.arange(26) / 26)
    places = middle + np.stack([reach * np.cos(turn), 1.5 * reach * np.sin(turn)], axis=1)
    for index, place in enumerate(_texels(places).tolist()):
        size = int(_SHADE_TEXELS * radius * (0.16 + 0.10 * (index * 7 % 5) / 4))
        cv2.circle(shadow, place, max(1, size), 235, cv2.FILLED)


def _texels(points: Array) -> Array:
    places = (np.asarray(points) - [LEFT, NEAR]) * _SHADE_TEXELS
    return np.rint(np.clip(places, -20000, 20000)).astype(np.int32)


def _add(light: Array, patch: Array, x: float, z: float) -> None:
    """Add a patch whose left near corner is at x, z."""
    row, column = round((z - NEAR) * LIGHT_TEXELS), round((x - LEFT) * LIGHT_TEXELS)
    rows = slice(max(0, row), min(light.shape[0], row + patch.shape[0]))
    columns = slice(max(0, column), min(light.shape[1], column + patch.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        light[rows, columns] += patch[
            rows.start - row : rows.stop - row, columns.start - column : columns.stop - column
        ]


def _warp(chart: Array, places: Array, size: tuple[int, int], border: int) -> Array:
    height, width = chart.shape[:2]
    edges = np.array(
        [(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)],
        np.float32,
    )
    warp = cv2.getPerspectiveTransform(edges, places)
    return cv2.warpPerspective(chart, warp, size, flags=cv2.INTER_LINEAR, borderMode=border)


def _skyline(plan: StreetPlan, side: int) -> Array:
    """Height of the houses of a side, at every `_SKYLINE_STEP` from z = -100 on."""
    heights = np.zeros(300, np.float32)
    for house in plan.houses:
        if house.side == side:
            heights[int(house.near + 100) : int(house.far + 100)] = house.front.height
    return heights


def _height(skyline: Array, z: Array | float) -> Array:
    return np.asarray(skyline[np.clip((z + 100) / _SKYLINE_STEP, 0, 299).astype(int)])


def _lamp_on_wall(side: int, own: int, far: float, y: Array, z: Array) -> Array:
    """Light of a street lamp at own * _HEAD, `far` on the wall of a side, `h x w x 3`."""
    across = np.float32(WALL - side * own * _HEAD)
    down, along = np.float32(6.6) - y, z - np.float32(far)
    squared = across * across + down * down + along * along
    distance = np.sqrt(squared)
    angle = np.arccos(np.clip(down / distance, -1, 1)) / np.float32(0.8)
    strength = across / distance * np.exp(-(angle**4)) / (squared + 1)
    return np.asarray(strength[..., None] * np.asarray(LAMP, np.float32))


def _own_beam(thing: Thing) -> Array:
    """Light of our own headlights on surfaces that face us, RGB."""
    slope = (thing.x - 1.6) / thing.z
    strength = np.exp(-((slope / 0.30) ** 2)) / (thing.z + 2.0) * 0.7
    return np.asarray(strength * np.asarray(BEAM, np.float32))
