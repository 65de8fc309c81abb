"""Maps between pixel grids: 3x3 matrices on (x, y, 1), pixel centres at whole numbers.

The top left pixel's centre is (0, 0), its corner (-0.5, -0.5), as in OpenCV's warps. A picture
that is resized keeps its corners, so a scale s maps x to (x + 0.5) * s - 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError

Matrix: TypeAlias = NDArray[np.float64]
Points: TypeAlias = NDArray[Any]  # N x 2, x and y
Kind: TypeAlias = Literal["similarity", "affine", "homography"]

KINDS: tuple[Kind, ...] = get_args(Kind)
FREEDOMS: dict[str, int] = {"similarity": 4, "affine": 6, "homography": 8}
_TRIALS, _CONFIDENCE = 5000, 0.999
_ROUNDS = 8


def check_kind(kind: str) -> Kind:
    """Return the kind, or raise `UsageError`."""
    for known in KINDS:
        if kind == known:
            return known
    raise UsageError(f"kind: expected {', '.join(KINDS)}, found {kind!r}; choose one of them")


def parse_fov(text: str) -> tuple[float, float]:
    """Return the horizontal fields of view, infrared and visible, that a text gives in degrees.

    Raises:
        UsageError: If it is not two angles.
    """
    try:
        infrared, visible = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"fov: expected two angles in degrees, infrared and visible, as 20.6,45, found {text!r}"
        ) from None
    return infrared, visible


def resizing(size: tuple[int, int], to: tuple[int, int]) -> Matrix:
    """Return the map from a picture of height and width `size` to the same one of size `to`."""
    y, x = to[0] / size[0], to[1] / size[1]
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])


def corners(size: tuple[int, int]) -> Points:
    """Return the centres of the four corner pixels, 4 x 2, clockwise from the top left."""
    height, width = size
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)


def transform(matrix: Matrix, points: Points) -> Points:
    """Map N x 2 points."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def distances(one: Points, other: Points) -> NDArray[np.float64]:
    """Return the distance between each two points of a row."""
    return np.asarray(np.linalg.norm(one - other, axis=1))


def corner_error(one: Matrix, other: Matrix, size: tuple[int, int]) -> float:
    """Return how far two maps send the corners of a picture apart, the mean of four in pixels."""
    points = corners(size)
    return float(distances(transform(one, points), transform(other, points)).mean())


def is_sane(matrix: Matrix, size: tuple[int, int]) -> bool:
    """Tell whether a map keeps the picture a convex quadrilateral; it may be mirrored."""
    if not np.isfinite(matrix).all():
        return False
    depths = corners(size) @ matrix[2, :2] + matrix[2, 2]
    if not (np.sign(depths) == np.sign(depths[0])).all() or np.abs(depths).min() < 1e-9:
        return False
    quadrilateral = transform(matrix, corners(size))
    sides = np.roll(quadrilateral, -1, axis=0) - quadrilateral
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool((turns > 0).all() or (turns < 0).all())


def bending(matrix: Matrix, size: tuple[int, int], to: tuple[int, int]) -> float:
    """Return how unlike a camera's map one is: how far it sends corners from where one would.

    Args:
        matrix: Maps a picture of one size to one of another.
        size: Height and width of the picture that is mapped.
        to: Height and width of the picture that it is mapped to.

    Returns:
        The largest distance of a corner from the nearest shift, rotation and scale of the picture
        or of it stretched to the other's shape, as a share of its longer side.
    """
    worst = []
    for stretch in (np.eye(3), resizing(size, to)):
        source, target = transform(stretch, corners(size)), transform(matrix, corners(size))
        similar = _nearest_similarity(source, target)
        scale = np.hypot(similar[0, 0], similar[1, 0])
        left = distances(transform(similar, source), target).max()
        worst.append(left / max(scale * np.ptp(source, axis=0).max(), 1e-9))
    return float(min(worst))


def magnification(matrix: Matrix, size: tuple[int, int]) -> float:
    """Return how many pixels a map makes of one in the middle of a picture, along a side."""
    middle = corners(size).mean(axis=0)
    x, y, centre = transform(matrix, middle + [[1, 0], [0, 1], [0, 0]])
    return float(abs(np.linalg.det([x - centre, y - centre])) ** 0.5)


