import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import AlignmentError, SizeMismatchError, UsageError
from piafusion.imaging.align import Alignment, Quality, read_alignment
from piafusion.imaging.align.alignment import Crop, Shifts
from piafusion.imaging.align.lens import Lens
from tests.conftest import scene

QUALITY = Quality(score=0.5, likeness=0.3, disagreement=1.0, residual=0.8, pairs=3)
SIZE = (48, 64)
SHIFT = np.array([[1.0, 0, 5], [0, 1, -3], [0, 0, 1]])


def alignment(matrix: np.ndarray = SHIFT, infrared: tuple[int, int] = SIZE) -> Alignment:
    return Alignment.of("homography", matrix, infrared, SIZE, QUALITY)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_visible_pixel_shows_what_lies_where_the_matrix_sends_it(dtype: type) -> None:
    infrared = (scene()[0] / 255).astype(dtype) if dtype == np.float32 else scene()[0].astype(dtype)
    warped = alignment().warp(infrared, SIZE)
    assert warped.dtype == dtype
    # visible (x, y) = (20, 30) lies at infrared (25, 27)
    assert warped[30, 20] == infrared[27, 25]
    np.testing.assert_array_equal(warped[3:, :-5], infrared[:-3, 5:])


def test_floats_stay_in_range_where_cubic_interpolation_overshoots() -> None:
    step = np.zeros(SIZE, np.float32)
    step[:, 32:] = 1
    half = np.array([[1.0, 0, 0.5], [0, 1, 0], [0, 0, 1]])
    warped = alignment(half).warp(step, SIZE)
    assert warped.min() == 0
    assert warped.max() == 1


def test_coverage_rises_from_nothing_outside_to_all_inside() -> None:
    share = alignment().coverage(SIZE, SIZE)
    assert (share[:, -5:] == 0).all()  # beyond the infrared picture's right border
    assert (share[:3] == 0).all()
    assert (np.diff(share[24, 32:-4]) <= 0).all()
    assert 0 < share[24, -6] < 1
    assert (share[10:, :48] == 1).all()
    assert not share.flags.writeable
    assert (alignment(np.eye(3)).coverage(SIZE, SIZE) == 1).all()


def test_a_strip_along_the_visible_border_repeats_the_infrared_border() -> None:
    size = (200, 300)
    for beyond, decides in ((2.0, True), (4.0, False)):
        right = np.array([[1.0, 0, beyond], [0, 1, 0], [0, 0, 1]])
        share = Alignment.of("homography", right, size, size, QUALITY).coverage(size, size)
        assert (share == 1).all() == decides


def test_a_local_shift_beyond_the_border_repeats_it() -> None:
    near = replace(alignment(np.eye(3)), shifts=Shifts(np.full((6, 8, 2), 0.05, np.float32)))
    assert np.isnan(near.resample(scene()[0], SIZE)[:, -3:]).all()  # 3.2 pixels beyond
    assert (near.coverage(SIZE, SIZE) == 1).all()
    infrared, y = np.full(SIZE, 0.8, np.float32), np.zeros(SIZE, np.float32)
    np.testing.assert_allclose(near.warp_onto(infrared, y), 0.8, atol=1e-6)


@pytest.mark.parametrize("margin", [0, 6])
def test_a_mask_takes_from_the_infrared_picture_only_where_it_lies(margin: int) -> None:
    shifts = Shifts(np.full((6, 8, 2), 0.05, np.float32))
    infrared, visible = (image.astype(np.float32) / 255 for image in scene())
    y = np.ascontiguousarray(visible[..., 1])
    for each in (alignment(), replace(alignment(), shifts=shifts)):
        whole = each.warp_onto(infrared, y, margin)
        nothing = np.ma.masked_array(infrared, np.zeros(SIZE, bool))
        np.testing.assert_array_equal(each.warp_onto(nothing, y, margin), whole)
        some = np.ma.masked_array(infrared, np.zeros(SIZE, bool))
        some[20:24, 30:34] = np.ma.masked
        heat = each.warp_onto(some, y, margin)
        outside = ~each.inside(some, SIZE) & each.inside(infrared, SIZE)
        assert outside.sum() == 16
        np.testing.assert_array_equal(heat[outside], y[outside])
        np.testing.assert_allclose(heat[:, :10], whole[:, :10], atol=1e-6)


def test_infrared_pixels_are_found_in_the_visible_picture() -> None:
    shown = np.zeros(SIZE, bool)
    shown[:45, 5:] = True
    np.testing.assert_array_equal(alignment().shown(SIZE, SIZE), shown)
    assert alignment().spot(20, 10, SIZE, SIZE) == (15, 13)
    double = (2 * SIZE[0], 2 * SIZE[1])
    assert alignment().shown(SIZE, double).sum() == shown.sum()
    x, y = alignment().spot(20, 10, SIZE, double)
    assert abs(x - 30.5) <= 0.5
    assert abs(y - 26.5) <= 0.5


