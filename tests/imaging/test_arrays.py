import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piafusion.errors import ImageError, SizeMismatchError
from piafusion.imaging.arrays import (
    as_infrared,
    as_raw_infrared,
    as_visible,
    check_minimum,
    check_same_size,
    from_unit,
    to_unit,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_to_unit_and_back(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    unit = to_unit(levels)
    assert unit.dtype == np.float32
    assert (unit.min(), unit.max()) == (0, 1)
    np.testing.assert_array_equal(from_unit(unit, levels.dtype), levels)


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)))
def test_floats_in_range_come_back_unchanged(image: np.ndarray) -> None:
    np.testing.assert_array_equal(from_unit(to_unit(image), image.dtype), image)


def test_from_unit_clips_and_rounds_to_the_nearest() -> None:
    values = np.array([[-0.5, 0.4 / 255, 0.6 / 255, 1.5]], np.float32)
    assert from_unit(values, np.dtype(np.uint8)).tolist() == [[0, 0, 1, 255]]


def test_grey_infrared_may_have_three_channels() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(as_infrared(np.stack([grey] * 3, axis=2)), grey)
    np.testing.assert_array_equal(as_infrared(grey[..., None]), grey)
    nearly = np.stack([grey, grey + 1, grey + 2], axis=2)  # as JPEG leaves them
    np.testing.assert_array_equal(as_infrared(nearly), grey + 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_false_colours_are_no_infrared(dtype: type) -> None:
    scale = 1 if dtype is np.float32 else np.iinfo(dtype).max
    colours = (np.eye(3)[np.arange(64) % 3].reshape(8, 8, 3) * scale).astype(dtype)
    with pytest.raises(ImageError, match=r"expected a grey infrared image.*100%.*palette"):
        as_infrared(colours)
    marked = np.full((30, 30, 3), scale / 2, dtype)
    marked[3:11, 4:12, 1] = 0  # a logo of 7 %
    np.testing.assert_array_equal(as_infrared(marked), marked[..., 1])
    marked[3:13, 4:14, 1] = 0
    with pytest.raises(ImageError, match="found colours in 11% of the picture"):
        as_infrared(marked)


def test_a_fourth_channel_is_named_for_what_it_is() -> None:
    generator = np.random.default_rng(0)
    rgba = generator.integers(0, 256, (16, 16, 4), dtype=np.uint8)
    with pytest.raises(ImageError, match="RGB and thermal in one file"):
        as_visible(rgba)
    rgba[..., 3] = 255
    rgba[0, 0, 3] = 254
    with pytest.raises(ImageError, match=r"transparent pixels.*flatten"):
        as_visible(rgba)
    for scale in (np.uint8(1), np.uint16(257), np.float64(1 / 255)):
        opaque = np.where(np.arange(4) == 3, 255, rgba // 2) * scale
        np.testing.assert_array_equal(as_visible(opaque), opaque[..., :3])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.int16), "found int16"),
        (np.zeros((8, 8), bool), "found bool"),
        (np.zeros((8, 8, 2), np.uint8), r"found the shape \(8, 8, 2\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"found the shape \(1, 8, 8, 3\)"),
        (np.zeros((0, 8), np.uint8), r"found the shape \(0, 8\)"),
        (np.full((8, 8), np.nan), "found 64 NaN"),
        (np.full((8, 8), np.inf), "found 64 NaN or infinite"),
        (np.full((8, 8), 200.0), "found 200 to 200"),
        (np.full((8, 8), -0.1, np.float32), "found -0.1"),
    ],
)
def test_unusable_pictures_are_refused(image: np.ndarray, message: str) -> None:
    for check in (as_visible, as_infrared):
        with pytest.raises(ImageError, match=message):
            check(image)


def test_something_else_than_an_array_is_refused() -> None:
    with pytest.raises(ImageError, match="found list"):
        as_visible([[0, 1], [1, 0]])


def test_sizes_are_told_as_width_by_height() -> None:
    infrared, visible = np.zeros((480, 640)), np.zeros((960, 1280, 3))
    check_same_size(infrared, infrared)
    with pytest.raises(SizeMismatchError, match=r"infrared with 640x480.*visible with 1280x960"):
        check_same_size(infrared, visible)
    check_minimum(infrared, 480)
    with pytest.raises(ImageError, match=r"at least 481x481 pixels, found 640x480"):
        check_minimum(infrared, 481)


def test_a_signalling_nan_is_one_like_any_other() -> None:
    image = np.full((8, 8, 3), 0.5, np.float32)
    image.view(np.uint32)[2, 3] = 0x7F80_0001
    assert as_raw_infrared(image).shape == (8, 8)
