"""A small deferred renderer: from 3-D shapes to material, depth and thermal value per pixel.

World axes are metres: x to the right, y up, z ahead; the ground is y = 0. Shapes are painted with a
depth test in any order. Shading happens afterwards, once for the visible and once for the
infrared picture, which is why both are aligned exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike

from piafusion.scenes.texture import Array, Noise

NEAR = 0.6
"""Distance in metres of the plane in front of which nothing is drawn."""
SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along +z; all sizes in pixels of the (doubled) render."""

    width: int
    height: int
    focal: float
    centre_u: float
    centre_v: float
    eye: tuple[float, float, float]

    def project(self, points: Array) -> Array:
        """Image positions `N x 2` of world `points` `N x 3` whose z is positive."""
        z = points[:, 2] - self.eye[2]
        u = self.centre_u + self.focal * (points[:, 0] - self.eye[0]) / z
        v = self.centre_v - self.focal * (points[:, 1] - self.eye[1]) / z
        return np.stack([u, v], axis=1)

    def rays(self, rows: slice, columns: slice) -> tuple[Array, Array]:
        """Slopes dx/dz (`1 x w`) and dy/dz (`h x 1`) of the rays through a block of pixels."""
        u = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5)
        v = np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5)
        dx = (u - np.float32(self.centre_u)) / np.float32(self.focal)
        dy = (np.float32(self.centre_v) - v) / np.float32(self.focal)
        return dx[None, :], dy[:, None]


@dataclass(frozen=True)
class Surface:
    """The material of a shape; each entry is a constant or an array of the painted block.

    `albedo` and `emission` are linear RGB (`h x w x 3`), `thermal` is the value in the thermal
    image, and `gloss` the share of mirror reflection; thermal, albedo and gloss lie in [0, 1].
    """

    albedo: ArrayLike
    thermal: ArrayLike
    emission: ArrayLike = 0.0
    gloss: ArrayLike = 0.0


class Ground:
    """Receives the outlines of things on the ground; a subclass draws shadows and warmth."""

    def cast_polygon(self, points: Array) -> None:
        """Add the sun shadow of a polygon `N x 3`."""

    def cast_rod(self, start: Array, stop: Array, radius: float) -> None:
        """Add the sun shadow of a rod between two points `3`."""

    def cast_discs(self, centres: Array, radii: Array) -> None:
        """Add the sun shadows of many small balls, centres `N x 3` and radii `N`."""

    def rest(self, outline: Array, *, warmth: float = 0.0) -> None:
        """Darken, and warm by `warmth` in [0, 1], the ground under an outline `N x 2` of x, z."""


Material: TypeAlias = Callable[[Array, Array, Array], Surface]
"""Maps world x, y, z of a block of pixels (each `h x w`) to its surface."""


@dataclass(frozen=True)
class Placement:
    """Where something stands and which way it faces: `yaw` 0 looks along +z, radians."""

    x: float
    z: float
    yaw: float = 0.0

    def world(self, local: Array) -> Array:
        """Turn ahead, left-to-right, up coordinates (`... x 3`) into world positions."""
        ahead, across, up = local[..., 0], local[..., 1], local[..., 2]
        sin, cos = np.sin(self.yaw), np.cos(self.yaw)
        x = self.x + across * cos + ahead * sin
        return np.stack([x, up, self.z + ahead * cos - across * sin], axis=-1)

    def local(self, x: Array, z: Array) -> tuple[Array, Array]:
        """Turn world x, z into the distances ahead and across."""
        sin, cos = np.float32(np.sin(self.yaw)), np.float32(np.cos(self.yaw))
        dx, dz = x - np.float32(self.x), z - np.float32(self.z)
        return dx * sin + dz * cos, dx * cos - dz * sin


