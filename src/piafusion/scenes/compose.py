"""Set the parts of a street into a picture, each lit by the hour."""

from __future__ import annotations

import cv2
import numpy as np

from piafusion.scenes import library
from piafusion.scenes.canvas import FAR, Canvas
from piafusion.scenes.hour import Hour
from piafusion.scenes.houses import STREET_END, WALL
from piafusion.scenes.library import GLOW, Front
from piafusion.scenes.plan import HousePlace, StreetPlan, Thing
from piafusion.scenes.roadlight import RoadLight
from piafusion.scenes.street import KERB
from piafusion.scenes.texture import Array, rgb, smoothstep

WARMTH = 34.0
"""Degrees Celsius from thermal value 0 to 1 in the parts, whose air has the value `MILD`."""
MILD = 0.40
_LATTICE = 24  # rows and columns at which the light on a house front is computed
_LAMP_HEIGHT, _ARM = 6.6, 1.7


def paint_street(plan: StreetPlan, hour: Hour, height: int, width: int) -> Canvas:
    """Paint a street, far things first."""
    canvas = Canvas(plan, height, width)
    light = RoadLight(plan, hour)
    _paint_sky(canvas, plan, hour)
    _paint_ground(canvas, plan, hour, light)
    _paint_end(canvas, plan, hour)
    for house in sorted(plan.houses, key=lambda house: -house.near):
        _paint_house(canvas, plan, hour, light, house)
    upright: list[tuple[float, Thing | int]] = [(thing.z, thing) for thing in plan.things]
    upright += [(z, side) for side, z in plan.lamps]
    for z, what in sorted(upright, key=lambda item: -item[0]):
        if isinstance(what, Thing):
            _paint_thing(canvas, hour, light, what)
        else:
            _paint_lamp(canvas, hour, what, z)
    return canvas


def _paint_sky(canvas: Canvas, plan: StreetPlan, hour: Hour) -> None:
    """Gradient and clouds, down to a little below the horizon."""
    rows = min(canvas.height, int(canvas.centre[1]) + 3)
    dy = (canvas.centre[1] - np.arange(rows, dtype=np.float32) - 0.5) / np.float32(canvas.focal)
    height = smoothstep(-0.05, 0.75, dy)[:, None]
    index, shift, amount = plan.sky
    tile = library.clouds(index)
    across = canvas.width / canvas.focal
    texels = tile.shape[1] / 3.0
    left = round(shift * max(0.0, tile.shape[1] - across * texels - 1))
    top = max(0, round((0.75 - canvas.centre[1] / canvas.focal) * tile.shape[0] / 0.75))
    part = tile[top:, left : left + max(2, round(across * texels))]
    cover = cv2.resize(part, (canvas.width, rows), interpolation=cv2.INTER_LINEAR) * amount
    low = hour.air - 9.0
    planes = [low + (hour.sky - low) * height + 9.0 * cover]
    for horizon, zenith, cloud in zip(hour.horizon, hour.zenith, hour.cloud, strict=True):
        clear = horizon + (zenith - horizon) * height
        planes.insert(-1, clear + cover * (0.85 * (0.92 * cloud - clear)))
    canvas.pixels[:rows] = cv2.merge([np.asarray(plane, np.float32) for plane in planes])
    canvas.pixels[rows:] = 0
    canvas.depth[:rows] = np.minimum(FAR, 40.0 / np.maximum(dy, 0.05) + 60.0)[:, None]


def _paint_ground(canvas: Canvas, plan: StreetPlan, hour: Hour, light: RoadLight) -> None:
    eye = canvas.eye[1]
    for (near, far, half, _), texels in zip(
        library.GROUND_BANDS, library.ground(plan.ground), strict=True
    ):
        top = int(np.ceil(canvas.place(0, 0, far)[1]))
        bottom = min(canvas.height, int(np.ceil(canvas.place(0, 0, near)[1])))
        top = max(0, top)
        if top >= bottom:
            continue
        corners = [(-half, far), (half, far), (half, near), (-half, near)]
        size = (canvas.width, bottom - top)

        def seen(places: list[tuple[float, float]], top: int = top) -> Array:
            points = [canvas.place(x, 0.0, z) for x, z in places]
            return np.array([(u - 0.5, v - 0.5 - top) for u, v in points], np.float32)

        edges = _edges(texels.shape[1], texels.shape[0])
        to_image = cv2.getPerspectiveTransform(edges, seen(corners))
        ground = cv2.warpPerspective(
            texels, to_image, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        lit, warmth = light.on_ground(seen, size)
        rows = slice(top, bottom)
        block = canvas.pixels[rows]
        factors = cv2.merge([*lit, np.full_like(warmth, WARMTH)])
        cv2.multiply(ground, factors, block, scale=1 / 255, dtype=cv2.CV_32F)
        block[..., 3] += warmth + np.float32(hour.air - WARMTH * MILD)
        v = np.arange(top, bottom, dtype=np.float32) + 0.5 - np.float32(canvas.centre[1])
        canvas.depth[rows] = (canvas.focal * eye / np.maximum(v, 0.3))[:, None]
        canvas.labels[rows] = 0


def _edges(width: int, height: int) -> Array:
    """Outer corners of a texture, from the left top one on, its first texel's middle at 0, 0."""
    right, bottom = width - 0.5, height - 0.5
    return np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)], np.float32)


