import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piafusion.imaging.arrays import from_unit, to_unit
from piafusion.imaging.buffers import Buffers
from piafusion.imaging.colour import (
    join_luminance,
    luminance,
    replace_luminance,
    split_luminance,
)
from tests.tolerances import FLOAT32, FLOAT32_SUMS

# Full-range BT.601 as JFIF prints it.
TO_YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
        [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
colours = arrays.arrays(np.float32, (4, 5, 3), elements=st.floats(0, 1, width=32))
greys = arrays.arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32))


def test_all_grey_levels_keep_their_value_to_the_last_bit() -> None:
    grey = to_unit(np.arange(256, dtype=np.uint8).reshape(16, 16))
    np.testing.assert_array_equal(luminance(np.stack([grey] * 3, axis=2)), grey)
    assert luminance(grey) is grey


def test_white_is_1_and_the_primaries_weigh_as_bt601_says() -> None:
    image = np.array([[[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]], np.float32)
    assert luminance(image)[0].tolist() == pytest.approx([1, 0.299, 0.587, 0.114])


@given(colours)
def test_luminance_is_the_first_row_of_the_matrix(image: np.ndarray) -> None:
    np.testing.assert_allclose(luminance(image), image @ TO_YCBCR[0], atol=FLOAT32)


@given(colours, greys)
def test_replacing_luminance_is_the_round_trip_through_ycbcr(
    image: np.ndarray, new: np.ndarray
) -> None:
    ycbcr = image.astype(np.float64) @ TO_YCBCR.T
    ycbcr[..., 0] = new
    expected = ycbcr @ np.linalg.inv(TO_YCBCR).T
    found = replace_luminance(image, luminance(image), new)
    np.testing.assert_allclose(found, expected, atol=4 * FLOAT32)
    np.testing.assert_allclose((found @ TO_YCBCR.T)[..., 0], new, atol=4 * FLOAT32)


@given(colours)
def test_the_same_luminance_gives_the_same_picture(image: np.ndarray) -> None:
    y = luminance(image)
    np.testing.assert_array_equal(replace_luminance(image, y, y), image)


@given(greys, greys)
def test_grey_stays_grey(grey: np.ndarray, new: np.ndarray) -> None:
    np.testing.assert_array_equal(replace_luminance(grey, grey, new), new)
    three = np.stack([grey] * 3, axis=2)
    levels = from_unit(replace_luminance(three, luminance(three), new), np.dtype(np.uint8))
    np.testing.assert_array_equal(levels, levels[..., :1].repeat(3, axis=2))


def split(image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    channels = [np.empty(image.shape[:2], image.dtype) for _ in range(image[0, 0].size)]
    y = np.empty(image.shape[:2], np.float32)
    split_luminance(image, channels, y)
    return channels, y


def join(image: np.ndarray, new: np.ndarray) -> np.ndarray:
    channels, y = split(image)
    fused = np.empty_like(image)
    join_luminance(channels, y, new, Buffers(), fused)
    return fused


byte_colours = arrays.arrays(np.uint8, (4, 5, 3))


@given(byte_colours)
def test_luminance_of_bytes_is_that_of_floats(image: np.ndarray) -> None:
    channels, y = split(image)
    np.testing.assert_array_equal(np.stack(channels, axis=2), image)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, luminance(to_unit(image)), atol=FLOAT32_SUMS)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_three_equal_channels_have_the_luminance_of_one_to_the_last_bit(dtype: type) -> None:
    grey = np.arange(2**16).reshape(256, 256).astype(dtype)
    grey = grey / np.float32(2**16) if dtype is np.float32 else grey
    _, expected = split(grey)
    _, y = split(np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(expected, to_unit(grey))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_luminance_of_other_dtypes_is_that_of_floats(dtype: type) -> None:
    full = 1 if dtype is np.float32 else 65535
    image = (np.random.default_rng(0).random((9, 11, 3)) * full).astype(dtype)
    _, y = split(image)
    np.testing.assert_allclose(y, luminance(to_unit(image)), atol=FLOAT32)


@given(byte_colours, greys)
def test_joined_bytes_are_the_rounded_floats(image: np.ndarray, new: np.ndarray) -> None:
    _, y = split(image)
    exact = image + 255 * (new.astype(np.float64) - y)[..., None]
    joined = join(image, new)
    assert joined.dtype == np.uint8
    assert np.abs(joined - exact.clip(0, 255)).max() <= 0.5 + 255 * FLOAT32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_joined_colours_stay_in_the_range_of_their_dtype(dtype: type) -> None:
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    image = (np.array([[[1, 0.5, 0], [0, 0.5, 1]]]) * full).astype(dtype)
    _, y = split(image)
    for new in (0, 1):
        joined = join(image, np.full_like(y, new))
        assert joined.dtype == dtype
        assert (joined.min(), joined.max()) == (
            (0, joined.max()) if new == 0 else (joined.min(), full)
        )
