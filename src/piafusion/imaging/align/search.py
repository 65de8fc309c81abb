"""The coarse start: one small picture is looked for in the other, turned, at each scale.

The picture with the smaller view is turned, and correlated with the other one by Fourier
transforms of tiles; its middle has to lie on the other one. The directions and strengths of edges
are compared; they do not know which side of an edge is warm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.geometry import (
    Matrix,
    Points,
    corners,
    distances,
    inverted,
    normalised,
    resizing,
    transform,
)
from piafusion.imaging.align.structure import Picture, Size, shrunk, structure

# A view is the share of the visible picture's side that the infrared one spans. Cameras that look
# the same way, about upright, are looked for in larger pictures and smaller steps.
SCALES = np.geomspace(0.45, 1.4, 26)  # views
ROTATIONS = np.arange(-8.0, 8.1, 2.0)  # degrees
AREA = 80 * 60  # pixels of the picture that is looked for
ALL_SCALES = 1.15 ** np.arange(-13.0, 12)
ALL_ROTATIONS = np.arange(0.0, 360.0, 5.0)
ALL_AREA = 80 * 60
UPRIGHT_ROTATIONS = np.array([-5.0, 0.0, 5.0])
_KNOWN = np.geomspace(0.9, 1.11, 5)  # relative to a view that is known
_MARGIN = 0.05  # share of the sides of the picture that is looked for that is left out
_TILE = 3.5  # longest side of a tile; diagonals of the picture that is looked for
SMALL_VIEW = 0.44  # larger ones fit into small tiles, and are looked for in larger pictures
_NARROW_AREA = 0.7**2  # of the other views, relative
_FINER = 2  # edges are looked for in pictures that many times finer
_CALM = 0.1  # of `structure`: faint edges count, too
_AROUND = 6.0  # edges are relative to those so many pixels around
_PAIRS = 3  # in which all rotations are looked for
_APART = 0.06  # share of the smaller view's width: candidates closer than that are one
_SAME_ASPECT = 0.04  # logarithm

Floats = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Pairs = Sequence[tuple[Picture, Picture]]


def candidates(
    pairs: Pairs, count: int, *, stretch: bool, share: float | None = None
) -> list[Matrix]:
    """Return the likeliest maps from visible to infrared pixels, best first.

    The infrared picture spans 45 % to 140 % of the visible one's view, or any known share, and is
    rotated by up to 8 degrees against it. The last maps are those of cameras that look the same way
    with the same view.

    Args:
        pairs: Infrared and visible pictures of one rig; the correlations of all are added up.
        count: Number of maps to return.
        stretch: If the pictures have different shapes, also try one stretched onto the other.
        share: Width of the infrared picture's view, as a share of the visible one's, if known.
    """
    ir_size, vi_size = pairs[0][0].size, pairs[0][1].size
    view = _view(ir_size, vi_size, share)
    views = np.asarray(SCALES) if view is None else view * _KNOWN
    found: list[tuple[float, Matrix]] = []
    centred: list[Matrix] = []
    aspect = ir_size[0] * vi_size[1] / (ir_size[1] * vi_size[0])
    shapes = [False, True] if stretch and abs(np.log(aspect)) > _SAME_ASPECT else [False]
    for stretched in shapes:
        found += _found(pairs, views, ROTATIONS, AREA, stretched=stretched)
        same = _fitting(vi_size, ir_size, view or 1.0, stretched=stretched)
        shift = np.eye(3)
        shift[:2, 2] = (ir_size[1] - same[1]) / 2, (ir_size[0] - same[0]) / 2
        centred.append(shift @ resizing(vi_size, same))
    return _distinct(found, ir_size, vi_size, count) + centred


def anywhere(pairs: Pairs, count: int, share: float | None = None) -> Iterator[list[Matrix]]:
    """Yield the likeliest similarities at any rotation and most scales, best first.

    First those where one view is much smaller than the other and about upright, then those where
    neither is, then the rest, which takes longest.

    Args:
        pairs: Infrared and visible pictures of one rig; the correlations of three are added up.
        count: Number of maps to yield at most each time.
        share: Width of the infrared picture's view, as a share of the visible one's, if known.
    """
    some = pairs[:: -(-len(pairs) // _PAIRS)]
    ir_size, vi_size = some[0][0].size, some[0][1].size
    view = _view(ir_size, vi_size, share)
    views = np.asarray(ALL_SCALES) if view is None else view * _KNOWN
    narrow = np.minimum(views, 1 / views) < SMALL_VIEW
    small = round(ALL_AREA * _NARROW_AREA)
    for chosen, rotations, area, most in (
        (narrow & (view is None), UPRIGHT_ROTATIONS, small, count // 2),  # or a candidate
        (~narrow, ALL_ROTATIONS, ALL_AREA, count),
        (narrow, ALL_ROTATIONS, small, count),
    ):
        if chosen.any():
            found = _found(some, views[chosen], rotations, area)
            yield _distinct(found, ir_size, vi_size, most)


def _view(ir_size: Size, vi_size: Size, share: float | None) -> float | None:
    """Return the view along a mean side, if that across is known."""
    if share is None:
        return None
    return share * float(np.sqrt(ir_size[0] * vi_size[1] / (ir_size[1] * vi_size[0])))


def _fitting(size: Size, small: Size, view: float, *, stretched: bool = False) -> Size:
    """Return the size at which a picture shows things as large as another of that view does."""
    height, width = small if stretched else size
    factor = np.sqrt(small[0] * small[1] / (height * width)) / view
    return round(height * factor), round(width * factor)


def _found(
    pairs: Pairs,
    views: NDArray[np.float64],
    rotations: Sequence[float] | NDArray[np.float64],
    area: int,
    *,
    stretched: bool = False,
) -> list[tuple[float, Matrix]]:
    """Return the best place for each view and rotation: how alike, and the map to the infrared."""
    found = _smaller(pairs, views[views <= 1], rotations, area, stretched=stretched)
    swapped = [(vi, ir) for ir, vi in pairs]
    wide = _smaller(swapped, 1 / views[views > 1], rotations, area, stretched=stretched)
    return found + [(score, inverted(matrix)) for score, matrix in wide]


def _smaller(
    pairs: Pairs,
    views: NDArray[np.float64],
    rotations: Sequence[float] | NDArray[np.float64],
    area: int,
    *,
    stretched: bool,
) -> list[tuple[float, Matrix]]:
    """Do the same where the first pictures have the smaller view; the maps lead to them."""
    one, other = pairs[0][0].size, pairs[0][1].size
    factor = np.sqrt(area / (one[0] * one[1]))
    small = round(one[0] * factor), round(one[1] * factor)
    side = int(np.ceil(np.hypot(*small) * (1 - 2 * _MARGIN)))
    sizes = [_fitting(other, small, view, stretched=stretched) for view in views]
    sizes = [size for size in sizes if min(size) >= side // 3]
    if not sizes:
        return []
    tile = _tile(sizes, side)
    turns = [_turn(side, small, degrees) for degrees in rotations]
    templates = [_templates(_edges(first, small), turns, side, tile) for first, _ in pairs]
    found = []
    for size in sizes:
        edges = [_edges(second, size) for _, second in pairs]
        places = _places(edges, templates, side, tile, area)
        for matrix, (score, x, y) in zip(turns, places, strict=True):
            shift = np.array([[1, 0, side // 2 - x], [0, 1, side // 2 - y], [0, 0, 1.0]])
            whole = resizing(small, one) @ matrix @ shift @ resizing(other, size)
            found.append((score, normalised(whole)))
    return found


def _tile(sizes: Sequence[Size], side: int) -> Size:
    """Return a tile for pictures of some sizes in which a square is looked for."""
    rows, columns = (
        min(max(each) + side - 1, round(_TILE * side)) for each in zip(*sizes, strict=True)
    )
    return cv2.getOptimalDFTSize(rows), cv2.getOptimalDFTSize(columns)


def _turn(side: int, size: Size, degrees: float) -> Matrix:
    """Return the map from a square to a picture that is turned on it, centre on centre."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turned = np.array(
        [[cosine, -sine, (size[1] - 1) / 2], [sine, cosine, (size[0] - 1) / 2], [0, 0, 1]]
    )
    middle = (side - 1) / 2
    return np.asarray(turned @ [[1, 0, -middle], [0, 1, -middle], [0, 0, 1]])


