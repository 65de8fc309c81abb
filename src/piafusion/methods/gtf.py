"""Gradient transfer fusion (Ma, Chen, Li, Huang 2016).

The fused image x keeps the intensities of the infrared image u and the gradients of the visible
image v: it minimises sum |x - u| + weight * sum |grad x - grad v|. With y = x - v that is total
variation with an L1 data term,

    E(y) = sum |y - (u - v)| + weight * sum |grad y|,

which is convex. It is minimised by the alternating direction method of multipliers (ADMM): both
sums of magnitudes are split off as variables of their own, which are shrunk in closed form, and
what is left is a linear system with constant coefficients, which the cosine transform solves
exactly. It starts from the solution for the picture at half its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.methods._spec import MethodSpec, Plane, Rule

WEIGHT = 4.0  # weight of the gradients, the paper's lambda
TOLERANCE = 1e-4  # relative fall of the objective over ten iterations at which it stops
GRADIENT_PENALTY, DATA_PENALTY = 150.0, 60.0  # they change the speed, not the result
RELAXATION = 1.7  # over-relaxation of both splits
MOST_ITERATIONS = 1000
_CHECK_EVERY = 10
_COARSEST = 64  # pixels of the shorter side below which no smaller picture is solved first

Array = NDArray[np.floating[Any]]


def create(threads: int) -> Rule:
    """Return the rule, whose transforms use that many threads; needs SciPy."""
    import scipy.fft as _  # noqa: F401 - missing packages before any work

    def gtf(infrared: Plane, luminance: Plane) -> Plane:
        """Return infrared intensities with the gradients of the luminance, H x W."""
        fused: Plane = minimise(infrared - luminance, threads=threads) + luminance
        return fused

    return gtf


def minimise(
    difference: Plane, weight: float = WEIGHT, tolerance: float = TOLERANCE, threads: int = 1
) -> Plane:
    """Return the y with the smallest E(y).

    `difference` is infrared minus luminance, H x W. The search ends when E falls by less than
    `tolerance` in ten iterations.
    """
    height, width = difference.shape
    start = difference
    if min(height, width) >= 2 * _COARSEST:
        half = ((width + 1) // 2, (height + 1) // 2)
        coarse = cv2.resize(difference, half, interpolation=cv2.INTER_AREA)
        # In units of the larger pixels an edge is half as long against the area it encloses.
        coarse = minimise(np.asarray(coarse), weight / 2, tolerance, threads)
        start = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    solve = _solver(difference.shape, threads)
    y = start
    of_rows, of_columns = gradient(y)
    data = y - difference
    # Scaled multipliers of the splits: gradients along columns and rows, and the data term.
    b_rows, b_columns, b_data = (np.zeros_like(difference) for _ in range(3))
    last = objective(y, difference, weight)
    for iteration in range(1, MOST_ITERATIONS + 1):
        y = solve(
            DATA_PENALTY * (difference + data - b_data)
            + GRADIENT_PENALTY * gradient_transposed(of_rows - b_rows, of_columns - b_columns)
        )
        rows, columns = gradient(y)
        b_rows += _relaxed(rows, of_rows)
        b_columns += _relaxed(columns, of_columns)
        length = np.sqrt(b_rows * b_rows + b_columns * b_columns)
        rest = np.minimum(1, weight / GRADIENT_PENALTY / np.maximum(length, 1e-12))
        of_rows, of_columns = b_rows * (1 - rest), b_columns * (1 - rest)
        b_rows *= rest
        b_columns *= rest
        b_data += _relaxed(y - difference, data)
        kept = np.clip(b_data, -1 / DATA_PENALTY, 1 / DATA_PENALTY)
        data, b_data = b_data - kept, kept
        if iteration % _CHECK_EVERY == 0:
            now = objective(y, difference, weight)
            if abs(last - now) <= tolerance * now:
                break
            last = now
    return y


def objective(y: Array, difference: Array, weight: float = WEIGHT) -> float:
    """Return E(y), with isotropic total variation by forward differences."""
    rows, columns = gradient(y)
    variation = np.sqrt(rows * rows + columns * columns).sum(dtype=np.float64)
    return float(np.abs(y - difference).sum(dtype=np.float64) + weight * variation)


def gradient(y: Array) -> tuple[Array, Array]:
    """Return forward differences down the rows and along the columns; 0 at the far border."""
    rows, columns = np.zeros_like(y), np.zeros_like(y)
    np.subtract(y[1:], y[:-1], out=rows[:-1])
    np.subtract(y[:, 1:], y[:, :-1], out=columns[:, :-1])
    return rows, columns


def gradient_transposed(rows: Array, columns: Array) -> Array:
    """Apply the transpose of `gradient`: minus the divergence, H x W."""
    result = np.zeros_like(rows)
    result[:-1] -= rows[:-1]
    result[1:] += rows[:-1]
    result[:, :-1] -= columns[:, :-1]
    result[:, 1:] += columns[:, :-1]
    return result


def _relaxed(new: Array, old: Array) -> Array:
    relaxed: Array = RELAXATION * new + (1 - RELAXATION) * old
    return relaxed


def _solver(shape: tuple[int, ...], threads: int) -> Callable[[Array], Plane]:
    """Return what solves (DATA_PENALTY + GRADIENT_PENALTY grad^T grad) y = right for y.

    Cosines are the eigenvectors of that matrix.
    """
    from scipy.fft import dctn, idctn

    rows, columns = (2 - 2 * np.cos(np.pi * np.arange(side) / side) for side in shape)
    eigenvalues = DATA_PENALTY + GRADIENT_PENALTY * (rows[:, None] + columns)
    inverse = (1 / eigenvalues).astype(np.float32)

    def solve(right: Array) -> Plane:
        spectrum = dctn(right, norm="ortho", workers=threads)
        solution: Plane = idctn(spectrum * inverse, norm="ortho", workers=threads)
        return solution

    return solve


SPEC = MethodSpec(
    name="gtf",
    create=create,
    title="GTF",
    paper=(
        "Ma, Chen, Li, Huang: Infrared and visible image fusion via gradient transfer and total "
        "variation minimization, Information Fusion 31, 2016"
    ),
    kind="optimisation",
    departures=(
        "Minimised by ADMM with cosine transforms instead of iteratively reweighted norms; the "
        "objective is the paper's, with its weight of 4.",
    ),
    needs="methods",
    packages=("scipy",),
)
