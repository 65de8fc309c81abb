"""Cars: parked ones as cool as the air, driven ones with warm bonnets, tyres and exhausts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from piafusion.scenes.render import Frame, Placement, Surface
from piafusion.scenes.texture import Array, lettering, rgb, stamp

PAINTS = (
    (0.42, 0.03, 0.03),
    (0.05, 0.10, 0.26),
    (0.55, 0.56, 0.57),
    (0.035, 0.035, 0.04),
    (0.66, 0.65, 0.62),
    (0.06, 0.17, 0.15),
)
# Along the car: distance ahead of its middle, height of the top, half width, half width of the top.
STATIONS = np.array(
    [
        (2.13, 0.60, 0.62, 0.46),
        (2.07, 0.72, 0.76, 0.56),
        (1.85, 0.82, 0.84, 0.66),
        (1.45, 0.90, 0.88, 0.71),
        (0.98, 0.97, 0.89, 0.72),
        (0.62, 1.21, 0.895, 0.66),
        (0.28, 1.40, 0.90, 0.62),
        (-0.15, 1.465, 0.90, 0.61),
        (-0.70, 1.465, 0.90, 0.61),
        (-1.25, 1.41, 0.895, 0.60),
        (-1.62, 1.20, 0.885, 0.62),
        (-1.88, 1.02, 0.87, 0.68),
        (-2.05, 0.92, 0.80, 0.62),
        (-2.13, 0.70, 0.70, 0.55),
    ]
)
BELT = 0.93
AXLES = (1.32, -1.28)
WHEEL = 0.325


def paint_car(
    frame: Frame,
    place: Placement,
    colour: Sequence[float],
    plate: str,
    *,
    driven: bool,
    night: bool,
) -> None:
    """A car; `driven` ones have warm bonnets, tyres and exhausts, and by night their lights on."""
    mesh = place.world(_car_mesh())
    normals = np.cross(np.gradient(mesh, axis=1), np.gradient(mesh, axis=0))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    centre = mesh.mean(axis=(0, 1))
    outward = ((mesh - centre) * normals).sum(axis=-1, keepdims=True)
    normals = np.where(outward < 0, -normals, normals)
    tile = lettering([plate])

    def body(x: Array, y: Array, z: Array) -> Surface:
        ahead, across = place.local(x, z)
        return _bodywork(frame, (ahead, across, y), colour, tile, driven=driven, night=night)

    faces, face_normals = _quads(mesh), _quads(normals)
    for face in faces:
        frame.ground.cast_polygon(face)
    toward = (face_normals * (frame.camera.eye - faces)).sum(axis=-1).max(axis=1) > 0
    frame.mesh(faces[toward], face_normals[toward], body)
    for end in (0, -1):
        frame.polygon(mesh[end], body)
    for ahead in AXLES:
        for side in (-1, 1):
            _paint_wheel(frame, place, ahead, side, driven=driven)
    if driven:
        pipe = place.world(np.array([(-2.0, 0.5, 0.27), (-2.2, 0.5, 0.27)]))
        frame.capsule((pipe[0], pipe[1]), (0.05, 0.05), Surface((0.05, 0.05, 0.05), 1.0))
    footprint = np.array([(1.9, -0.8, 0), (1.9, 0.8, 0), (-2.0, 0.8, 0), (-2.0, -0.8, 0)])
    frame.ground.rest(place.world(footprint)[:, [0, 2]], warmth=0.75 if driven else 0.0)


def _quads(grid: Array) -> Array:
    """Corners of the cells of a grid `S x R x 3`, `N x 4 x 3`."""
    cells = (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1])
    return np.stack(cells, axis=2).reshape(-1, 4, 3)


def _car_mesh() -> Array:
    """Outline of the body in local coordinates, stations x ring x 3."""
    ahead, top, wide, roof = STATIONS.T
    belt = np.minimum(BELT, top - 0.035)
    half = [
        (0.90 * wide, np.full_like(top, 0.20)),
        (0.985 * wide, np.minimum(0.36, top)),
        (wide, np.minimum(0.60, belt - 0.05)),
        (0.965 * wide, belt),
        (roof, top - 0.03),
        (0.55 * roof, top),
    ]
    right = [np.stack([ahead, across, up], axis=-1) for across, up in half]
    left = [point * [1, -1, 1] for point in reversed(right)]
    return np.stack([*right, *left], axis=1)


def _bodywork(
    frame: Frame,
    local: tuple[Array, Array, Array],
    colour: Sequence[float],
    plate: Array,
    *,
    driven: bool,
    night: bool,
) -> Surface:
    ahead, across, up = local
    wide = np.abs(across)
    front, rear = ahead > 1.86, ahead < -1.90
    paint = np.asarray(colour, np.float32) * np.ones((*up.shape, 1), np.float32)
    side = wide > 0.79
    seam = side & (up > 0.32) & (up < BELT)
    seam &= np.min([np.abs(ahead - at) for at in (0.98, -0.12, -1.1)], axis=0) < 0.011
    seam |= (np.abs(ahead - 0.99) < 0.012) & ~side & (up < 1.0)
    handle = (
        side & (np.abs(up - 0.82) < 0.018) & (np.mod(ahead + 0.05, 1.08) < 0.17) & (ahead < 0.9)
    )
    seam |= rear & (np.abs(up - 0.645) < 0.012) & (wide < 0.5)
    bumper = (rear | front) & (up > 0.385) & (up < 0.415)
    dark = (up < 0.29) | seam | bumper
    paint = np.where(dark[..., None], 0.025, paint)
    paint = np.where(handle[..., None], 0.25, paint)

    cabin = (up > BELT + 0.035) & (ahead < 0.93) & (ahead > -1.86)
    top = np.interp(ahead, STATIONS[::-1, 0], STATIONS[::-1, 1]).astype(np.float32)
    across_edge = np.interp(ahead, STATIONS[::-1, 0], STATIONS[::-1, 3]).astype(np.float32)
    screen = ((ahead > 0.33) | (ahead < -1.32)) & (wide < across_edge - 0.05)
    rise = (up - BELT) / np.maximum(top - BELT, 0.05)
    pillars = np.min([np.abs(ahead - at) for at in (-0.12, -1.18)], axis=0) < 0.05
    flank = (
        (wide > across_edge - 0.005) & (rise < 0.86) & (ahead < 0.66) & (ahead > -1.6) & ~pillars
    )
    glass = cabin & (screen | flank)
    paint = np.where(glass[..., None], np.float32(0.022), paint)
    paint = np.where(((up > BELT - 0.02) & (up < BELT + 0.02) & side)[..., None], 0.03, paint)

    arch = np.min([np.hypot(ahead - at, up - WHEEL) for at in AXLES], axis=0) < 0.39
    arch &= wide > 0.6
    paint = np.where(arch[..., None], 0.008, paint)
    grille = front & (wide < 0.42) & (up > 0.34) & (up < 0.56)
    bars = np.where(np.mod(up, 0.055) < 0.02, 0.20, 0.015)
    paint = np.where(grille[..., None], bars[..., None], paint)
    head = front & (wide > 0.42) & (wide < 0.76) & (up > 0.555) & (up < 0.69)
    tail = rear & (wide > 0.50) & (up > 0.67) & (up < 0.83)
    paint = np.where(head[..., None], 0.55, paint)
    paint = np.where(tail[..., None], rgb(0.30, 0.01, 0.01), paint)
    low = np.where(ahead > 0, 0.37, 0.50)
    number = (front | rear) & (wide < 0.27) & (up > low) & (up < low + 0.12)
    ink = stamp(plate, -across * np.sign(ahead) / 0.50 + 0.5, (low + 0.125 - up) / 0.13)
    paint = np.where(number[..., None], 0.75 * (1 - 0.95 * ink[..., None]), paint)

    emission = np.zeros_like(paint)
    if driven and night:
        emission = np.where(head[..., None], rgb(34.0, 31.0, 25.0), emission)
        emission = np.where(tail[..., None], rgb(3.4, 0.02, 0.012), emission)
        glow = rear & (wide < 0.3) & (up > 0.48) & (up < 0.64)
        emission = np.where(glow[..., None], 0.25 * paint, emission)
    roof = 0.24 if night else 0.50
    thermal = np.where(up > 1.3, roof, 0.34 + 0.05 * (up < 0.5))
    if driven:
        bonnet = np.clip((ahead - 0.85) / 0.5, 0.0, 1.0) * (up > 0.55)
        thermal = thermal + 0.36 * bonnet
        thermal = np.where(grille, 0.93, thermal)
        thermal = np.where(head, 0.80, thermal)
        thermal = np.where(up < 0.34, 0.66, thermal)
        thermal = np.where(arch, 0.62, thermal)
    thermal = np.where(glass, 0.20, thermal) + 0.008 * frame.noise.cloudy(ahead, across, 20.0)
    gloss = np.where(glass, 0.55, np.where(dark | arch | number, 0.02, 0.16))
    return Surface(paint, thermal, emission, gloss)


def _paint_wheel(frame: Frame, place: Placement, ahead: float, side: int, *, driven: bool) -> None:
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    ring = np.stack(
        [ahead + WHEEL * np.cos(turn), 0 * turn + 0.885 * side, WHEEL * (1 + np.sin(turn))], axis=1
    )

    def material(x: Array, y: Array, z: Array) -> Surface:
        along, _ = place.local(x, z)
        radius = np.hypot(along - ahead, y - WHEEL) / WHEEL
        angle = np.arctan2(y - WHEEL, along - ahead)
        spoke = (np.abs(np.sin(angle * 2.5 + ahead)) < 0.42) | (radius > 0.60) | (radius < 0.2)
        rim = radius < 0.68
        tone = np.where(rim, np.where(spoke, 0.42, 0.03), 0.022)
        tyre, hub = (0.66, 0.82) if driven else (0.36, 0.33)
        return Surface(tone[..., None], np.where(rim, hub, tyre), gloss=0.06 * rim)

    frame.polygon(place.world(ring), material)
    rubber = Surface((0.02, 0.02, 0.02), 0.66 if driven else 0.36)
    frame.mesh(*_tread(frame, place, ahead, side), lambda *_: rubber)


def _tread(frame: Frame, place: Placement, ahead: float, side: int) -> tuple[Array, Array]:
    """The faces and normals of a tyre's running surface that the camera can see."""
    turn = np.linspace(0, 2 * np.pi, 17)
    out = np.stack([np.cos(turn), 0 * turn, np.sin(turn)], axis=1)
    edges = [out * WHEEL + [ahead, across * side, WHEEL] for across in (0.885, 0.67)]
    faces = _quads(place.world(np.stack(edges)))
    turned = Placement(0.0, 0.0, place.yaw)
    normals = _quads(turned.world(np.stack([out, out])))
    seen = (normals * (frame.camera.eye - faces)).sum(axis=-1).max(axis=1) > 0
    return faces[seen], normals[seen]
