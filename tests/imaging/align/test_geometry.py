import cv2
import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.imaging.align.geometry import (
    FREEDOMS,
    KINDS,
    bending,
    check_kind,
    corner_error,
    corners,
    fit,
    is_sane,
    nearest_similarity,
    resizing,
    transform,
)

SIZE = (48, 64)
SIMILAR = np.array([[0.9, -0.1, 4.0], [0.1, 0.9, -3.0], [0, 0, 1]])
AFFINE = np.array([[1.1, 0.1, 4.0], [0.0, 0.9, -3.0], [0, 0, 1]])
BENT = np.array([[1.1, 0.1, 4.0], [0.0, 0.9, -3.0], [1e-3, -5e-4, 1]])


def test_resizing_keeps_the_corners_of_the_picture_not_of_its_pixels() -> None:
    edges = np.array([[-0.5, -0.5], [63.5, 47.5]])
    mapped = transform(resizing(SIZE, (96, 192)), edges)
    np.testing.assert_allclose(mapped, [[-0.5, -0.5], [191.5, 95.5]])


@pytest.mark.parametrize(("kind", "matrix"), [*zip(KINDS, (SIMILAR, AFFINE, BENT), strict=True)])
def test_fit_finds_the_map_among_points_that_are_quite_wrong(kind: str, matrix: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(0, 64, (60, 2))
    targets = transform(matrix, points)
    targets[::3] += generator.uniform(15, 30, (20, 2))
    found = fit(kind, points, targets, 1.0)
    assert found is not None
    assert corner_error(found[0], matrix, SIZE) < 0.01
    np.testing.assert_array_equal(found[1], np.arange(60) % 3 != 0)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_points_fit_nothing(kind: str) -> None:
    few = np.zeros((FREEDOMS[kind] - 1, 2))
    assert fit(kind, few, few, 1.0) is None


@pytest.mark.parametrize(
    ("matrix", "sane"),
    [
        (BENT, True),
        (np.diag([-1.0, 1, 1]), True),  # mirrored
        (np.array([[1, 0, 0], [0, 1, 0], [-0.05, 0, 1]]), False),  # the horizon is in the picture
        (np.diag([0.0, 1, 1]), False),
        (np.full((3, 3), np.nan), False),
    ],
)
def test_sane_maps_keep_a_picture_a_picture(matrix: np.ndarray, sane: bool) -> None:
    assert is_sane(matrix, SIZE) is sane


def test_bending_is_what_a_similarity_or_a_stretch_cannot_do() -> None:
    assert bending(SIMILAR, SIZE, SIZE) < 1e-9
    assert bending(SIMILAR @ resizing(SIZE, (48, 80)), SIZE, (48, 80)) < 1e-9
    assert bending(AFFINE, SIZE, SIZE) > 0.05
    # The corners of a square of 64 pixels move by 1 up and down in turn: no rotation, no scale.
    square = corners((65, 65))
    moved = square + [[0, -1], [0, 1], [0, -1], [0, 1]]
    twisted = cv2.getPerspectiveTransform(np.float32(square), np.float32(moved))
    assert bending(twisted, (65, 65), (65, 65)) == pytest.approx(1 / 64, rel=0.01)


def test_nearest_similarity_of_a_similarity_is_itself() -> None:
    np.testing.assert_allclose(nearest_similarity(SIMILAR, SIZE), SIMILAR, atol=1e-9)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"similarity, affine, homography, found 'rigid'"):
        check_kind("rigid")
