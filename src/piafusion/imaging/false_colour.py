"""From false colours back to one level for each pixel.

Each pixel gets the level whose colour is nearest. Compression halves the resolution of chroma, so
beside edges luma counts more, and a second look expects there what the levels around have made
of each colour. Scale bars and other overlays are filled.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image
from piafusion.imaging.palettes import NAMES, check_name, palette

_BITS = (6, 5, 5)  # of Y, Cr, Cb in the table that gives the first guess of a level
_NEAR = 6  # levels around that guess that are compared exactly
_FLAT, _EDGE = 0.4, 0.04  # weight of chroma against luma; edges have the chroma of both sides
_NOISE, _BLEED = 20.0, 0.5
_LOST = 1.0  # squared chroma that halving takes from a pixel, from which on it gets a second look
_HALVED = ((2, 2), (1, 2))  # rows and columns that share their chroma: 4:2:0 and 4:2:2
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [0.5, -0.418688, -0.081312], [-0.168736, -0.331264, 0.5]], np.float32
)
_TO_RGB = np.linalg.inv(_TO_YCC).astype(np.float32)
_FITS = 24.0  # distance from the palette that three quarters of the pixels may have
_STRANGE = 40.0  # distance from the palette of what is no part of the thermal picture
_END, _LETTER = 8, 0.01  # levels at the palette's ends; share of the pixels in one letter at most
_BORDER, _BAR = 0.18, 0.08  # share of the width where scale bars lie, and that they have at most
_STEEP = 15  # levels between a scale bar and what lies beside it
_STEP = 4  # rows over which a ramp is looked at
_LENGTH, _SPAN = 0.2, 0.6  # share of the height, and of the levels, that they have at least
_GREY = 3.0  # the same for grey: dim visible pictures have little colour
_SAMPLE = 4_000  # pixels that are enough to see whether a palette fits


def to_levels(image: Image, name: str = "auto") -> Image:
    """Turn a picture in a false-colour palette back into one level for each pixel.

    Logos, scale bars, text and markers are taken out: they get the levels around them.

    Args:
        image: H x W x 3 RGB uint8.
        name: One of `NAMES`, or "auto" for the one that fits best; black-hot is never found,
            as its colours are those of white-hot.

    Returns:
        H x W: 0 for the coldest colour, 255 for the hottest.

    Raises:
        ImageError: If no palette fits, or the one that was named does not.
        UsageError: If there is none of that name.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"expected a colour picture of 8 bits for --palette, found {image.dtype} "
            f"{image.shape}; leave out --palette"
        )
    pixels = _planes(image)
    return _levels(image, pixels, _choose(pixels, name))


class FrameLevels:
    """The same for the frames of a video: a palette that was found is kept while it fits.

    >>> FrameLevels("auto")(np.zeros((8, 8, 3), np.uint8)).max()
    np.uint8(0)
    """

    def __init__(self, name: str) -> None:
        """Check the name, as `to_levels` takes it."""
        self._name = self._likely = check_name(name)

    def __call__(self, image: Image) -> Image:
        """Return the levels of a frame; arguments and errors are those of `to_levels`."""
        pixels = _planes(image)
        try:
            self._likely = _choose(pixels, self._likely)
        except ImageError:
            self._likely = _choose(pixels, self._name)
        return _levels(image, pixels, self._likely)


def _levels(image: Image, pixels: Image, name: str) -> Image:
    """Return the levels of a picture in RGB, whose Y, Cr and Cb are `pixels`."""
    levels, apart = _nearest(pixels, name)
    return _clean(_unmixed(image, pixels, levels, name), apart)


