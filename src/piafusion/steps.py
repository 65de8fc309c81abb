"""The fuser's steps 3 to 7, one by one: split, place, judge, run the network, calm, join."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from piafusion.engines import Engine
from piafusion.imaging.align import Alignment
from piafusion.imaging.arrays import Image, to_unit
from piafusion.imaging.buffers import BufferPool, Buffers
from piafusion.imaging.calm import Calm, Carried
from piafusion.imaging.colour import join_luminance, split_luminance
from piafusion.imaging.natural import Judgement, blend, half_weights, reduce
from piafusion.imaging.strips import Strips
from piafusion.imaging.tiling import Floats, Tile, gather_share
from piafusion.run.pool import Turn

MIN_SIDE = 8  # pixels; the networks look at least that far
SEEN = 32  # pixels around an aligned infrared picture; no network looks farther


@dataclass(frozen=True)
class Whole:
    """Measures of a whole picture, for the fusion of its parts."""

    share: Floats | None = None
    judgement: Judgement | None = None
    coverage: Floats | None = None


@dataclass(frozen=True)
class Frame:
    """The place of a picture in a video: what carries on, and the turn of this frame."""

    calm: Calm
    turn: Turn[Carried]


@dataclass(frozen=True)
class Planes:
    """A pair as the network wants it: infrared and luminance in [0, 1], and the colours aside."""

    thermal: Floats
    y: Floats
    channels: Image


def split(ir: Image, vi: Image, buffers: Buffers, strips: Strips, *, same_size: bool) -> Planes:
    """Split the visible picture into luminance and channels, and bring the infrared to [0, 1]."""
    shape = (vi.shape[0], vi.shape[1])
    floats, counts = vi.dtype.kind == "f", ir.dtype.kind != "f"
    y = buffers("y", shape, np.float32)
    size = (1 if vi.ndim == 2 else 3, *shape)
    channels = buffers("channels", size, np.float32 if floats else vi.dtype)
    levels = buffers("thermal", ir.shape, np.float32) if counts else to_unit(ir)

    def split_rows(rows: slice) -> None:
        split_luminance(vi[rows], list(channels[:, rows]), y[rows])
        if counts and same_size:
            to_unit(ir[rows], out=levels[rows])

    strips(split_rows, shape)
    if counts and not same_size:
        to_unit(ir, out=levels)
    return Planes(levels, y, channels)


def onto(infrared: Floats, y: Floats, alignment: Alignment | None, margin: int = 0) -> Floats:
    """Bring an infrared picture in [0, 1] onto the visible one; y takes the place of no value.

    Args:
        infrared: H x W; masked where it has no value.
        y: Luminance of the visible picture, of its own H x W.
        alignment: None if both have one size and are aligned.
        margin: See `Alignment.warp_onto`.

    Returns:
        The size of `y`.
    """
    if alignment:
        return alignment.warp_onto(infrared, y, margin)
    if not isinstance(infrared, np.ma.MaskedArray):
        return infrared
    return np.where(np.ma.getmaskarray(infrared), y, np.ma.getdata(infrared))


def run_network(
    engine: Engine, thermal: Floats, y: Floats, share: Floats | None, tiles: Sequence[Tile]
) -> Floats:
    """Return the fused luminance; with several tiles, the network sees one after the other."""

    def planes(tile: Tile) -> tuple[Floats, Floats]:
        ir, vi = (np.ascontiguousarray(each[tile.crop]) for each in (thermal, y))
        return ir[None, None], vi[None, None]

    if len(tiles) < 2:
        fused: Floats = engine.fuse(thermal[None, None], y[None, None], share)[0, 0]
        return fused
    share = gather_share(tiles, lambda tile: engine.encode(*planes(tile)))
    fused = np.empty_like(y)
    for tile in tiles:
        fused[tile.area] = engine.fuse(*planes(tile), share)[0, 0][tile.pixels]
    return fused


def calm(
    frame: Frame,
    judgement: Judgement,
    strength: float,
    planes: tuple[Floats, Floats],
    fused_y: Floats,
) -> Floats:
    """Return the fused luminance of a frame as the frames before it ask for, and carry it on."""
    thermal, y = planes
    heat = reduce(thermal, 2)
    weights = half_weights(judgement.enlarged(*y.shape), heat.copy(), strength)
    fused_y, carried = frame.calm(frame.turn.take(), judgement, weights, heat, y, fused_y)
    frame.turn.give(carried)
    return fused_y


def join(
    planes: Planes,
    fused_y: Floats,
    weights: Callable[[slice], Iterable[Floats]],
    vi: Image,
    pool: BufferPool,
    strips: Strips,
) -> Image:
    """Return the picture like `vi` whose luminance is `fused_y`, as far as all weights let it."""
    fused = np.empty(vi.shape, vi.dtype)

    def join_rows(rows: slice) -> None:
        new, old = fused_y[rows], planes.y[rows]
        for share in weights(rows):
            blend(new, old, share)
        with pool.lend() as small:
            join_luminance(list(planes.channels[:, rows]), old, new, small, fused[rows])

    strips(join_rows, (vi.shape[0], vi.shape[1]), 2)
    return fused