class Frame:
    """The picture under construction: depth and material of the nearest shape at each pixel."""

    def __init__(self, camera: Camera, noise: Noise, ground: Ground) -> None:
        """Start with nothing at infinite depth."""
        shape = (camera.height, camera.width)
        self.camera = camera
        self.noise = noise
        self.ground = ground
        self.depth = np.full(shape, np.inf, np.float32)
        self.albedo = np.zeros((*shape, 3), np.float32)
        self.normal = np.zeros((*shape, 3), np.float32)
        self.emission = np.zeros((*shape, 3), np.float32)
        self.thermal = np.zeros(shape, np.float32)
        self.gloss = np.zeros(shape, np.float32)
        self.person = np.zeros(shape, np.uint8)
        """0 for things, 1 for people, 2 for people who stand in the dark at night."""
        self.scenery = np.zeros(shape, np.bool_)
        """Ground and walls: the surfaces on which the shadows of things fall."""

    def polygon(
        self, points: ArrayLike, material: Material | Surface, *, scenery: bool = False
    ) -> None:
        """Paint a flat polygon.

        The corners are `N x 3` in order; the material may be a function of the world position. The
        shadows of things fall on scenery.
        """
        corners = np.asarray(points, np.float64)
        facing = flat_normal(corners)
        if facing @ (corners[0] - self.camera.eye) > 0:
            facing = -facing
        clipped = _clip_near(corners, self.camera.eye[2] + NEAR)
        if len(clipped) < 3:
            return
        outline = self.camera.project(clipped)
        block = self._block(outline.min(axis=0), outline.max(axis=0))
        if block is None:
            return
        rows, columns = block
        mask = _polygon_mask(outline, rows, columns)
        dx, dy = self.camera.rays(rows, columns)
        slope = facing[0] * dx + facing[1] * dy + facing[2]
        slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        distance = facing @ (corners[0] - self.camera.eye) / slope
        ahead = clipped[:, 2] - self.camera.eye[2]
        depth = np.clip(distance, ahead.min(), ahead.max()).astype(np.float32)
        mask &= depth < self.depth[rows, columns]
        if not mask.any():
            return
        if callable(material):
            material = material(*self._world(depth, dx, dy))
        self._write(block, mask, depth, facing.astype(np.float32), material)
        np.copyto(self.scenery[rows, columns], scenery, where=mask)

    def mesh(self, faces: Array, normals: Array, material: Material) -> None:
        """Paint a round body of many faces that share one material.

        Faces are `N x K x 3`, each nearly flat, and so are the normals at their corners.
        """
        ahead = faces[..., 2] - self.camera.eye[2]
        if ahead.min() < NEAR:
            return
        count, corners, _ = faces.shape
        places = self.camera.project(faces.reshape(-1, 3)).reshape(count, corners, 2)
        block = self._block(places.min(axis=(0, 1)), places.max(axis=(0, 1)))
        if block is None:
            return
        rows, columns = block
        depth = self.depth[block].copy()
        painted = np.zeros(depth.shape, np.bool_)
        normal = np.zeros((*depth.shape, 3), np.float32)
        # Along a flat face 1/depth is linear in the image; normals are taken as linear too.
        planes = _planes(places, np.concatenate([1 / ahead[..., None], normals], axis=-1))
        for outline, distance, plane in zip(places, ahead, planes, strict=True):
            part = self._block(outline.min(axis=0), outline.max(axis=0))
            if part is None:
                continue
            inner = tuple(
                slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, block, strict=True)
            )
            blend = _spread(plane, outline.mean(axis=0), *part)
            face = 1.0 / np.clip(blend[..., 0], 1 / distance.max(), 1 / distance.min())
            mask = _polygon_mask(outline, *part) & (face < depth[inner])
            np.copyto(depth[inner], face, where=mask)
            np.copyto(normal[inner], blend[..., 1:], where=mask[..., None])
            painted[inner] |= mask
        length = np.sqrt((normal * normal).sum(axis=-1, keepdims=True))
        normal /= np.maximum(length, np.float32(1e-6))
        with np.errstate(invalid="ignore"):
            surface = material(*self._world(depth, *self.camera.rays(rows, columns)))
        self._write(block, painted, depth, normal, surface)

    def capsule(
        self,
        ends: tuple[Array, Array],
        radii: tuple[float, float],
        surface: Surface,
        *,
        person: int = 0,
        rough: float = 0.0,
    ) -> None:
        """Paint a round, tapered rod.

        Ends are `3` each, radii in metres; `rough` is the strength of folds or bark.
        """
        axis = np.stack(ends)
        far = axis[:, 2] - self.camera.eye[2]
        if far.min() < NEAR:
            return
        start, stop = self.camera.project(axis)
        radius = np.maximum(self.camera.focal * np.asarray(radii) / far, 0.55)
        spread = radius[:, None]
        low = (np.stack([start, stop]) - spread).min(axis=0)
        block = self._block(low, (np.stack([start, stop]) + spread).max(axis=0))
        if block is None:
            return
        rows, columns = block
        u = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + 0.5 - start[0]
        v = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5 - start[1]
        du, dv = stop - start
        along = np.clip((u * du + v * dv) / max(du * du + dv * dv, 1e-6), 0.0, 1.0)
        size = radius[0] + along * (radius[1] - radius[0])
        nx, ny = (u - along * du) / size, (along * dv - v) / size
        bulge2 = 1.0 - nx * nx - ny * ny
        bulge = np.sqrt(np.maximum(bulge2, 0.0))
        thick = radii[0] + along * (radii[1] - radii[0])
        depth = (far[0] + along * (far[1] - far[0]) - thick * bulge).astype(np.float32)
        mask = (bulge2 > 0) & (depth < self.depth[rows, columns])
        if not mask.any():
            return
        normal = np.stack([nx, ny, -bulge], axis=-1).astype(np.float32)
        if rough:
            x, y, _ = self._world(depth, *self.camera.rays(rows, columns))
            folds = 1.0 + rough * self.noise.cloudy(x * 2 + far[0], y, 60.0)
        else:
            folds = np.ones_like(depth)
        limb = (0.84 + 0.16 * bulge) * (1.0 + 0.25 * (folds - 1.0))
        painted = Surface(
            albedo=np.asarray(surface.albedo) * np.expand_dims(folds, -1),
            thermal=np.asarray(surface.thermal) * limb,
            emission=surface.emission,
            gloss=surface.gloss,
        )
        self._write(block, mask, depth, normal, painted, person)

    def leaves(self, centres: Array, normals: Array, sizes: Array, surface: Surface) -> None:
        """Paint many small discs that share one depth.

        Centres and unit normals are `N x 3`, far ones first; sizes are a radius in metres and a
        factor on the albedo, `N x 2`.
        """
        ahead = centres[:, 2] - self.camera.eye[2]
        if ahead.min() < NEAR:
            return
        places = self.camera.project(centres)
        radii = np.maximum(self.camera.focal * sizes[:, 0] / ahead, 1.0)
        block = self._block((places - radii[:, None]).min(0), (places + radii[:, None]).max(0))
        if block is None:
            return
        rows, columns = block
        layer = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 4), np.float32)
        one = 1 << SUBPIXEL_BITS
        where = np.rint((places - [columns.start + 0.5, rows.start + 0.5]) * one).astype(int)
        colours = np.concatenate([normals, sizes[:, 1:2]], axis=1).tolist()
        for place, radius, colour in zip(
            where.tolist(), np.rint(radii * one).astype(int).tolist(), colours, strict=True
        ):
            cv2.circle(layer, place, radius, colour, cv2.FILLED, cv2.LINE_8, SUBPIXEL_BITS)
        tint = layer[..., 3]
        depth = np.full(tint.shape, ahead.mean(), np.float32)
        mask = (tint > 0) & (depth < self.depth[rows, columns])
        painted = Surface(
            albedo=np.asarray(surface.albedo, np.float32) * tint[..., None],
            thermal=np.asarray(surface.thermal) * (0.84 + 0.16 * tint),
        )
        self._write(block, mask, depth, layer[..., :3], painted)

    def _block(self, low: Array, high: Array) -> tuple[slice, slice] | None:
        left, top = np.maximum(np.floor(low).astype(int), 0)
        right = min(int(np.ceil(high[0])) + 1, self.camera.width)
        bottom = min(int(np.ceil(high[1])) + 1, self.camera.height)
        if left >= right or top >= bottom:
            return None
        return slice(int(top), bottom), slice(int(left), right)

    def _world(self, depth: Array, dx: Array, dy: Array) -> tuple[Array, Array, Array]:
        x, y, z = (np.float32(value) for value in self.camera.eye)
        return x + dx * depth, y + dy * depth, z + depth

    def _write(
        self,
        block: tuple[slice, slice],
        mask: Array,
        depth: Array,
        normal: Array,
        surface: Surface,
        person: int = 0,
    ) -> None:
        np.copyto(self.depth[block], depth, where=mask)
        np.copyto(self.person[block], np.uint8(person), where=mask)
        np.copyto(self.thermal[block], surface.thermal, where=mask, casting="same_kind")
        np.copyto(self.gloss[block], surface.gloss, where=mask, casting="same_kind")
        np.copyto(self.scenery[block], False, where=mask)
        for buffer, value in (
            (self.albedo, surface.albedo),
            (self.normal, normal),
            (self.emission, surface.emission),
        ):
            np.copyto(buffer[block], value, where=mask[..., None], casting="same_kind")


