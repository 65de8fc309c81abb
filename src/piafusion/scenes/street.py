"""The parts of the street that stand still: ground, trees, lamps, signs and sky."""

from __future__ import annotations

import numpy as np

from piafusion.scenes.render import Frame, Surface
from piafusion.scenes.texture import Array, Noise, lettering, rgb, stamp

KERB = 5.4
"""Distance in metres from the middle of the road to the kerb."""


def ground_surface(noise: Noise, x: Array, z: Array, ahead: float = 0.0) -> Surface:
    """The ground at x, z (same shape, metres); markings are `ahead` metres nearer."""
    away = np.abs(x)
    fade = 1.0 / (1.0 + (z / 22.0) ** 2)
    cloud = noise.cloudy(x, z * 0.35, 16.0)
    grain = noise.grainy(x, z * 0.55, 95.0) * np.minimum(fade * 1.3, 1.0)
    tracks = np.exp(-(((np.abs(away - 1.75) - 0.75) / 0.28) ** 2))
    speck = noise.cloudy(x, z * 0.6, 150.0) * fade
    asphalt = 0.100 + 0.011 * cloud + 0.019 * grain + 0.011 * speck - 0.014 * tracks
    thermal = 0.43 + 0.014 * cloud + 0.007 * grain + 0.035 * tracks
    patch = (noise.cloudy(x * 0.5 + 7, z * 0.2, 6.0) > 1.25) & (away < KERB)
    asphalt = asphalt * np.where(patch, 0.76, 1.0)
    cover = np.hypot(x - 0.55, z - 8.3)
    lid = (cover < 0.33) & ((np.mod(x, 0.09) < 0.05) | (np.mod(z, 0.11) < 0.05))
    asphalt = np.where(cover < 0.33, np.where(lid, 0.085, 0.04), asphalt)
    asphalt = np.where(np.abs(cover - 0.36) < 0.025, 0.03, asphalt)
    thermal = thermal + 0.12 * (cover < 0.33)
    vein = np.abs(noise.cloudy(x + 11, z * 0.7, 22.0))
    crack = (vein < 0.03) & (noise.cloudy(x * 0.4, z * 0.3 + 5, 9.0) > 0.25) & (z < 40)
    asphalt = np.where(crack, 0.03, asphalt)
    thermal = np.where(crack, thermal - 0.02, thermal)
    worn = np.clip(0.86 + 0.2 * noise.cloudy(x, z, 45.0), 0.35, 1.0)
    paint = _markings(x, away, z + ahead) * worn
    tone = asphalt + (0.62 - asphalt) * paint
    colour = tone[..., None] * rgb(1.0, 0.99, 0.97)
    slab, slab_thermal = _paving(noise, x, z, fade)
    kerb = (away > KERB) & (away < KERB + 0.22)
    joint = kerb & (np.mod(z, 1.0) < 0.03) & (z < 30)
    walk = (away >= KERB + 0.22)[..., None]
    colour = np.where(walk, slab, colour)
    edge = np.where(joint, 0.14, 0.36 + 0.03 * grain)[..., None]
    colour = np.where(kerb[..., None], edge, colour)
    gutter = (away > KERB - 0.3) & (away <= KERB)
    colour = colour * np.where(gutter, 0.68, 1.0)[..., None]
    thermal = np.where(away >= KERB, slab_thermal, thermal - 0.03 * gutter)
    return Surface(np.clip(colour, 0.01, 0.9), thermal)


def _markings(x: Array, away: Array, z: Array) -> Array:
    """Places with white paint: dashed middle line, parking lines, crossing, stop line."""
    crossing = (z > 19.0) & (z < 22.6)
    dashes = (away < 0.075) & (np.mod(z + 1.0, 6.0) < 3.0) & ((z < 15.5) | (z > 25.0))
    parking = (np.abs(away - 3.5) < 0.05) & ~crossing
    boxes = (away > 3.5) & (away < 5.1) & (np.mod(z, 6.5) < 0.1) & ~crossing
    stripes = crossing & (np.mod(x + 0.25, 1.0) < 0.5) & (away < 5.0)
    stop = (z > 17.4) & (z < 17.8) & (x > 0.15) & (x < 3.4)
    return np.asarray(dashes | parking | boxes | stripes | stop).astype(np.float32)


def _paving(noise: Noise, x: Array, z: Array, fade: Array) -> tuple[Array, Array]:
    """Colour (`h x w x 3`) and thermal value of the slabs of the pavement."""
    row = np.floor(z / 0.6)
    seam = (np.mod(z, 0.6) < 0.025) | (np.mod(x + 0.2 * np.mod(row, 2), 0.4) < 0.02)
    slab = noise.grainy(np.floor((x + 0.2 * np.mod(row, 2)) / 0.4), row, 1.0)
    stain = noise.cloudy(x, z, 14.0)
    grey = 0.30 + 0.022 * slab * fade + 0.02 * stain + 0.02 * noise.grainy(x, z, 60.0) * fade
    grey = grey * (1.0 - 0.42 * seam * np.minimum(1.0, 1.6 * fade))
    thermal = 0.37 + 0.012 * stain + 0.004 * slab * fade - 0.012 * seam * fade
    return grey[..., None] * rgb(1.0, 0.97, 0.92), thermal


