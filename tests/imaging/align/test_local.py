import copy

import cv2
import numpy as np
import pytest

from piafusion import Fuser
from piafusion.imaging.align import Alignment, Local, Quality
from piafusion.imaging.align.alignment import Shifts
from piafusion.imaging.align.lens import over_grid
from piafusion.imaging.io import read_pair
from piafusion.pair_files import takes_windows
from piafusion.scenes.synthetic import demo_scenes_root

SIZE = (240, 320)
GRID = np.stack(np.meshgrid(np.arange(320), np.arange(240)), axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def street() -> tuple[np.ndarray, np.ndarray]:
    root = demo_scenes_root()
    pair = read_pair(root / "ir" / "street_D.png", root / "vi" / "street_D.png")
    ir, vi = (cv2.resize(each, SIZE[::-1], interpolation=cv2.INTER_AREA) for each in pair)
    return ir, vi


def bump(infrared: np.ndarray, pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture whose right half is moved, and where its pixels went."""
    moved = np.zeros_like(GRID)
    moved[..., 0] = pixels / (1 + np.exp((160 - GRID[..., 0]) / 12))
    x, y = cv2.split(GRID - moved)
    return cv2.remap(infrared, x, y, cv2.INTER_LINEAR), moved


def test_what_is_moved_is_found_and_what_is_aligned_stays(street) -> None:
    ir, vi = street
    still = over_grid(Local()(ir, vi).place, SIZE) - GRID
    assert np.linalg.norm(still, axis=2).mean() < 0.3
    warped, moved = bump(ir, 3.0)
    found = over_grid(Local()(warped, vi).place, SIZE) - GRID
    left = np.linalg.norm(found - moved, axis=2).mean()
    assert left < 0.5 * np.linalg.norm(moved, axis=2).mean()


@pytest.mark.parametrize("noise", [0, 5], ids=["flat", "noise"])
def test_nothing_is_moved_where_a_picture_shows_nothing(street, noise: float) -> None:
    grey = np.random.default_rng(0).normal(90, noise, SIZE).astype(np.uint8)
    moved = np.array([[1, 0, 20.0], [0, 1, 0], [0, 0, 1]])
    rig = Alignment.of("similarity", moved, SIZE, SIZE, Quality(0, 0, 0, 0, 0))
    assert np.abs(Local()(grey, street[1], rig).shifts.cells).max() < 1e-4


def test_frames_of_a_video_follow_slowly(street) -> None:
    ir, vi = street
    warped, _ = bump(ir, 3.0)
    local = Local(video=True)
    local(ir, vi)
    moved = [float(local(warped, vi).shifts.cells[..., 0].max()) for _ in range(3)]
    at_once = float(Local()(warped, vi).shifts.cells[..., 0].max())
    assert moved[0] < moved[1] < moved[2]
    assert moved[0] < 0.7 * at_once


def test_shifts_lie_at_the_middles_of_cells_at_any_resolution() -> None:
    cells = np.zeros((2, 4, 2), np.float32)
    cells[0, 1] = (0.1, -0.05)
    points = np.array([[11.5, 4.5], [3.5, 14.5]])
    shifts = Shifts(cells)
    np.testing.assert_allclose(shifts.at(points, (20, 32)), [[3.2, -1.6], [0, 0]], atol=1e-5)
    doubled = shifts.at(2 * points + 0.5, (40, 64))
    np.testing.assert_allclose(doubled, [[6.4, -3.2], [0, 0]], atol=1e-5)


def test_a_fuser_shifts_near_things(street) -> None:
    ir, vi = street
    warped, _ = bump(ir, 3.0)
    fuser = Fuser("piafusion-fast", local=True)
    found = fuser.fuse(warped, vi)
    assert found.alignment is not None
    plain = Fuser("piafusion-fast", alignment=found.alignment)
    np.testing.assert_array_equal(found.image, plain(warped, vi))
    np.testing.assert_array_equal(found.image, copy.deepcopy(fuser)(warped, vi))
    assert not takes_windows(fuser)
