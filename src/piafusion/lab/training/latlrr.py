"""The projection of MDLatLRR, learned from patches by latent low-rank representation.

Liu, Yan: Latent low-rank representation for subspace segmentation and feature extraction, ICCV
2011. Patches are the columns of X. LatLRR explains them by one another, by features of their own
and by a sparse rest:

    minimise |Z|_* + |L|_* + weight * |E|_1    subject to    X = X Z + L X + E,

and L, which knows nothing of the single patch, extracts the features of any other one. The
problem is convex; it is solved by the inexact augmented Lagrange multipliers of that paper. The
columns of Z lie in the row space of X, so Z = V R with the right singular vectors V of X, and the
small R has the norm of Z.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import TrainingError
from piafusion.files import sha256, write_bytes
from piafusion.imaging.arrays import as_infrared, as_visible, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair
from piafusion.lab.data.folders import dataset_name, dataset_pairs
from piafusion.methods.mdlatlrr import SIDE
from piafusion.weights import WeightsRecord, save_record

Array = NDArray[np.float64]

NAME = "mdlatlrr"
WEIGHT = 0.4  # of the sparse rest, as in the paper
PATCHES = 2000
_PENALTY, _GROWTH, _LARGEST_PENALTY = 1e-4, 1.1, 1e6
_TOLERANCE = 1e-6
_MOST_ITERATIONS = 1000
_SEED = 0


def learn_into(folder: Path, root: Path) -> Path:
    """Learn the projection and put it and its manifest entry into a weights folder.

    Other weights in the folder are kept.

    Returns:
        The NumPy archive with `projection`, 256 x 256 float32.

    Raises:
        UsageError: If the folders or pairs are missing.
        ImageError: If a picture cannot be used.
        TrainingError: If there are fewer patches than are wanted.
        OutputError: If a file cannot be written.
    """
    began = time.monotonic()
    patches, pairs = draw_patches(root, PATCHES, _SEED)
    projection, iterations = latent_projection(patches)
    archive = io.BytesIO()
    np.savez_compressed(archive, projection=projection.astype(np.float32))
    path = folder / f"{NAME}.npz"
    write_bytes(path, archive.getvalue())
    record = WeightsRecord(
        name=NAME,
        kind="fusion",
        summary="The projection of MDLatLRR.",
        parameters=projection.size,
        sha256={"npz": sha256(archive.getvalue())},
        training={
            "command": f"piafusion train method {NAME} {dataset_name(root)}",
            "data": dataset_name(root),
            "pairs": pairs,
            "data_sha256": sha256(patches.tobytes()),
            "seed": _SEED,
            "steps": iterations,
            "settings": {"patches": PATCHES, "side": SIDE, "weight": WEIGHT},
            "seconds": round(time.monotonic() - began),
        },
        scores={},
    )
    save_record(record, folder)
    return path


def draw_patches(root: Path, count: int, seed: int) -> tuple[Array, int]:
    """Draw patches of both modalities, half of them smooth and half of them detailed.

    Returns:
        256 x count in [0, 1], a patch a column, and the number of pairs.
    """
    generator = np.random.default_rng(seed)
    pairs = dataset_pairs(root).pairs
    each = max(1, 4 * count // (2 * len(pairs)))  # four times as many as needed, to choose from
    drawn = []
    for pair in pairs:
        infrared, visible = read_pair(pair.infrared, pair.visible)
        planes = (to_unit(as_infrared(infrared)), luminance(to_unit(as_visible(visible))))
        for plane in planes:
            places = np.array(plane.shape) - SIDE + 1
            if min(places) > 0:
                windows = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))
                rows, columns = generator.integers(places, size=(each, 2)).T
                drawn.append(windows[rows, columns])
    patches = np.concatenate(drawn) if drawn else np.empty((0, SIDE, SIDE))
    if len(patches) < count:
        raise TrainingError(
            f"{root}: expected {count} patches of {SIDE}x{SIDE} pixels, found {len(patches)}; "
            "add pairs or larger pictures"
        )
    detail = sum(np.abs(np.diff(patches, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2))
    halves = np.array_split(np.argsort(detail), 2)
    chosen = np.concatenate([generator.permutation(half)[: count // 2] for half in halves])
    return patches[chosen].reshape(len(chosen), -1).T.astype(np.float64), len(pairs)


def latent_projection(patches: Array, weight: float = WEIGHT) -> tuple[Array, int]:
    """Return L for patches X, D x N, and the number of iterations that it took."""
    x = patches
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    a = left * values  # X Z = X V R = A R
    features, samples = x.shape
    r, e = np.zeros((len(values), samples)), np.zeros_like(x)
    projection = np.zeros((features, features))
    y1, y2, y3 = np.zeros_like(x), np.zeros_like(r), np.zeros_like(projection)
    inverse_r = np.linalg.inv(np.eye(len(values)) + a.T @ a)
    inverse_l = np.linalg.inv(np.eye(features) + x @ x.T)
    penalty = _PENALTY
    for iteration in range(1, _MOST_ITERATIONS + 1):
        low_r = _shrink_values(r + y2 / penalty, 1 / penalty)
        low_l = _shrink_values(projection + y3 / penalty, 1 / penalty)
        r = inverse_r @ (a.T @ (x - projection @ x - e) + low_r + (a.T @ y1 - y2) / penalty)
        explained = a @ r
        projection = ((x - explained - e) @ x.T + low_l + (y1 @ x.T - y3) / penalty) @ inverse_l
        rest = x - explained - projection @ x
        e = _shrink(rest + y1 / penalty, weight / penalty)
        gaps = (rest - e, r - low_r, projection - low_l)
        if max(float(np.abs(gap).max()) for gap in gaps) < _TOLERANCE:
            return projection, iteration
        y1 += penalty * gaps[0]
        y2 += penalty * gaps[1]
        y3 += penalty * gaps[2]
        penalty = min(_GROWTH * penalty, _LARGEST_PENALTY)
    raise TrainingError(
        f"expected LatLRR to settle within {_MOST_ITERATIONS} iterations, found a gap of "
        f"{max(float(np.abs(gap).max()) for gap in gaps):g}; choose other patches"
    )


def _shrink(matrix: Array, threshold: float) -> Array:
    shrunk: Array = np.sign(matrix) * np.maximum(np.abs(matrix) - threshold, 0)
    return shrunk


def _shrink_values(matrix: Array, threshold: float) -> Array:
    """Shrink the singular values of D x N, D <= N: the proximal step of the nuclear norm.

    The eigenvectors of the small D x D matrix are the left singular vectors; values so small that
    squares lose them are far below any threshold.
    """
    squares, vectors = np.linalg.eigh(matrix @ matrix.T)
    values = np.sqrt(np.maximum(squares, 0))
    large = values > threshold
    kept = vectors[:, large] * (1 - threshold / values[large])
    shrunk: Array = kept @ (vectors[:, large].T @ matrix)
    return shrunk
