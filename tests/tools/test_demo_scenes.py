from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.scenes.synthetic import demo_scenes_root
from tools.demo_scenes import Scene, road_scene, write_demo_scenes

SMALL = {"height": 97, "width": 131}
NAMES = ["ir/street_D.png", "ir/street_N.png", "vi/street_D.png", "vi/street_N.png"]


@pytest.fixture(scope="module")
def night() -> Scene:
    return road_scene("night", **SMALL, seed=1)


@pytest.fixture(scope="module")
def day() -> Scene:
    return road_scene("day", **SMALL, seed=1)


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    write_demo_scenes(root)
    return root


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None, path
    return picture


def grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)


def test_the_same_seed_gives_the_same_scene(night):
    again = road_scene("night", **SMALL, seed=1)
    for name in ("infrared", "visible", "people", "people_in_the_dark"):
        np.testing.assert_array_equal(getattr(again, name), getattr(night, name))


def test_another_seed_gives_another_street(day):
    other = road_scene("day", **SMALL, seed=2)
    assert np.abs(other.visible.astype(float) - day.visible).mean() > 5
    assert np.abs(other.infrared.astype(float) - day.infrared).mean() > 2


def test_day_and_night_show_the_same_street(day, night):
    np.testing.assert_array_equal(day.people, night.people)
    assert grey(day.visible).mean() > 3 * grey(night.visible).mean()


def test_shapes_and_dtypes(night):
    assert (night.infrared.shape, night.infrared.dtype) == ((97, 131), np.uint8)
    assert (night.visible.shape, night.visible.dtype) == ((97, 131, 3), np.uint8)
    for mask in (night.people, night.people_in_the_dark):
        assert (mask.shape, mask.dtype) == ((97, 131), np.bool_)


def test_a_small_portrait_is_possible():
    scene = road_scene("night", height=101, width=64, seed=4)
    assert scene.infrared.shape == (101, 64)
    assert scene.visible.shape == (101, 64, 3)


def test_people_in_the_dark_are_hot_and_invisible(night):
    hidden = night.people_in_the_dark
    around = cv2.dilate(hidden.astype(np.uint8), np.ones((9, 9))).astype(bool) & ~night.people
    assert hidden.sum() >= 10
    assert not (hidden & ~night.people).any()
    assert night.infrared[hidden].mean() > night.infrared[around].mean() + 50
    assert grey(night.visible)[hidden].mean() < 25


def test_by_day_nobody_is_in_the_dark_and_people_are_hot(day):
    assert not day.people_in_the_dark.any()
    assert day.infrared[day.people].mean() > day.infrared[~day.people].mean() + 50


def test_shipped_scenes_are_what_the_code_renders(rewritten):
    assert sorted(str(p.relative_to(rewritten)) for p in rewritten.rglob("*.png")) == NAMES
    for name in NAMES:
        shipped, fresh = read(demo_scenes_root() / name), read(rewritten / name)
        assert shipped.shape == fresh.shape
        assert np.abs(shipped.astype(float) - fresh).mean() < 1, name


def test_shipped_scenes_have_their_layout_and_stay_small():
    files = sorted(p for p in demo_scenes_root().rglob("*") if p.is_file())
    assert [str(p.relative_to(demo_scenes_root())) for p in files] == NAMES
    assert sum(p.stat().st_size for p in files) < 1_600_000


def test_lettering_shows_in_the_visible_picture_only():
    """The board at the right kerb is blue with white letters, and of one temperature."""
    visible = cv2.cvtColor(read(demo_scenes_root() / "vi/street_N.png"), cv2.COLOR_BGR2RGB)
    infrared = read(demo_scenes_root() / "ir/street_N.png").astype(float)
    red, _, blue = (visible[..., i].astype(int) for i in range(3))
    rows, columns = np.nonzero(blue - red > 60)
    board = slice(rows.min() + 4, rows.max() - 4), slice(columns.min() + 8, columns.max() - 8)
    assert grey(visible)[board].std() > 30
    assert infrared[board].std() < 6


def test_the_night_sky_is_colder_than_the_road():
    infrared = read(demo_scenes_root() / "ir/street_N.png").astype(float)
    assert infrared[:40, 200:380].mean() + 20 < infrared[400:, 200:380].mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"light": "dusk"}, "expected 'day' or 'night', found 'dusk'; choose"),
        ({"light": "day", "height": 63}, "height: expected at least 64 pixels, found 63; ask for"),
        ({"light": "day", "width": 0}, "width: expected at least 64 pixels, found 0; ask for"),
        ({"light": "day", "seed": -1}, "seed: expected 0 or more, found -1; pass"),
    ],
)
def test_wrong_arguments_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        road_scene(**arguments)
