"""What the eye sees by day: bleached colours, and people who stand out or do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.metrics import CONVENTIONS, SPECS, evaluate
from piafusion.metrics.natural import (
    Box,
    BoxError,
    bleach,
    ciede2000,
    colour_difference,
    find_targets,
    read_boxes,
    target_contrast,
    well_exposed,
)

# Pairs of L*, a*, b* and their difference, from the paper of Sharma, Wu and Dalal.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "expected"), SHARMA)
def test_ciede2000_is_the_published_one(
    one: tuple[float, ...], other: tuple[float, ...], expected: float
) -> None:
    forth = ciede2000(np.array(one, float), np.array(other, float))
    back = ciede2000(np.array(other, float), np.array(one, float))
    assert forth == pytest.approx(expected, abs=6e-5)
    assert back == pytest.approx(expected, abs=6e-5)


def test_only_well_exposed_places_can_bleach() -> None:
    luminance = np.full((120, 180), 20.0)
    luminance[:, 60:120] = 120.0
    luminance[:, 120:] = 240.0
    places = well_exposed(luminance)
    assert places[:, 85:95].all()
    assert not places[:, :30].any()
    assert not places[:, 150:].any()
    fused = luminance.copy()
    fused[:, :30] += 100  # in the dark
    assert bleach(fused, luminance) == 0
    fused[places] += 10
    assert bleach(fused, luminance) == pytest.approx(10)


def test_darkening_is_no_bleaching_and_does_not_pay_for_any() -> None:
    luminance = np.full((40, 40), 120.0)
    fused = luminance.copy()
    fused[:20] -= 30
    fused[20:] += 8
    assert bleach(fused, luminance) == pytest.approx(4)


def test_a_picture_without_a_well_exposed_place_has_no_bleach() -> None:
    assert np.isnan(bleach(np.zeros((20, 20)), np.zeros((20, 20))))


def test_a_red_wall_that_turns_pink_is_far_away() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[:] = (170, 60, 50)
    pink = red + np.uint8(60)
    places = np.ones((16, 16), bool)
    assert colour_difference(red, red, places) == 0
    assert colour_difference(pink, red, places) > 10
    assert np.isnan(colour_difference(pink, red, ~places))


def _walker() -> tuple[np.ndarray, list[Box]]:
    infrared = np.full((60, 60), 50.0)
    infrared[20:40, 25:35] = 60.0  # cool clothes: less than a fifth of the contrast
    infrared[22:30, 27:33] = 150.0
    return infrared, [Box(0, 20, 40, 25, 35)]


def test_a_target_is_what_is_hot_in_its_box() -> None:
    infrared, boxes = _walker()
    (target,) = find_targets(infrared, boxes)
    assert target.body.sum() == 8 * 6
    assert target.contrast(infrared) == pytest.approx(100)
    assert target_contrast(infrared / 2 + 7, infrared, boxes) == [pytest.approx(50)]


def test_rings_leave_out_other_boxes() -> None:
    infrared, boxes = _walker()
    infrared[20:40, 37:47] = 255.0
    beside = Box(2, 20, 40, 37, 47)
    assert target_contrast(infrared, infrared, [*boxes, beside]) == [pytest.approx(100)]


def test_a_cool_box_or_another_class_holds_no_target() -> None:
    infrared, boxes = _walker()
    assert target_contrast(infrared, np.full_like(infrared, 50.0), boxes) == []
    assert target_contrast(infrared, infrared, [Box(2, 20, 40, 25, 35)]) == []


NAMES = ("bleach", "CIEDE2000", "targets")


def _street() -> tuple[np.ndarray, np.ndarray, list[Box]]:
    infrared, boxes = _walker()
    visible = np.zeros((60, 60, 3), np.uint8)
    visible[:] = (170, 90, 80)
    visible[:, 40:] = 5
    return infrared.astype(np.uint8), visible, boxes


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("scale", [np.uint8, np.uint16, np.float64])
def test_evaluate_has_them(convention: str, scale: type) -> None:
    infrared, visible, boxes = _street()
    fused = visible + (infrared > 100)[..., None] * np.uint8(60)
    if scale is not np.uint8:
        pictures = [picture / 255 for picture in (infrared, visible, fused)]
        if scale is np.uint16:
            pictures = [np.rint(picture * 65535).astype(scale) for picture in pictures]
        infrared, visible, fused = pictures
    values = evaluate(infrared, visible, fused, NAMES, convention, boxes=boxes)
    places = well_exposed(np.where(np.arange(60) < 40, 112.8, 5.0)[None].repeat(60, 0))
    assert values["bleach"] == pytest.approx(60 * 48 / places.sum(), rel=0.01)
    assert values["CIEDE2000"] == pytest.approx(colour_difference(fused, visible, places), rel=1e-4)
    assert values["targets"] == pytest.approx(60, abs=0.01)
    for name, value in values.items():
        low, high = SPECS[name].float.range
        assert low <= value <= high


def test_what_a_picture_lacks_is_undefined() -> None:
    infrared, visible, boxes = _street()
    grey = visible[..., 0]
    for fused, given, there in (
        (visible, (), {"bleach", "CIEDE2000"}),
        (grey, boxes, {"bleach", "targets"}),
        (grey, [Box(2, 20, 40, 25, 35)], {"bleach"}),
    ):
        values = evaluate(infrared, visible, fused, NAMES, boxes=given)
        assert {name for name, value in values.items() if not np.isnan(value)} == there
    dark = evaluate(infrared, visible // 8, visible, NAMES)
    assert all(np.isnan(value) for value in dark.values())
    assert all(SPECS[name].needs for name in NAMES)


def test_the_brightest_colours_are_within_the_range() -> None:
    corners = np.stack(np.meshgrid([0, 128, 255], [0, 128, 255], [0, 128, 255]), -1)
    colours = corners.reshape(1, -1, 3).astype(np.uint8)
    high = SPECS["CIEDE2000"].float.range[1]
    for turn in range(colours.shape[1]):
        worst = colour_difference(np.roll(colours, turn, 1), colours, np.ones((1, 27), bool))
        assert 0 <= worst < high


def test_sizes_have_to_agree() -> None:
    infrared, boxes = _walker()
    with pytest.raises(UsageError, match="resize"):
        target_contrast(infrared[1:], infrared, boxes)


def test_boxes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.25 0.5\n\n2 1 1 0.5 0.5\n")
    assert read_boxes(path, 40, 80) == [Box(0, 10, 30, 30, 50), Box(2, 30, 40, 60, 80)]


@pytest.mark.parametrize(
    "line",
    ["0 0.5 0.5 0.25", "person 0.5 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1", "0 0.5 0.5 0 0.1"]
    + ["-1 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1 1.5", "0 0.5 0.5 inf 0.5", "0 1 2 3 4 5 6"],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(BoxError, match=r"a\.txt, line 2") as caught:
        read_boxes(path, 40, 80)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoxError, match="none"):
        read_boxes(tmp_path / "none.txt", 40, 80)
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoxError, match=r"b\.txt"):
        read_boxes(tmp_path / "b.txt", 40, 80)
