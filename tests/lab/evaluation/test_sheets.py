from pathlib import Path

import numpy as np

from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.sheets import (
    Box,
    choose_boxes,
    choose_stems,
    draw_scenes,
    with_enlarged_boxes,
)


def inside(box: Box, y: int, x: int) -> bool:
    return box.top <= y < box.top + box.height and box.left <= x < box.left + box.width


def test_boxes_hold_the_target_and_the_texture() -> None:
    infrared = np.full((60, 90), 60, np.uint8)
    infrared[20:26, 70:74] = 250  # a person in the dark
    visible = np.full((60, 90, 3), 40, np.uint8)
    visible[40:50, 10:20:2] = 200  # a fence that infrared does not see
    target, texture = choose_boxes(infrared, visible)
    assert inside(target, 22, 72)
    assert inside(texture, 45, 15)
    assert target[2:] == texture[2:] == (15, 10)
    assert choose_boxes(infrared, visible) == (target, texture)


def test_boxes_of_any_picture_lie_inside_and_apart() -> None:
    flat = np.zeros((8, 8), np.uint8)
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (31, 47), dtype=np.uint8)
    for infrared, visible in ((flat, flat), (noise, noise.T[:31, :31].repeat(2, 1)[:, :47])):
        one, other = choose_boxes(infrared, visible)
        for box in (one, other):
            assert 0 <= box.left <= infrared.shape[1] - box.width
            assert 0 <= box.top <= infrared.shape[0] - box.height
        apart = abs(one.left - other.left) >= one.width or abs(one.top - other.top) >= one.height
        assert apart


def test_scenes_by_day_and_by_night() -> None:
    lights = {"1D": "day", "2D": "day", "3D": "day", "4N": "night"}
    assert choose_stems(list(lights), lights, 2) == ["2D", "4N"]
    assert choose_stems(["1", "2", "3"], {}, 1) == ["2"]
    assert choose_stems(["1"], {}, 0) == []


def test_cells_have_one_size_and_show_what_is_in_the_box() -> None:
    picture = np.zeros((60, 90), np.uint8)
    picture[10:20, 30:45] = 200
    drawn = with_enlarged_boxes(picture, (Box(30, 10, 15, 10), Box(0, 40, 15, 10)), 180)
    assert drawn.shape[1:] == (180, 3)
    height = 120 + 4 + round(88 * 10 / 15)
    assert drawn.shape[0] == height
    assert (drawn[150, 44] == 200).all()
    assert (drawn[150, 134] == 0).all()
    assert tuple(drawn[20, 60]) == (255, 64, 64)  # the corner of the first box


def test_what_a_method_lacks_is_an_empty_cell(root: Path, data: DataSet) -> None:
    files = {
        "all": {pair.stem: pair.visible for pair in data.pairs},
        "last": {"4N": root / "vi" / "4N.png"},
        "none": {},
    }
    assert list(draw_scenes(data, {name: files[name] for name in ("all", "last")}, 9)) == ["4N"]
    scenes = draw_scenes(data, files, 2)
    assert list(scenes) == ["2D", "4N"]
    assert list(scenes["2D"]) == ["infrared", "visible", "all", "last", "none"]
    assert np.ptp(scenes["2D"]["last"]) == 0
    assert len({image.shape for cells in scenes.values() for image in cells.values()}) == 1
