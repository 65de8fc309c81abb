import numpy as np
import pytest

from piafusion.errors import SizeMismatchError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.align.check import check_pair
from piafusion.imaging.io import read_pair
from piafusion.scenes.synthetic import demo_scenes_root, road_scene

QUALITY = Quality(score=0.5, likeness=0.3, disagreement=1.0, residual=0.8, pairs=3)


@pytest.fixture(scope="module", params=["street_D", "street_N"])
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    name = f"{request.param}.png"
    return read_pair(demo_scenes_root() / "ir" / name, demo_scenes_root() / "vi" / name)


def test_aligned_pair_is(pair: tuple[np.ndarray, np.ndarray]) -> None:
    found = check_pair(*pair)
    assert found.verdict == "aligned"
    assert found.shift < 1


def test_shift_is_measured_and_named(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    found = check_pair(infrared[:-8, :-6], visible[8:, 6:])
    assert found.verdict == "shifted"
    # What the infrared picture shows lies 6 pixels further right and 8 further down.
    assert (found.x, found.y, found.shift) == pytest.approx((6, 8, 10), abs=1)
    assert check_pair(infrared[:-8, :-6], visible[8:, 6:], limit=12).verdict == "aligned"


def test_alignment_is_taken_into_account(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair[0][:-8, :-6], pair[1][8:, 6:]
    by = np.array([[1.0, 0, 6], [0, 1, 8], [0, 0, 1]])
    known = Alignment.of("affine", by, infrared.shape[:2], visible.shape[:2], QUALITY)
    assert check_pair(infrared, visible, known).verdict == "aligned"
    with pytest.raises(SizeMismatchError):
        check_pair(infrared[:100], visible, known)


def test_different_scenes_are_unlike(pair: tuple[np.ndarray, np.ndarray]) -> None:
    other = road_scene("day", height=480, width=640, seed=11).visible[:, ::-1]
    assert check_pair(pair[0], np.ascontiguousarray(other)).verdict == "unlike"
    assert check_pair(pair[0], np.zeros_like(pair[1])).verdict == "unlike"