def _surface(
    hour: Hour, normal: tuple[float, float, float], albedo: Array, thermal: float
) -> Array:
    """Light and temperature, `4`, of a plain surface."""
    slope = max(0.0, float(np.dot(normal, hour.sun)))
    light = hour.skylight * (0.6 + 0.4 * normal[1]) + slope * hour.sunlight
    warm = hour.air + WARMTH * (thermal - MILD) + hour.stored + slope * hour.solar
    return np.append(np.asarray(albedo, np.float32) * light, np.float32(warm)).astype(np.float32)


def _paint_end(canvas: Canvas, plan: StreetPlan, hour: Hour) -> None:
    """Houses across the far end of the street."""
    z = STREET_END + 14.0
    left = -46.0
    for front in plan.end:
        outline = np.array(
            [
                canvas.place(x, y, z)
                for x, y in (
                    (left, front.height),
                    (left + front.length, front.height),
                    (left + front.length, 0.0),
                    (left, 0.0),
                )
            ]
        )
        block = canvas.block(outline)
        if block is not None:
            light = np.tile(_light_on_wall(hour, (0.0, 0.0, -1.0)), (2, 2, 1))
            _lay_front(canvas, hour, front, light, outline, z)
            ridge = [(left, front.height, z), (left + front.length, front.height, z)]
            ridge += [
                (left + front.length - 0.6, front.height + 3.2, z + 4),
                (left + 0.6, front.height + 3.2, z + 4),
            ]
            roof = _surface(hour, (0.0, 0.75, -0.66), rgb(0.20, 0.11, 0.09), 0.30)
            canvas.polygon(ridge, roof)
        left += front.length


def _light_on_wall(hour: Hour, normal: tuple[float, float, float]) -> Array:
    """Light and solar warmth, `4`, on an open upright surface."""
    slope = max(0.0, float(np.dot(normal, hour.sun)))
    light = 0.62 * hour.skylight + slope * hour.sunlight
    return np.append(light, np.float32(slope * hour.solar)).astype(np.float32)


def _paint_house(
    canvas: Canvas, plan: StreetPlan, hour: Hour, light: RoadLight, house: HousePlace
) -> None:
    """Gable and front of a house beside the street; the eaves hide its roof from below."""
    side, front, top = house.side, house.front, house.front.height
    room = canvas.centre[0] if side < 0 else canvas.width - canvas.centre[0]
    nearest = max(2.0, 0.97 * abs(side * WALL - canvas.eye[0]) * canvas.focal / max(room, 1.0))
    if house.far <= nearest + 0.5:
        return
    x, near, far = side * WALL, house.near, house.far
    if near > nearest * 0.6:
        shape = [(x, 0, near), (x, top, near), (x + side * 5, top + 3.4, near)]
        shape += [(x + side * 10, top, near), (x + side * 10, 0, near)]
        gable = _surface(hour, (0.0, 0.0, -1.0), 0.85 * np.asarray(front.colour), 0.38)
        canvas.polygon(shape, gable)
    start = max(near, nearest)
    places = ((start, top), (far, top), (far, 0.0), (start, 0.0))
    outline = np.array([canvas.place(x, y, z) for z, y in places])
    z = np.linspace(start, far, _LATTICE, dtype=np.float32)[None, :]
    y = np.linspace(top, 0, _LATTICE, dtype=np.float32)[:, None]
    lattice = light.on_wall(plan, side, y, z)
    mirrored = side != front.side
    part = (start - near) / front.length
    _lay_front(canvas, hour, front, lattice, outline, (start, far), part, mirrored=mirrored)