def _edges(picture: Picture, size: Size) -> Floats:
    fine = shrunk(picture, (size[0] * _FINER, size[1] * _FINER))
    edges = structure(fine, _CALM)
    edges -= cv2.GaussianBlur(edges, (0, 0), _AROUND)
    return np.asarray(cv2.resize(edges, size[::-1], interpolation=cv2.INTER_AREA))


def _templates(edges: Floats, turns: Sequence[Matrix], side: int, tile: Size) -> list[Spectra]:
    """Return the spectra of the turned picture, each channel of mean 0, the whole of length 1."""
    rows, columns = (round(length * _MARGIN) for length in edges.shape[:2])
    inner = np.ones(edges.shape[:2], np.float32)
    inner[:rows] = inner[-rows:] = 0
    inner[:, :columns] = inner[:, -columns:] = 0
    planes = np.dstack([edges, inner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    spectra = []
    for matrix in turns:
        turned = cv2.warpPerspective(planes, matrix, (side, side), flags=flags)
        x, y, strength, inside = np.moveaxis(turned, 2, 0)
        # Doubled angles turn by the double.
        cosine = np.float32(matrix[0, 0] ** 2 - matrix[1, 0] ** 2)
        sine = np.float32(2 * matrix[0, 0] * matrix[1, 0])
        channels = np.stack([x * cosine + y * sine, y * cosine - x * sine, strength]) * inside
        channels -= inside * (channels.sum(axis=(1, 2), keepdims=True) / inside.sum())
        channels /= np.sqrt((channels**2).sum()) + np.float32(1e-6)
        spectra.append(np.conj(_spectra(channels, tile)))
    return spectra


def _spectra(planes: Floats, tile: Size) -> Spectra:
    """Return the spectrum of each of C x H x W planes."""
    # One by one: the memory of large arrays is asked of the system each time.
    spectra = [np.fft.rfft2(plane, tile) for plane in planes]
    return np.stack(spectra).astype(np.complex64, copy=False)


def _places(
    edges: Sequence[Floats],
    templates: Sequence[Sequence[Spectra]],
    side: int,
    tile: Size,
    area: int,
) -> list[tuple[float, int, int]]:
    """Return for each rotation the best correlation, and x and y of the middle there."""
    height, width = edges[0].shape[:2]
    before, down, right = side // 2, tile[0] - side + 1, tile[1] - side + 1
    around = ((0, 0), (before, tile[0]), (before, tile[1]))
    padded = [np.pad(np.moveaxis(each, 2, 0), around) for each in edges]
    weights = [_weight(each, area) for each in edges]
    best = [(-1.0, 0, 0)] * len(templates[0])
    product, again = (np.empty((tile[0], tile[1] // 2 + 1), np.complex64) for _ in range(2))
    for top in range(0, height, down):
        for left in range(0, width, right):
            window = slice(None), slice(top, top + tile[0]), slice(left, left + tile[1])
            wholes = [_spectra(each[window], tile) for each in padded]
            shares = [each[top : top + down, left : left + right] for each in weights]
            rows, columns = shares[0].shape
            for index, parts in enumerate(zip(*templates, strict=True)):
                score = np.zeros((rows, columns), np.float32)
                for whole, part, share in zip(wholes, parts, shares, strict=True):
                    np.multiply(whole[0], part[0], out=product)
                    for one, other in zip(whole[1:], part[1:], strict=True):
                        product += np.multiply(one, other, out=again)
                    lines = np.fft.ifft(product, axis=0)[:rows]
                    score += np.fft.irfft(lines, tile[1], axis=1)[:, :columns] * share
                row, column = divmod(int(score.argmax()), columns)
                likeness = float(score[row, column])
                if likeness > best[index][0]:
                    best[index] = likeness, left + column, top + row
    return best


def _weight(edges: Floats, area: int) -> Floats:
    """Return one over the contrast around each place, in a disc as large as the small picture."""
    radius = round((area / np.pi) ** 0.5 * (1 - _MARGIN))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2).astype(np.float32)

    def summed(planes: Floats) -> Floats:
        return np.asarray(cv2.filter2D(planes, -1, disc, borderType=cv2.BORDER_CONSTANT))

    energy = summed((edges**2).sum(axis=2)) - (summed(edges) ** 2).sum(axis=2) / disc.sum()
    return np.asarray(1 / np.sqrt(np.maximum(energy, max(float(np.median(energy)), 1e-6))))


def _distinct(
    found: list[tuple[float, Matrix]], ir_size: Size, vi_size: Size, count: int
) -> list[Matrix]:
    """Return the best maps, without those that send the smaller view to about the same place."""
    ends = corners(ir_size), corners(vi_size)
    chosen: list[tuple[Points, Points]] = []
    maps: list[Matrix] = []
    for _, matrix in sorted(found, key=lambda each: -each[0]):
        places = transform(inverted(matrix), ends[0]), transform(matrix, ends[1])
        widths = [distances(place[:1], place[1:2])[0] for place in places]
        if all(
            min(
                distances(place, other).max() / width
                for place, other, width in zip(places, one, widths, strict=True)
            )
            > _APART
            for one in chosen
        ):
            chosen.append(places)
            maps.append(matrix)
        if len(maps) == count:
            break
    return maps