def nearest_similarity(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """Return the shift, rotation and scale that is nearest to a map at a picture's corners."""
    return _nearest_similarity(corners(size), transform(matrix, corners(size)))


def _nearest_similarity(source: Points, target: Points) -> Matrix:
    # The least-squares rotation and scale, as complex numbers have it.
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    plane, image = ((each[:, 0] + 1j * each[:, 1]) for each in (source - middle, target - goal))
    factor = np.vdot(plane, image) / np.vdot(plane, plane)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.vstack([np.column_stack([turn, goal - turn @ middle]), [0, 0, 1]])


def fit(
    kind: str, points: Points, targets: Points, tolerance: float
) -> tuple[Matrix, NDArray[np.bool_]] | None:
    """Fit a map robustly with OpenCV.

    Args:
        kind: One of `KINDS`.
        points: N x 2.
        targets: N x 2, where the points should go; some may be quite wrong.
        tolerance: Pixels, about as far as a right target may be off.

    Returns:
        The matrix, and which points it sends within the tolerance of their targets; None if there
        is no such map.
    """
    if len(points) < FREEDOMS[kind]:
        return None
    p, q = (np.asarray(each, np.float32) for each in (points, targets))
    matrix: Any
    if kind == "homography":
        matrix, _ = cv2.findHomography(
            p, q, cv2.USAC_MAGSAC, tolerance, maxIters=_TRIALS, confidence=_CONFIDENCE
        )
    else:
        estimate = cv2.estimateAffine2D if kind == "affine" else cv2.estimateAffinePartial2D
        matrix, _ = estimate(
            p,
            q,
            method=cv2.RANSAC,
            ransacReprojThreshold=tolerance,
            maxIters=_TRIALS,
            confidence=_CONFIDENCE,
        )
        matrix = None if matrix is None else np.vstack([matrix, [0, 0, 1]])
    if matrix is None or not np.isfinite(matrix).all():
        return None
    found = normalised(matrix)
    return found, distances(transform(found, points), targets) <= tolerance


def held(
    kind: str,
    start: Matrix,
    plain: Matrix,
    points: Points,
    targets: Points,
    frame: Points,
    most: float,
    hold: float,
) -> Matrix:
    """Fit a map; corners without points near them stay where a plain map has them.

    Least squares over the points, each weighted by Tukey's biweight, and over the four corners,
    which should lie where the plain map puts them.

    Args:
        kind: "affine" or "homography".
        start: 3 x 3, a map of that kind that fits roughly.
        plain: 3 x 3, a similarity that fits roughly.
        points: N x 2.
        targets: N x 2, where the points should go; some may be quite wrong.
        frame: 4 x 2, corners of the part of the picture that the points come from.
        most: A target that is so far off, or farther, has no weight.
        hold: Weight of a corner; that of a right point is 1.

    Returns:
        The matrix; it may be singular or not finite if no map fits.
    """
    middle, scale = frame.mean(axis=0), max(float(np.ptp(frame, axis=0).max()) / 2, 1.0)
    shrink = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, scale]]) / scale
    source = transform(shrink, np.vstack([points, frame]))
    wanted = np.vstack([targets, transform(plain, frame)])
    plane = np.column_stack([source, np.ones(len(source))])
    nothing, freedoms = np.zeros_like(plane), FREEDOMS[kind]
    matrix = normalised(start @ np.linalg.inv(shrink))
    for _ in range(_ROUNDS):
        sent = plane @ matrix.T
        ratio, place = plane / sent[:, 2:], sent[:, :2] / sent[:, 2:]
        miss = wanted - place
        far = np.linalg.norm(miss[: len(points)], axis=1) / most
        weight = np.concatenate([np.clip(1 - far**2, 0, 1) ** 2, np.full(len(frame), hold)])
        x = np.hstack([ratio, nothing, -place[:, :1] * ratio[:, :2]])[:, :freedoms]
        y = np.hstack([nothing, ratio, -place[:, 1:] * ratio[:, :2]])[:, :freedoms]
        slope, weights = np.vstack([x, y]), np.tile(weight, 2)[:, None]
        change = np.linalg.solve((slope * weights).T @ slope, (slope * weights).T @ miss.T.ravel())
        matrix.flat[:freedoms] += change
    return normalised(matrix @ shrink)


def ninths(points: Points) -> NDArray[np.int_]:
    """Return the part, of 3 x 3, that each point lies in."""
    low, high = points.min(axis=0), points.max(axis=0)
    parts = np.minimum((points - low) / np.maximum(high - low, 1) * 3, 2).astype(int)
    return np.asarray(parts @ [3, 1])


def inverted(matrix: Matrix) -> Matrix:
    """Return the map back."""
    return normalised(np.asarray(np.linalg.inv(matrix), np.float64))


def normalised(matrix: Matrix | Sequence[Sequence[float]]) -> Matrix:
    """Return the matrix in float64 with its last element 1."""
    whole = np.asarray(matrix, np.float64)
    return np.asarray(whole / whole[2, 2])
