"""Fusion of Laplacian pyramids (Burt and Adelson 1983, Burt and Kolczynski 1993)."""

from __future__ import annotations

import cv2
import numpy as np

from piafusion.methods._spec import MethodSpec, Plane

LEVELS = 4
SMALLEST = 4  # pixels that the shorter side of the base keeps


def laplacian(infrared: Plane, luminance: Plane) -> Plane:
    """Take at each level the value that is further from 0, and of the base the mean.

    Planes are H x W in [0, 1].

    Returns:
        H x W; near strong edges it may leave [0, 1].
    """
    *details, base = (
        (one, other) for one, other in zip(decompose(infrared), decompose(luminance), strict=True)
    )
    fused: Plane = np.asarray((base[0] + base[1]) / 2, np.float32)
    for one, other in reversed(details):
        fused = _expand(fused, one) + stronger(one, other)
    return fused


def decompose(plane: Plane) -> list[Plane]:
    """Return the levels of the Laplacian pyramid, the finest first, and the base last."""
    levels = []
    for _ in range(LEVELS):
        if min(plane.shape) < 2 * SMALLEST:
            break
        smaller = np.asarray(cv2.pyrDown(plane), np.float32)
        levels.append(plane - _expand(smaller, plane))
        plane = smaller
    return [*levels, plane]


def stronger(one: Plane, other: Plane) -> Plane:
    """Return at each place the value that is further from 0; the first of two equal ones."""
    return np.where(np.abs(one) >= np.abs(other), one, other)


def _expand(plane: Plane, like: Plane) -> Plane:
    return np.asarray(cv2.pyrUp(plane, dstsize=(like.shape[1], like.shape[0])), np.float32)


SPEC = MethodSpec(
    name="laplacian",
    create=lambda _: laplacian,
    title="Laplacian pyramid",
    paper=(
        "Burt, Adelson: The Laplacian pyramid as a compact image code, IEEE Transactions on "
        "Communications 31, 1983; Burt, Kolczynski: Enhanced image capture through fusion, ICCV "
        "1993"
    ),
    kind="multi-scale",
    departures=(
        "The larger magnitude is taken pixel by pixel, without the match measure of 1993.",
    ),
)