def _planes(image: Image) -> Image:
    """Return Y, Cr and Cb of a picture in RGB, H x W x 3 uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YCrCb))


def _choose(pixels: Image, name: str) -> str:
    """Return the palette that fits, `name` if it is one; pixels are Y, Cr, Cb."""
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / _SAMPLE) ** 0.5))
    some = pixels[::step, ::step].reshape(-1, 3).astype(np.float32)
    tried = [each for each in NAMES if each != "black-hot"] if name == "auto" else [name]
    found = {}
    for each in tried:
        apart = _products(some, _curve(each))
        found[each] = float(np.percentile(np.sqrt(np.maximum(apart.min(axis=1), 0)), 75))
    best = min(found, key=lambda each: found[each])
    if found[best] > (_GREY if best in ("white-hot", "black-hot") else _FITS):
        wanted = "a known palette" if name == "auto" else f"the palette {name}"
        raise ImageError(
            f"expected a picture in {wanted}, found colours that are {found[best]:.0f} levels "
            f"from {'the nearest one, ' + best if name == 'auto' else 'it'}; known are "
            f"{', '.join(NAMES)}"
        )
    return best


@lru_cache(maxsize=len(NAMES))
def _curve(name: str) -> Image:
    """Return Y, Cr and Cb of the 256 colours, 256 x 3."""
    return np.asarray(_planes(palette(name)[None])[0], np.float32)


def _products(pixels: Image, curve: Image) -> Image:
    """Return the squared distances of N pixels to M colours, N x M."""
    squares = (pixels**2).sum(1)[:, None] + (curve**2).sum(1)
    return np.asarray(squares - 2 * pixels @ curve.T)


@lru_cache(maxsize=2 * len(NAMES))
def _guesses(name: str, weight: float) -> Image:
    """Return the nearest level for each colour of a coarse grid over Y, Cr and Cb."""
    sides = [1 << bits for bits in _BITS]
    centres = [(np.arange(side, dtype=np.float32) + 0.5) * (256 / side) - 0.5 for side in sides]
    grid = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, 3)
    scale = np.array([1, weight**0.5, weight**0.5], np.float32)
    parts = [
        _products(part * scale, _curve(name) * scale).argmin(axis=1).astype(np.uint8)
        for part in np.array_split(grid, 16)
    ]
    return np.concatenate(parts).reshape(sides)


def _nearest(pixels: Image, name: str) -> tuple[Image, Image]:
    """Return the level of each pixel, and its distance from the palette."""
    planes = [np.asarray(plane, np.float32) for plane in cv2.split(pixels)]
    spread = np.zeros(planes[0].shape, np.float32)
    for plane in planes[1:]:
        spread += cv2.blur(plane * plane, (5, 5)) - cv2.blur(plane, (5, 5)) ** 2
    weight = 1 / (_NOISE + _BLEED * np.maximum(spread, 0))
    places = tuple(pixels[..., at] >> (8 - bits) for at, bits in enumerate(_BITS))
    flat, edge = (_guesses(name, chroma)[places].astype(np.int16) for chroma in (_FLAT, _EDGE))
    levels, cost = _compared(planes, weight, flat, name)
    other = np.abs(flat - edge) > _NEAR  # for few pixels
    found, less = _compared([plane[other] for plane in planes], weight[other], edge[other], name)
    levels[other] = np.where(less < cost[other], found, levels[other])
    curve = _curve(name)
    apart = sum((plane - curve[levels, at]) ** 2 for at, plane in enumerate(planes))
    return levels.astype(np.uint8), np.sqrt(apart)


def _compared(planes: list[Image], weight: Image, guess: Image, name: str) -> tuple[Image, Image]:
    """Return the best of the levels around a guess for each pixel, and its cost."""
    columns = [np.ascontiguousarray(column) for column in _curve(name).T]
    levels, best = guess.copy(), np.full(guess.shape, np.inf, np.float32)
    for step in range(-_NEAR, _NEAR + 1):
        tried = np.clip(guess + np.int16(step), 0, 255)
        luma, red, blue = (
            plane - column.take(tried) for plane, column in zip(planes, columns, strict=True)
        )
        cost = luma * luma + weight * (red * red + blue * blue)
        better = cost < best
        np.copyto(levels, tried, where=better)
        np.copyto(best, cost, where=better)
    return levels, best


def _unmixed(image: Image, pixels: Image, levels: Image, name: str) -> Image:
    """Return better levels of pixels whose chroma was mixed with that of their neighbours.

    The chroma that a pixel has lost by mixing is estimated from the levels. A level near the
    one that was found is taken if its colour, less that and cut off where RGB ends, is nearer.
    """
    curve = _curve(name)
    shown = np.ascontiguousarray(curve[levels, 1:])
    losses = [np.zeros_like(shown), *(shown - _mixed(shown, *each) for each in _HALVED)]
    mixed = (losses[1] ** 2).sum(axis=2) > _LOST
    if not mixed.any():
        return levels
    off = pixels[mixed][:, 1:] - shown[mixed]
    model = int(np.argmin([((off + lost[mixed]) ** 2).sum() for lost in losses]))
    if not model:  # chroma of full resolution, as in a PNG file
        return levels
    lost = losses[model][mixed]
    weight = 1 / (_NOISE + _EDGE * (lost**2).sum(axis=1))
    colours = image[mixed].astype(np.float32)
    unmixed = np.clip(pixels[mixed][:, 1:] + lost, 0, 255).astype(np.uint8)
    places = [pixels[mixed][:, 0], *unmixed.T]
    index = tuple(plane >> (8 - bits) for plane, bits in zip(places, _BITS, strict=True))
    found = levels[mixed].astype(np.int16)
    best, cost = _expected(colours, lost, weight, found, name)
    for chroma in (_FLAT, _EDGE):  # for few pixels
        guess = _guesses(name, chroma)[index].astype(np.int16)
        far = np.abs(guess - found) > _NEAR
        other, less = _expected(colours[far], lost[far], weight[far], guess[far], name)
        best[far], cost[far] = np.where(less < cost[far], (other, less), (best[far], cost[far]))
    better = levels.copy()
    better[mixed] = best
    return better


def _mixed(chroma: Image, rows: int, columns: int) -> Image:
    """Return Cr and Cb after compression that keeps one value for so many pixels."""
    height, width = chroma.shape[:2]
    small = (-(-width // columns), -(-height // rows))
    reduced = cv2.resize(chroma, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR))


def _expected(
    colours: Image, lost: Image, weight: Image, guess: Image, name: str
) -> tuple[Image, Image]:
    """Return the best of the levels around a guess for each of N colours in RGB, and its cost."""
    curve = _curve(name) - np.array([0, 128, 128], np.float32)
    levels, best = guess.copy(), np.full(len(guess), np.inf, np.float32)
    taken = np.concatenate([np.zeros_like(weight)[:, None], lost], axis=1) @ _TO_RGB.T
    table = curve @ _TO_RGB.T
    for step in range(-_NEAR, _NEAR + 1):
        tried = np.clip(guess + np.int16(step), 0, 255)
        off = (colours - np.clip(table[tried] - taken, 0, 255)) @ _TO_YCC.T
        cost = off[:, 0] ** 2 + weight * (off[:, 1] ** 2 + off[:, 2] ** 2)
        better = cost < best
        np.copyto(levels, tried, where=better)
        np.copyto(best, cost, where=better)
    return levels, best


def _clean(levels: Image, apart: Image) -> Image:
    """Give what lies over the picture the levels around it."""
    mask: Image = _overlays(levels, apart) | _scale_bars(levels) | _scale_bars(levels.T).T
    if not mask.any():
        return levels
    return np.asarray(cv2.inpaint(levels, mask, 3, cv2.INPAINT_TELEA), np.uint8)


def _overlays(levels: Image, apart: Image) -> Image:
    """Return 1 where text, logos and markers lie: colours of no level, and what they enclose."""
    square = np.ones((5, 5), np.uint8)
    strange: Image = (apart > _STRANGE).astype(np.uint8)
    # Where compression mixes the colours of an edge, the line is one pixel wide; so are letters,
    # but these are white or black, and lie near the border.
    thick: Image = cv2.morphologyEx(strange, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    extreme = ((levels <= _END) | (levels >= 255 - _END)).astype(np.uint8)
    strange &= cv2.dilate(extreme, np.ones((7, 7), np.uint8))
    rows, columns = (int(_BORDER * side) for side in levels.shape)
    strange[rows:-rows, columns:-columns] = 0
    strange |= thick
    strange = cv2.morphologyEx(strange, cv2.MORPH_CLOSE, square)
    if not strange.any():
        return np.asarray(strange, np.uint8)
    around = cv2.dilate(strange, square)
    # White letters and black outlines have colours of the palette's ends.
    for ends in (levels <= _END, levels >= 255 - _END):
        count, parts, found, _ = cv2.connectedComponentsWithStats(ends.astype(np.uint8))
        touched = np.bincount(parts.ravel(), around.ravel(), count) / found[:, cv2.CC_STAT_AREA]
        small = found[:, cv2.CC_STAT_AREA] < _LETTER * levels.size
        strange = strange | ((small & (touched > 0.35))[parts] & ends)
    return np.asarray(cv2.dilate(strange.astype(np.uint8), np.ones((7, 7), np.uint8)))


def _scale_bars(levels: Image) -> Image:
    """Return 1 where an upright scale bar lies near a border: a narrow ramp over most levels."""
    width = levels.shape[1]
    edge = int(_BORDER * width)
    mask = np.zeros(levels.shape, np.uint8)
    smooth = cv2.blur(levels, (1, 5)).astype(np.int16)
    rises = smooth[_STEP:] - smooth[:-_STEP]
    rises = np.sign(rises) * (np.abs(rises) > 1)
    span = _SPAN * float(np.ptp(levels))
    for left, right in ((0, edge), (width - edge, width)):
        runs = [_longest_ramp(rises[:, x], smooth[:, x], span) for x in range(left, right)]
        x = 0
        while x < len(runs):
            first = x
            while x < len(runs) and runs[x] and runs[first]:
                x += 1
            if first < x <= first + _BAR * width and x - first >= 3:
                tops, bottoms = zip(*[run for run in runs[first:x] if run], strict=True)
                rows = slice(max(0, min(tops) - 3), max(bottoms) + 4)
                inner, outer = (left + first + 1, left + x - 2), (left + first - 4, left + x + 3)
                steps = [
                    np.abs(smooth[rows, inside] - smooth[rows, outside]).mean()
                    for inside, outside in zip(inner, outer, strict=True)
                    if 0 <= outside < width
                ]
                if min(steps) >= _STEEP:  # a bar has sides, a smooth scene has not
                    mask[rows, max(0, outer[0] + 1) : outer[1]] = 1
            x = max(x, first + 1)
    return mask


def _longest_ramp(rises: Image, values: Image, span: float) -> tuple[int, int] | None:
    """Return the first and the last row of the part that never turns, if it spans enough."""
    best: tuple[int, int] | None = None
    for sign in (-1, 1):
        turns = np.concatenate(([-1], np.flatnonzero(rises == sign), [len(rises)]))
        longest = int(np.diff(turns).argmax())
        top, bottom = int(turns[longest]) + 1, int(turns[longest + 1]) + _STEP - 1
        rows = bottom - top
        if rows < _LENGTH * len(values):
            continue
        quarters = np.abs(np.diff(values[np.linspace(top, bottom, 5).astype(int)]))
        if quarters.sum() >= span and quarters.min() >= span / 10:
            best = (top, bottom)
    return best