def paint_tree(frame: Frame, rng: np.random.Generator, x: float, z: float) -> None:
    """A street tree: trunk, boughs and a crown of leaf clusters."""
    height = float(rng.uniform(5.4, 7.0))
    bark = Surface((0.13, 0.10, 0.075), 0.43)
    fork = np.array([x + rng.normal(0, 0.08), height * 0.42, z])
    root = np.array([x, 0.0, z])
    rod(frame, root, fork, (0.19, 0.13), bark, rough=0.22)
    rod(frame, root - [0, 0.15, 0], root + [0, 0.35, 0], (0.30, 0.17), bark, rough=0.22)
    frame.ground.rest(root[[0, 2]] + np.array([(-0.4, -0.4), (0.4, -0.4), (0.4, 0.4), (-0.4, 0.4)]))
    count = int(rng.integers(13, 18))
    spread = rng.normal(0, 1, (count, 3))
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    middle = np.array([x, height * 0.72, z])
    clumps = middle + spread * [1.55, 1.35, 1.5] * rng.uniform(0.45, 1.05, (count, 1))
    for clump in clumps:
        rod(frame, fork, clump, (0.075, 0.025), bark, rough=0.2)
    per = int(np.clip(5200 / max(z, 4.0), 45, 420))
    offsets = rng.normal(0, 1, (count, per, 3))
    offsets /= np.linalg.norm(offsets, axis=2, keepdims=True)
    offsets *= rng.uniform(0.45, 1.0, (count, per, 1)) ** 0.5
    leaves = (clumps[:, None] + offsets * rng.uniform(0.55, 0.95, (count, 1, 1))).reshape(-1, 3)
    outward = (leaves - middle) / 2.0
    normals = 0.55 * offsets.reshape(-1, 3) + 0.6 * outward + rng.normal(0, 0.33, leaves.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[:, 2] = -np.abs(normals[:, 2])
    depth = np.clip(np.linalg.norm(outward, axis=1), 0.2, 1.1)
    tint = (0.30 + 0.70 * depth) * rng.uniform(0.62, 1.38, len(leaves))
    size = 1.75 / np.sqrt(per) * rng.uniform(0.4, 1.0, len(leaves))
    order = np.argsort(-leaves[:, 2] + 1.2 * (1 - depth))
    hue = float(rng.uniform(-0.02, 0.03))
    leaf = Surface((0.115 + hue, 0.175, 0.045), 0.415)
    frame.leaves(leaves[order], normals[order], np.stack([size, tint], axis=1)[order], leaf)
    frame.ground.cast_discs(leaves[::3], 1.5 * size[::3])


def paint_signs(frame: Frame, z: float, *, night: bool) -> None:
    """A direction board and a speed limit at the right kerb; by night they send headlight back."""
    steel = Surface((0.35, 0.36, 0.37), 0.31, gloss=0.2)
    x = KERB + 0.75
    rod(frame, np.array([x, 0, z]), np.array([x, 3.65, z]), (0.04, 0.04), steel)
    tile = lettering(["HARBOUR 4", "OLD TOWN 12", "Museum  P"])
    wide, tall = 1.75, 0.98
    echo = 0.45 if night else 0.0
    left, top = x - wide / 2, 3.7

    def board(px: Array, py: Array, _: Array) -> Surface:
        a, b = (px - left) / wide, (top - py) / tall
        ink = stamp(tile, a * 1.12 - 0.06, b * 1.1 - 0.05)
        rim = (np.minimum(a, 1 - a) * wide < 0.035) | (np.minimum(b, 1 - b) * tall < 0.035)
        white = np.maximum(ink, rim)[..., None]
        blue = rgb(0.015, 0.07, 0.30)
        face = blue + (0.85 - blue) * white
        return Surface(face, 0.325, emission=echo * face, gloss=0.02)

    def limit(px: Array, py: Array, _: Array) -> Surface:
        a, b = (px - x) / 0.33, (py - 2.33) / 0.33
        ring = np.hypot(a, b) > 0.74
        ink = stamp(_LIMIT, a * 0.42 + 0.5, 0.5 - b * 0.55)[..., None]
        face = np.where(ring[..., None], rgb(0.55, 0.02, 0.02), 0.85 * (1 - 0.97 * ink))
        return Surface(face, 0.325, emission=echo * face, gloss=0.02)

    plate = [(left, top - tall), (left + wide, top - tall), (left + wide, top), (left, top)]
    corners = np.array([(a, b, z - 0.06) for a, b in plate])
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    disc = np.stack([x + 0.33 * np.cos(turn), 2.33 + 0.33 * np.sin(turn), 0 * turn + z - 0.07], 1)
    for shape, face in ((corners, board), (disc, limit)):
        frame.polygon(shape, face)
        frame.ground.cast_polygon(shape)


def rod(
    frame: Frame,
    start: Array,
    stop: Array,
    radii: tuple[float, float],
    surface: Surface,
    *,
    rough: float = 0.0,
) -> None:
    """Paint a tapered rod, and let it cast its shadow."""
    frame.capsule((start, stop), radii, surface, rough=rough)
    frame.ground.cast_rod(start, stop, max(radii))


_LIMIT = lettering(["30"])
