import numpy as np
import pytest

from piafusion.errors import SizeMismatchError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.align.check import UNLIKE, Residual, check_pair, is_mostly_unlike
from piafusion.imaging.io import read_pair
from piafusion.scenes.synthetic import demo_scenes_root
from tools.demo_scenes import road_scene

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
    found = check_pair(infrared[:-12, :-9], visible[12:, 9:])
    assert found.verdict == "shifted"
    # What the infrared picture shows lies 9 pixels further right and 12 further down.
    assert (found.x, found.y, found.shift) == pytest.approx((9, 12, 15), abs=1)
    assert check_pair(infrared[:-12, :-9], visible[12:, 9:], limit=17).verdict == "aligned"


def test_large_shift_is_found_too(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    found = check_pair(infrared[:, :-40], visible[:, 40:])
    assert found.verdict == "shifted"
    assert (found.x, found.y) == pytest.approx((40, 0), abs=2)


def test_limit_is_in_proportion_to_the_picture(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = (np.ascontiguousarray(each[::2, ::2]) for each in pair)
    moved = infrared[:, :-7], visible[:, 7:]  # as 14 pixels at a width of 640
    assert check_pair(*moved).verdict == "shifted"
    assert check_pair(*moved, limit=17).verdict == "aligned"


def test_one_pair_that_cannot_be_judged_condemns_no_set() -> None:
    aligned = Residual(1.0, 1.0, 0.0, 0.5, 0.4, "aligned")
    assert not is_mostly_unlike([aligned, UNLIKE])
    assert is_mostly_unlike([aligned, UNLIKE, UNLIKE])


def test_alignment_is_taken_into_account(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair[0][:-8, :-6], pair[1][8:, 6:]
    by = np.array([[1.0, 0, 6], [0, 1, 8], [0, 0, 1]])
    known = Alignment.of("affine", by, infrared.shape[:2], visible.shape[:2], QUALITY)
    assert check_pair(infrared, visible, known).verdict == "aligned"
    with pytest.raises(SizeMismatchError):
        check_pair(infrared[:100], visible, known)


@pytest.fixture(scope="module")
def other() -> np.ndarray:
    return np.ascontiguousarray(road_scene("day", height=480, width=640, seed=11).visible[:, ::-1])


def test_different_scenes_are_unlike(
    pair: tuple[np.ndarray, np.ndarray], other: np.ndarray
) -> None:
    assert check_pair(pair[0], other).verdict == "unlike"
    assert check_pair(pair[0], np.zeros_like(pair[1])).verdict == "unlike"
