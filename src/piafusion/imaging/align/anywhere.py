"""The coarse start for any rotation and view: one small picture is looked for in the other.

The picture with the smaller view is turned, and correlated with the other one at each scale, by
Fourier transforms of tiles. The directions and strengths of edges are compared; they do not know
which side of an edge is warm.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.geometry import Matrix, inverted, normalised, resizing
from piafusion.imaging.align.search import KNOWN, distinct, scaled, turn
from piafusion.imaging.align.structure import Picture, Size, shrunk, structure

VIEWS = 1.15 ** np.arange(-13.5, 12)  # share of the visible side that the infrared spans
TURNS = np.arange(0.0, 360.0, 6.0)  # degrees
_AREA = 64 * 48  # pixels of the picture that is looked for
_MARGIN = 0.05  # share of its sides that is left out
_TILE = 256  # pixels of a side
_FINER = 2  # edges are looked for in pictures that many times finer
_PAIRS = 3

Floats = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def anywhere(
    pairs: Sequence[tuple[Picture, Picture]], count: int, share: float | None = None
) -> list[Matrix]:
    """Return the likeliest similarities at any rotation and most scales, best first.

    Args:
        pairs: Infrared and visible pictures of one rig; the correlations of three are added up.
        count: Number of maps to return.
        share: Width of the infrared picture's view, as a share of the visible one's, if known.
    """
    some = pairs[:: -(-len(pairs) // _PAIRS)]
    ir_size, vi_size = some[0][0].size, some[0][1].size
    views = VIEWS
    if share is not None:
        stretch = ir_size[0] * vi_size[1] / (ir_size[1] * vi_size[0])
        views = share * stretch**0.5 * KNOWN
    found = _found(some, views[views <= 1])
    inverse = _found([(vi, ir) for ir, vi in some], 1 / views[views > 1])
    found += [(score, inverted(matrix)) for score, matrix in inverse]
    return distinct(found, ir_size, vi_size, count)


def _found(
    pairs: Sequence[tuple[Picture, Picture]], views: NDArray[np.float64]
) -> list[tuple[float, Matrix]]:
    """Return the best place for each view and rotation: how alike, and the map to the first."""
    if not len(views):
        return []
    one, other = pairs[0][0].size, pairs[0][1].size
    small = scaled(one, (_AREA / (one[0] * one[1])) ** 0.5)
    side = int(np.ceil(np.hypot(*small) * (1 - 2 * _MARGIN)))
    turns = [turn((side, side), small, degrees) for degrees in TURNS]
    templates = [_templates(_edges(first, small), turns, side) for first, _ in pairs]
    found = []
    for view in views:
        size = scaled(other, np.sqrt(small[0] * small[1] / (other[0] * other[1])) / view)
        if min(size) < side // 3:
            continue
        edges = [_edges(second, size) for _, second in pairs]
        for matrix, (score, x, y) in zip(turns, _places(edges, templates, side), strict=True):
            shift = np.array([[1, 0, side // 2 - x], [0, 1, side // 2 - y], [0, 0, 1.0]])
            whole = resizing(small, one) @ matrix @ shift @ resizing(other, size)
            found.append((score, normalised(whole)))
    return found


def _edges(picture: Picture, size: Size) -> Floats:
    fine = structure(shrunk(picture, scaled(size, _FINER)))
    return np.asarray(cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA))


def _templates(edges: Floats, turns: Sequence[Matrix], side: int) -> list[Spectra]:
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
        spectra.append(np.conj(_spectra(channels)))
    return spectra


def _spectra(planes: Floats) -> Spectra:
    """Return the spectrum of each of C x H x W planes."""
    return np.asarray(np.fft.rfft2(planes, (_TILE, _TILE)), np.complex64)


def _places(
    edges: Sequence[Floats], templates: Sequence[Sequence[Spectra]], side: int
) -> list[tuple[float, int, int]]:
    """Return for each rotation the best correlation, and x and y of the middle there."""
    height, width = edges[0].shape[:2]
    before, step = side // 2, _TILE - side + 1
    around = ((0, 0), (before, _TILE), (before, _TILE))
    padded = [np.pad(np.moveaxis(each, 2, 0), around) for each in edges]
    weights = [_weight(each) for each in edges]
    best = [(-1.0, 0, 0)] * len(templates[0])
    for top in range(0, height, step):
        for left in range(0, width, step):
            tile = slice(None), slice(top, top + _TILE), slice(left, left + _TILE)
            wholes = [_spectra(each[tile]) for each in padded]
            shares = [each[top : top + step, left : left + step] for each in weights]
            rows, columns = shares[0].shape
            for index, parts in enumerate(zip(*templates, strict=True)):
                score = np.zeros((rows, columns), np.float32)
                for whole, part, share in zip(wholes, parts, shares, strict=True):
                    product = whole[0] * part[0]
                    product += whole[1] * part[1]
                    product += whole[2] * part[2]
                    score += np.fft.irfft2(product, (_TILE, _TILE))[:rows, :columns] * share
                row, column = divmod(int(score.argmax()), columns)
                likeness = float(score[row, column])
                if likeness > best[index][0]:
                    best[index] = likeness, left + column, top + row
    return best


def _weight(edges: Floats) -> Floats:
    """Return one over the contrast around each place, in a disc as large as the small picture."""
    radius = round((_AREA / np.pi) ** 0.5 * (1 - _MARGIN))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2).astype(np.float32)

    def summed(planes: Floats) -> Floats:
        return np.asarray(cv2.filter2D(planes, -1, disc, borderType=cv2.BORDER_CONSTANT))

    energy = summed((edges**2).sum(axis=2)) - (summed(edges) ** 2).sum(axis=2) / disc.sum()
    return np.asarray(1 / np.sqrt(np.maximum(energy, max(float(np.median(energy)), 1e-6))))