def flat_normal(points: Array) -> Array:
    """Unit normal (`3`) of a flat polygon `N x 3`."""
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    return np.asarray(normal / max(float(np.linalg.norm(normal)), 1e-12))


def _clip_near(points: Array, near: float) -> Array:
    if points[:, 2].min() >= near:
        return points
    kept: list[Array] = []
    for here, there in zip(points, np.roll(points, -1, axis=0), strict=True):
        if here[2] >= near:
            kept.append(here)
        if (here[2] >= near) != (there[2] >= near):
            kept.append(here + (there - here) * (near - here[2]) / (there[2] - here[2]))
    return np.array(kept)


def _polygon_mask(outline: Array, rows: slice, columns: slice) -> Array:
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    local = outline - [columns.start + 0.5, rows.start + 0.5]
    fixed = np.rint(local * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 1, cv2.LINE_8, SUBPIXEL_BITS)
    return mask.astype(np.bool_)


def _planes(outlines: Array, values: Array) -> Array:
    """Linear fits `N x 3 x C` (per u, per v, at the middle) to corner `values`, `N x K x C`."""
    offsets = outlines - outlines.mean(axis=1, keepdims=True)
    design = np.concatenate([offsets, np.ones_like(offsets[..., :1])], axis=-1)
    return np.asarray(np.linalg.pinv(design) @ values, np.float32)


def _spread(plane: Array, middle: Array, rows: slice, columns: slice) -> Array:
    """Values of a linear fit `3 x C` around `middle` over a block, `h x w x C`."""
    u = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - middle[0])
    v = np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - middle[1])
    return np.asarray(plane[2] + u[None, :, None] * plane[0] + v[:, None, None] * plane[1])
