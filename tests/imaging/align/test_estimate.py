from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from piafusion.errors import AlignmentError, ImageError, SizeMismatchError, UsageError
from piafusion.imaging.align import Alignment, Quality, estimate, estimate_alignment, search
from piafusion.imaging.align.blocks import Matches
from piafusion.imaging.align.geometry import corner_error, corners, transform
from piafusion.imaging.align.preview import agreement
from tools.demo_scenes import road_scene

Known = tuple[np.ndarray, np.ndarray, np.ndarray]


def test_known_warp_between_two_sizes_is_found_at_once(
    day: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needless(*_: object) -> Iterator[list[np.ndarray]]:
        yield pytest.fail("other views and rotations are searched, and the plain start is clear")

    monkeypatch.setattr(estimate, "anywhere", needless)
    infrared, visible, truth = day
    found = estimate_alignment([(infrared, visible)])
    assert corner_error(found.matrix, truth, found.visible_size) < 0.8  # infrared pixels
    assert found.infrared_size == (240, 320)
    assert found.visible_size == (480, 640)
    assert found.quality.pairs == 1
    assert found.quality.score > 0.4


def test_raw_counts_of_a_night_are_aligned_again_and_again(small_night: Known) -> None:
    infrared, visible, truth = small_night
    pair = (7000 + infrared.astype(np.uint16) * 3, visible / np.float32(255))
    found = estimate_alignment([pair])
    assert found == estimate_alignment([pair])
    assert corner_error(found.matrix, truth, found.visible_size) < 0.8


def test_pairs_of_one_rig_are_estimated_together(small_day: Known, small_night: Known) -> None:
    found = estimate_alignment([small_day[:2], small_night[:2]], "affine")
    assert corner_error(found.matrix, small_day[2], found.visible_size) < 2
    np.testing.assert_array_equal(found.matrix[2], [0, 0, 1])
    assert found.quality.pairs == 2


def test_corners_without_evidence_are_not_bent(small_day: Known) -> None:
    infrared, visible, truth = small_day
    infrared, visible = infrared.copy(), visible.copy()
    visible[:, 190:] = 90  # the right corners show nothing
    infrared[:, 90:] = 90
    found = estimate_alignment([(infrared, visible)])
    assert corner_error(found.matrix, truth, found.visible_size) < 2  # infrared pixels


def third(visible: np.ndarray) -> np.ndarray:
    grey = np.ascontiguousarray(visible[150:330, 120:340]).mean(axis=2)
    return 255 - cv2.resize(grey.astype(np.uint8), (330, 270))


@pytest.mark.parametrize("fov", [(20.0, 54.3), None], ids=["known", "upright"])
def test_a_third_of_the_view_is_found(
    fov: tuple[float, float] | None, day: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "ALL_ROTATIONS", (90.0,))  # upright ones are looked for before
    visible = day[1]
    found = estimate_alignment([(third(visible), visible)], fov=fov)
    middle = transform(found.matrix, np.array([[120.0, 150], [339, 329]]))
    np.testing.assert_allclose(middle, [[0, 0], [329, 269]], atol=3)


def test_a_third_of_the_view_is_found_among_all_when_turned(day: Known, all_starts: None) -> None:
    visible = day[1]
    turned = np.ascontiguousarray(np.rot90(third(visible), -1))
    found = estimate_alignment([(turned, visible)])
    middle = transform(found.matrix, np.array([[120.0, 150], [339, 329]]))
    np.testing.assert_allclose(middle, [[269, 0], [0, 329]], atol=3)


def test_mirrored_pictures_are_found(small_day: Known) -> None:
    infrared, visible, truth = small_day
    flip = np.array([[-1, 0, 159], [0, 1, 0], [0, 0, 1.0]])
    found = estimate_alignment([(infrared[:, ::-1], visible)], mirrored=True)
    assert corner_error(found.matrix, flip @ truth, found.visible_size) < 2  # infrared pixels


def test_mirrored_pictures_are_refused_if_nobody_said_so(small_day: Known) -> None:
    with pytest.raises(AlignmentError, match=r"houses, cars.*fov"):
        estimate_alignment([(np.ascontiguousarray(small_day[0][:, ::-1]), small_day[1])])


def test_the_agreement_is_drawn(small_day: Known) -> None:
    infrared, visible, truth = small_day
    good, bad = (
        Alignment.of("homography", matrix, (120, 160), (240, 320), Quality(1, 1, 0, 0, 1))
        for matrix in (truth, [[1, 0, 6], [0, 1, 0], [0, 0, 1]] @ truth)
    )
    green, none = (
        (np.all(agreement(each, infrared, visible) == (60, 220, 90), axis=2)).sum()
        for each in (good, bad)
    )
    assert green > 10 * none


def test_similarity_is_one_between_pictures_of_two_shapes(small_day: Known) -> None:
    infrared, visible, _ = small_day
    found = estimate_alignment([(infrared[10:-10], visible)], "similarity").matrix
    np.testing.assert_allclose(found[0, 0], found[1, 1])
    np.testing.assert_allclose(found[0, 1], -found[1, 0])


def test_pictures_of_different_scenes_are_refused_with_the_score(
    small_day: Known, all_starts: None
) -> None:
    other = road_scene("day", height=240, width=320, seed=11).visible[:, ::-1]
    with pytest.raises(AlignmentError, match=r"this pair.*(score|nothing in common)"):
        estimate_alignment([(small_day[0], np.ascontiguousarray(other))])


def test_pictures_that_show_nothing_are_refused() -> None:
    flat, noise = np.full((96, 128), 90, np.uint8), np.random.default_rng(0)
    with pytest.raises(AlignmentError):
        estimate_alignment([(flat, noise.integers(0, 255, (96, 128, 3), dtype=np.uint8))])


def test_wrong_use_is_named(day: Known) -> None:
    infrared, visible, _ = day
    with pytest.raises(UsageError, match="at least one pair"):
        estimate_alignment([])
    with pytest.raises(UsageError, match="found 'rigid'"):
        estimate_alignment([(infrared, visible)], "rigid")
    with pytest.raises(UsageError, match="found 20,190"):
        estimate_alignment([(infrared, visible)], fov=(20, 190))
    for fov in ((0.5, 170), (170, 0.5), (1e-9, 45)):  # the pictures would be enlarged without end
        with pytest.raises(UsageError, match="at most 8 times as wide"):
            estimate_alignment([(infrared, visible)], fov=fov)
    with pytest.raises(SizeMismatchError, match=r"320x239 and 640x480 in pair 2"):
        estimate_alignment([(infrared, visible), (infrared[1:], visible)])
    with pytest.raises(ImageError, match="at least 64x64"):
        estimate_alignment([(infrared[:40], visible)])


@pytest.mark.parametrize(
    ("size", "trusted"), [((480, 640), True), ((360, 640), True), ((91, 287), False)]
)
def test_blocks_that_overlap_in_a_strip_prove_less(size: tuple[int, int], trusted: bool) -> None:
    near = np.arange(91) < 30  # as of a railing that lies on the stripes of a street
    matches = Matches(np.zeros((91, 2)), np.zeros((91, 2)), np.ones(91), 107, 108, corners(size))
    assert (matches.proof(near) >= estimate.MIN_SCORE) == trusted
    assert matches.score(near) >= estimate.MIN_SCORE


@pytest.mark.parametrize(
    ("disagreement", "zoom", "trusted"), [(1.4, 1, True), (3.8, 1, False), (1.4, 4, False)]
)
def test_a_map_whose_halves_disagree_is_not_trusted(
    disagreement: float, zoom: float, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quality = Quality(0.35, 0.2, disagreement, 0.8, 1)  # as of two nights that have few edges
    matrix = np.diag([zoom, zoom, 1.0])  # a quarter of the view is 126 pixels wide
    found = Alignment.of("homography", matrix, (218, 505), (218, 505), quality)
    monkeypatch.setattr(estimate, "_search", lambda *_, **__: found)
    night = np.zeros((218, 505), np.uint8)
    if trusted:
        assert estimate_alignment([(night, night)]).quality == quality
    else:
        with pytest.raises(AlignmentError, match="expected a disagreement in pixels of at most"):
            estimate_alignment([(night, night)])


@pytest.mark.parametrize(
    ("score", "zoom", "degrees", "trusted"),
    [
        (0.3, 4, 5, True),
        (0.3, 1, 90, True),
        (0.3, 4, 90, False),
        (0.3, 0.25, -170, False),
        (0.42, 4, 90, True),
    ],
)
def test_a_small_view_that_is_turned_has_to_fit_better(
    score: float, zoom: float, degrees: float, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((250, 100), degrees, zoom)
    quality = Quality(score, 0.3, 0.1, 0.8, 1)
    found = Alignment.of("similarity", matrix, (200, 500), (200, 500), quality)
    monkeypatch.setattr(estimate, "_search", lambda *_, **__: found)
    scene = np.zeros((200, 500), np.uint8)
    if trusted:
        assert estimate_alignment([(scene, scene)], "similarity").quality == quality
    else:
        with pytest.raises(AlignmentError, match=r"score of at least 0\.40, found 0\.30"):
            estimate_alignment([(scene, scene)], "similarity")