def _lay_front(
    canvas: Canvas,
    hour: Hour,
    front: Front,
    light: Array,
    outline: Array,
    depth: float | tuple[float, float],
    part: float = 0.0,
    *,
    mirrored: bool = False,
) -> None:
    """Light a front and warp it into the picture.

    `light` is RGB and solar warmth on a lattice over the seen part, `n x n x 4`; the outline is
    left top, right top, right bottom, left bottom, `4 x 2`, with the near end left; `part` is the
    unseen share of its length from the near end.
    """
    block = canvas.block(outline)
    if block is None:
        return
    full_size = (front.length * (1 - part), front.height)
    wanted = np.maximum(np.ptp(outline, axis=0), 1)
    across, down = (
        int(np.clip(np.log2(metres * library.FRONT_TEXELS / pixels) + 0.1, 0, 6))
        for metres, pixels in zip(full_size, wanted, strict=True)
    )
    paint, glow = library.front_texture(front.index, across, down, mirrored=mirrored)
    skip = min(paint.shape[1] - 1, int(part * paint.shape[1]))
    paint, glow = paint[:, skip:], glow[:, skip:]
    size = (paint.shape[1], paint.shape[0])
    factors, extra = light.copy(), np.zeros_like(light)
    factors[..., 3] = WARMTH
    extra[..., 3] = light[..., 3] + hour.air - WARMTH * MILD + hour.stored
    lit, more = (
        cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in (factors, extra)
    )
    layer: Array = cv2.multiply(paint, lit, scale=1 / 255, dtype=cv2.CV_32F)
    layer += more
    mixing = np.zeros((4, 4), np.float32)
    mixing[[0, 1, 2], [0, 1, 2]] = GLOW * hour.lamps / 255
    mixing[:3, 3] = (0.55 * hour.horizon + 0.25 * hour.zenith) / 255
    layer += cv2.transform(glow.astype(np.float32), mixing)
    rows, columns = block
    local = (outline - [columns.start + 0.5, rows.start + 0.5]).astype(np.float32)
    warp = cv2.getPerspectiveTransform(_edges(*size), local)
    shape = (columns.stop - columns.start, rows.stop - rows.start)
    seen = cv2.warpPerspective(
        layer, warp, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = canvas.mask(outline, block)
    if isinstance(depth, tuple):
        u = np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5 - canvas.centre[0]
        lateral = (outline[0, 0] - canvas.centre[0]) * depth[0]
        away = np.clip(lateral / np.where(np.abs(u) < 1, 1, u), min(depth), max(depth))
        canvas.blend(block, seen, mask, away.astype(np.float32)[None, :])
    else:
        canvas.blend(block, seen, mask, depth)


def _paint_lamp(canvas: Canvas, hour: Hour, side: int, z: float) -> None:
    """A street lamp with its arm over the road."""
    x = side * (KERB + 0.45)
    steel = _surface(hour, (0.0, 0.3, -0.9), rgb(0.10, 0.11, 0.11), 0.36)
    head = x - side * _ARM
    path = ((x, 0.0), (x, 6.4), (head, 6.75))
    canvas.rod(np.array([canvas.place(a, b, z) for a, b in path]), 0.06, steel, z)
    bulb = _surface(hour, (0.0, -1.0, 0.0), rgb(0.6, 0.6, 0.56), 0.42)
    bulb[:3] += hour.lamps * rgb(14.0, 9.6, 4.6)
    bulb[3] += 9.0 * hour.lamps
    ends = ((head - side * 0.3, _LAMP_HEIGHT + 0.1), (head + side * 0.25, _LAMP_HEIGHT))
    canvas.rod(np.array([canvas.place(a, b, z) for a, b in ends]), 0.11, bulb, z)


def _paint_thing(canvas: Canvas, hour: Hour, light: RoadLight, thing: Thing) -> None:
    """Scale a sprite to its distance, light it and lay it over the picture."""
    sprite = thing.sprite
    scale = canvas.focal / thing.z / sprite.scale
    level, shrink = sprite.levels[0], 1.0
    for finer in sprite.levels[1:]:
        if scale * shrink > 0.5:
            break
        level, shrink = finer, shrink * 2
    height, width = level.labels.shape
    size = (
        max(1, round(width * shrink * scale)),
        max(1, round(height * shrink * scale * thing.stretch)),
    )
    u, v = canvas.place(thing.x, 0.0, thing.z)
    left = round(u - sprite.foot[0] * scale)
    top = round(v - sprite.foot[1] * scale * thing.stretch)
    rows = slice(max(0, top), min(canvas.height, top + size[1]))
    columns = slice(max(0, left), min(canvas.width, left + size[0]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    paint = cv2.resize(level.paint, size, interpolation=cv2.INTER_LINEAR)[part]
    shape = cv2.resize(level.shape, size, interpolation=cv2.INTER_LINEAR)[part]
    labels = cv2.resize(level.labels, size, interpolation=cv2.INTER_NEAREST)[part]
    lit, solar = light.on_thing(thing, shape.astype(np.float32))
    warmth = WARMTH * ((33.0 - hour.air) / 24.0 if sprite.alive else 1.0)
    lit[..., 3] = warmth
    # The paint is times opacity already, so that it is added rather than blended.
    layer: Array = cv2.multiply(np.ascontiguousarray(paint), lit, scale=1 / 255, dtype=cv2.CV_32F)
    opacity = shape[..., 3] * np.float32(1 / 255)
    layer[..., 3] += opacity * np.float32(hour.air - warmth * MILD + solar)
    if level.mirror is not None:
        mirror = cv2.resize(level.mirror, size, interpolation=cv2.INTER_LINEAR)[part]
        sky = (0.6 * hour.horizon + 0.3 * hour.zenith) / 255
        layer[..., :3] += mirror[..., None] * sky.astype(np.float32)
    if level.glow is not None and hour.lamps > 0:
        glow = cv2.resize(level.glow, size, interpolation=cv2.INTER_LINEAR)[part]
        layer[..., :3] += glow * np.float32(hour.lamps)
    block = (rows, columns)
    under = canvas.pixels[block]
    under *= cv2.merge([1 - opacity] * 4)
    under += layer
    solid = opacity > 0.5
    np.copyto(canvas.depth[block], np.float32(thing.z), where=solid)
    np.copyto(canvas.labels[block], labels, where=solid)