def test_outside_the_infrared_picture_the_visible_one_stands_in() -> None:
    infrared, visible = (image.astype(np.float32) / 255 for image in scene())
    y = np.ascontiguousarray(visible[..., 1])
    heat = alignment().warp_onto(infrared, y)
    np.testing.assert_allclose(heat[:, -5:], y[:, -5:], atol=1e-6)
    np.testing.assert_allclose(heat[10:, :48], infrared[7:-3, 5:53], atol=1e-6)


def test_other_resolutions_of_the_same_rig_are_served() -> None:
    known = alignment(infrared=(24, 32))
    scaled = known.scaled((48, 64), (96, 128))
    # A corner of the visible picture, not of its first pixel, stays where it is.
    doubled = (known.matrix @ [-0.5, -0.5, 1] + [0.5, 0.5, 0]) * 2 - [0.5, 0.5, 0]
    found = scaled.matrix @ [-0.5, -0.5, 1]
    np.testing.assert_allclose(found[:2], doubled[:2])
    assert known.scaled((24, 32), SIZE) is known
    assert known.warp(np.zeros((25, 33), np.uint8), SIZE).shape == SIZE  # rounded sides


@pytest.mark.parametrize(("infrared", "visible"), [((48, 48), SIZE), (SIZE, (64, 48))])
def test_pictures_of_another_shape_are_refused(
    infrared: tuple[int, int], visible: tuple[int, int]
) -> None:
    with pytest.raises(SizeMismatchError, match=r"64x48 .* found 48x"):
        alignment().warp(np.zeros(infrared, np.uint8), visible)


def test_file_holds_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rig.json"
    bent = alignment(np.array([[2.2, 0.2, 8], [0, 1.8, -6], [2e-3, -1e-3, 2]]))
    bent.save(path)
    assert read_alignment(path) == bent
    assert json.loads(path.read_text())["visible"] == {"width": 64, "height": 48}
    with pytest.raises(UsageError, match="exists already"):
        bent.save(path)
    alignment().save(path, overwrite=True)
    assert read_alignment(path) == alignment()
    assert [each.name for each in path.parent.iterdir()] == ["rig.json"]


def without(name: str) -> dict[str, object]:
    content = alignment().to_json()
    del content[name]
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("[1]", "a list"),
        (without("piafusion_alignment"), "no 'piafusion_alignment'"),
        ({**alignment().to_json(), "piafusion_alignment": 3}, "version 3"),
        (without("matrix"), "no 'matrix'"),
        (without("quality"), "no 'quality'"),
        ({**alignment().to_json(), "kind": "rigid"}, "found 'rigid'"),
        ({**alignment().to_json(), "kind": [1]}, "a list at .kind."),
        ({**alignment().to_json(), "matrix": [[1, 0], [0, 1]]}, "3x3"),
        ({**alignment().to_json(), "matrix": [[0, 0, 0], [0, 1, 0], [0, 0, 1]]}, "picture whole"),
        ({**alignment().to_json(), "matrix": [["a"] * 3] * 3}, r"a text at .matrix\[0\]\[0\]"),
        ({**alignment().to_json(), "visible": {"width": 0, "height": 48}}, "size 0x48"),
        (
            {**alignment().to_json(), "infrared": {"width": "64", "height": 48}},
            "a text at .infrared.width.",
        ),
        ({**alignment().to_json(), "infrared": 5}, "found"),
    ],
)
def test_damaged_files_are_named(content: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(AlignmentError, match=rf"rig\.json: expected .*{words}.*piafusion align"):
        read_alignment(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AlignmentError, match=r"rig\.json: .*no such file"):
        read_alignment(tmp_path / "rig.json")


def test_an_alignment_for_parts_of_the_sensors_shows_the_same_places() -> None:
    lenses = Lens.plain(SIZE, -0.1), Lens.plain(SIZE, 0.05)
    whole = replace(alignment(), infrared_lens=lenses[0], visible_lens=lenses[1])
    found = whole.cropped(Crop.parse("32x40+8+2", SIZE), Crop.parse("40x30", SIZE))
    assert (found.infrared_size, found.visible_size) == ((40, 32), (30, 40))
    points = np.array([[20.0, 15.0], [3.0, 4.0], [39.0, 0.0]])
    middle = (SIZE[1] - 40) / 2, (SIZE[0] - 30) / 2
    np.testing.assert_allclose(found.place(points), whole.place(points + middle) - (8, 2))
    np.testing.assert_allclose(whole.cropped().place(points), whole.place(points))
    double = found.scaled((80, 64), (30, 40))
    np.testing.assert_allclose(double.place(points), 2 * found.place(points) + 0.5)


@pytest.mark.parametrize("text", ["64", "0x10", "65x10", "32x40+40+2", "32x40+0+9", "32x40-1-1"])
def test_a_part_outside_the_sensor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"a part of 64x48.*" + re.escape(repr(text))):
        Crop.parse(text, SIZE)
