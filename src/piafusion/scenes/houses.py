"""Houses: fronts with windows, doors and shops, gables and roofs, on both sides and at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piafusion.scenes.render import Surface
from piafusion.scenes.texture import Array, Noise, rgb, smoothstep, stamp

WALL = 9.2
"""Distance in metres from the middle of the road to the houses."""
STREET_END = 105.0
STOREY = 3.2

PLASTER = ((0.62, 0.53, 0.40), (0.66, 0.62, 0.55), (0.58, 0.38, 0.28), (0.50, 0.54, 0.50))
BRICK = ((0.42, 0.19, 0.13), (0.48, 0.27, 0.18), (0.36, 0.22, 0.18))
SHOPS = ("BAKERY", "BOOKS & TEA", "CAFE LUNA", "PHARMACY", "CYCLES", "FLOWERS", "OPTICS")


@dataclass(frozen=True)
class House:
    """One house front at the plane x = `side * WALL`, from z = `near` to `far`."""

    side: int
    near: float
    far: float
    height: float
    brick: bool
    colour: tuple[float, float, float]
    shop: str
    bays: int
    lit: Array
    """Light behind each window, floors x bays; 0 is dark."""


def plan_houses(rng: np.random.Generator, *, night: bool) -> list[House]:
    """Draw the houses of both sides; the layout is the same by day and by night."""
    houses: list[House] = []
    for side in (-1, 1):
        near = -6.0
        while near < STREET_END - 8.0:
            length = float(rng.uniform(10.0, 17.0))
            brick = bool(rng.random() < 0.45)
            palette = BRICK if brick else PLASTER
            tint = rng.uniform(0.85, 1.1)
            colour = tuple(float(c * tint) for c in palette[int(rng.integers(len(palette)))])
            storeys = int(rng.integers(3, 5))
            lamps = np.where(rng.random((6, 16)) < 0.3, rng.uniform(0.35, 1.2, (6, 16)), 0.0)
            open_late = (side > 0 or near > 36.0) and rng.random() < 0.75
            houses.append(
                House(
                    side=side,
                    near=near,
                    far=near + length,
                    height=storeys * STOREY + 0.9,
                    brick=brick,
                    colour=(colour[0], colour[1], colour[2]),
                    shop=str(rng.choice(SHOPS)) if open_late else "",
                    bays=max(3, round(length / 2.7)),
                    lit=lamps * night,
                )
            )
            near += length + float(rng.choice([0.0, 0.0, 3.5, 5.0]))
    return houses


def bare_wall(noise: Noise, house: House, along: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """Colour and thermal value of bare wall."""
    fade = 1.0 / (1.0 + (z / 18.0) ** 2)
    streaks = noise.cloudy(along, y * 0.15 + house.near, 22.0)
    tone = 1.0 + 0.05 * streaks + 0.05 * noise.cloudy(along + house.near, y, 9.0)
    if house.brick:
        row = np.floor(y / 0.085)
        shifted = along + 0.12 * np.mod(row, 2)
        mortar = (np.mod(y, 0.085) < 0.014) | (np.mod(shifted, 0.24) < 0.014)
        brick = noise.grainy(np.floor(shifted / 0.24), row, 1.0)
        tone = tone * (1.0 + 0.13 * brick * np.sqrt(fade)) + 0.45 * mortar * fade
    else:
        tone = tone + 0.035 * noise.grainy(along, y, 30.0) * fade
    tone = tone * (0.78 + 0.22 * smoothstep(0.0, 1.6, y))
    thermal = 0.37 + 0.012 * streaks + 0.010 * noise.cloudy(along, y, 5.0)
    thermal = thermal + 0.03 * (np.mod(y - 0.15, STOREY) < 0.22)
    return tone[..., None] * np.asarray(house.colour, np.float32), thermal


def front_surface(
    noise: Noise, house: House, along: Array, y: Array, z: Array, sign: Array | None
) -> Surface:
    """A house front with rows of windows and, below them, doors or a shop."""
    albedo, thermal = bare_wall(noise, house, along, y, z)
    length = house.far - house.near
    bay = length / house.bays
    column = np.clip(np.floor(along / bay), 0, house.bays - 1).astype(int)
    floor = np.clip(np.floor(y / STOREY), 0, 5).astype(int)
    across = along - (column + 0.5) * bay
    up = y - floor * STOREY
    trim = rgb(0.66, 0.64, 0.60)
    upper = (floor > 0) & (y < house.height - 0.9)

    surround = upper & (np.abs(across) < 0.76) & (up > 0.78) & (up < 2.62)
    cornice = (y > house.height - 0.55) | (np.abs(y - STOREY - 0.12) < 0.12)
    dentil = (np.mod(along, 0.5) < 0.25) & (y > house.height - 0.75) & (y < house.height - 0.5)
    line = surround | cornice | dentil
    shade = np.where(up < 0.9, 1.08, 1.0) * np.where(dentil, 0.8, 1.0)
    albedo = np.where(line[..., None], trim * shade[..., None], albedo)
    albedo = albedo * np.where((y > house.height - 0.85) & ~line, 0.72, 1.0)[..., None]

    pane = upper & (np.abs(across) < 0.6) & (up > 0.95) & (up < 2.5)
    lamp = house.lit[floor, np.minimum(column, 15)]
    half_width, low, high = 0.6, 0.95, 2.5
    if house.shop:
        shop = (floor == 0) & (np.abs(across) < bay / 2 - 0.16) & (y > 0.55) & (y < 2.45)
    else:
        shop = (floor == 0) & (np.abs(across) < 0.55) & (y > 0.95) & (y < 2.4)
        door = (floor == 0) & (column == house.bays // 2) & (np.abs(across) < 0.62) & (y < 2.5)
        shop &= ~door
        panel = (np.abs(np.abs(across) - 0.28) < 0.18) & (np.mod(y, 1.1) > 0.25)
        wood = np.where(panel, 0.8, 1.0)[..., None] * rgb(0.10, 0.17, 0.15)
        albedo = np.where(door[..., None], wood, albedo)
        thermal = np.where(door, 0.42, thermal)
    glass = pane | shop
    bars = pane & ((np.abs(across) < 0.04) | (np.abs(up - 1.95) < 0.035))
    rim = pane & ((np.abs(across) > half_width - 0.07) | (up < low + 0.07) | (up > high - 0.06))
    rim |= bars | (shop & (np.mod(across + 0.03, 1.15) < 0.06))
    open_glass = glass & ~rim
    curtain = pane & (np.abs(across) > 0.36 + 0.05 * np.sin(up * 4.0 + column))
    folds = 0.75 + 0.25 * np.sin(across * 55.0)
    recess = 0.35 + 0.65 * smoothstep(0.0, 0.22, high - up)
    inside = np.where(curtain, 0.34 * folds, 0.035) * recess
    albedo = np.where(open_glass[..., None], inside[..., None], albedo)
    albedo = np.where((glass & rim)[..., None], np.float32(0.55), albedo)
    cold = 0.245 + 0.03 * noise.cloudy(along, y, 2.0) + 0.05 * (lamp > 0)
    thermal = np.where(open_glass, cold, np.where(rim, 0.41, thermal))
    thermal = thermal + 0.05 * (upper & ~glass & (np.abs(across) < 0.5) & (up > 0.35) & (up < 0.9))

    cool = (np.mod(column * 7 + floor * 3, 5) == 0)[..., None]
    warm = np.where(cool, rgb(0.72, 0.80, 0.85), rgb(1.0, 0.66, 0.30))
    warm = warm * (0.55 + 0.45 * smoothstep(0.8, 2.4, up))[..., None]
    glow = np.where(curtain, 0.62 * folds, 1.0) * lamp * open_glass * (floor > 0)
    emission = 0.75 * glow[..., None] * warm
    if house.shop and sign is not None:
        albedo, emission = _shop(noise, house, along, y, (albedo, emission), shop & ~rim, sign)
    return Surface(albedo, thermal, emission, gloss=0.55 * open_glass * (1.0 - 0.6 * curtain))


def _shop(
    noise: Noise,
    house: House,
    along: Array,
    y: Array,
    paint: tuple[Array, Array],
    window: Array,
    sign: Array,
) -> tuple[Array, Array]:
    """Add the goods behind a shop window and the board with its name."""
    albedo, emission = paint
    length = house.far - house.near
    board = (y > 2.55) & (y < 3.05) & (along > 0.3) & (along < length - 0.3)
    tall = 0.4
    wide = tall * sign.shape[1] / sign.shape[0]
    ink = stamp(sign, (along - length / 2) / wide + 0.5, (3.0 - y) / tall)
    paints = np.array([(0.05, 0.14, 0.09), (0.20, 0.04, 0.05), (0.04, 0.07, 0.19)])
    ground = paints[house.bays % 3]
    face = ground + (rgb(0.80, 0.74, 0.55) - ground) * ink[..., None]
    albedo = np.where(board[..., None], face, albedo)
    shelf = np.floor(y / 0.42)
    pitch = 0.13 + 0.03 * np.mod(shelf * 3 + house.bays, 4)
    goods = noise.grainy(np.floor(along / pitch), shelf * 7 + house.bays, 1.0)
    items = (np.mod(y, 0.42) < 0.24 + 0.06 * goods) & (y < 1.9) & (goods > -0.9)
    items &= np.mod(along, pitch) > 0.02
    hue = rgb(0.0, 0.6, 1.2) + np.float32(0.9 * house.bays)
    tint = 0.45 + 0.30 * np.sin(1.3 * goods[..., None] + hue) + 0.08 * goods[..., None]
    tint = np.maximum(tint, 0.05)
    wares = np.where(items[..., None], 0.05 + 0.30 * tint, 0.05)
    albedo = np.where(window[..., None], wares, albedo)
    if house.lit.any():
        light = rgb(1.0, 0.80, 0.52) * (0.16 + 0.34 * smoothstep(0.4, 2.4, y))[..., None]
        inside = light * np.where(items[..., None], 0.15 + 0.9 * tint, 0.62)
        emission = np.where(window[..., None], inside, emission)
        emission = np.where(board[..., None], 0.35 * ink[..., None] * light, emission)
    return albedo, emission
