"""The contract of `evaluate`: ranges, colour, errors and the registry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from piafusion.errors import ImageError, PiafusionError, SizeMismatchError, UsageError
from piafusion.metrics import SPECS, MetricSpec, evaluate

ALL = ("MI", "SD", "SF", "VIF", "Qabf")
seeds = st.integers(0, 2**32 - 1)


def triple(seed: int = 0, shape: tuple[int, ...] = (44, 47)) -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(3)]


def test_default_metrics_in_their_order() -> None:
    values = evaluate(*triple())
    assert list(values) == ["MI", "SD", "VIF", "Qabf"]
    assert all(type(value) is float and math.isfinite(value) for value in values.values())


def test_asked_order_is_kept_and_none_is_allowed() -> None:
    assert list(evaluate(*triple(), metrics=["SF", "MI", "SF"])) == ["SF", "MI"]
    assert evaluate(*triple(), metrics=()) == {}


def test_registry() -> None:
    assert tuple(SPECS) == ALL
    for name, spec in SPECS.items():
        assert isinstance(spec, MetricSpec)
        assert spec.name == name
        assert spec.direction == "higher"
        assert spec.range[0] == 0 < spec.range[1]
        assert spec.reference


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_values_lie_in_the_stated_ranges(seed: int) -> None:
    for name, value in evaluate(*triple(seed), metrics=ALL).items():
        low, high = SPECS[name].range
        assert low <= value <= high


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_dtype_decides_the_range(seed: int) -> None:
    pictures = triple(seed)
    expected = pytest.approx(evaluate(*pictures, metrics=ALL), rel=1e-9)
    for as_other in (
        lambda p: p.astype(np.uint16) * 257,
        lambda p: p.astype(">u2") * 257,
        lambda p: p / 255,
        lambda p: np.asfortranarray(p)[::-1][::-1],
    ):
        assert evaluate(*map(as_other, pictures), metrics=ALL) == expected
    mixed = (pictures[0], pictures[1] / 255, pictures[2].astype(np.uint16) * 257)
    assert evaluate(*mixed, metrics=ALL) == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_any_width(dtype: type[np.floating[Any]]) -> None:
    fused = np.array([[0, 1], [0.5, 0.25]], dtype=dtype)
    assert evaluate(fused, fused, fused, metrics=["SD"])["SD"] == pytest.approx(
        255 * np.std([0, 1, 0.5, 0.25]), rel=1e-12
    )


def test_dim_pictures_are_not_stretched() -> None:
    dim = np.array([[0, 1], [1, 0]], dtype=np.uint8)
    assert evaluate(dim, dim, dim, metrics=["SD"])["SD"] == 0.5


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_grey_as_colour_is_the_same_grey(seed: int) -> None:
    for pictures in (triple(seed), [p / 255 for p in triple(seed)]):
        colour = [np.stack([p] * 3, axis=-1) for p in pictures]
        assert evaluate(*colour, metrics=ALL) == evaluate(*pictures, metrics=ALL)


PRIMARIES = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]])


def test_luminance_is_full_range_bt601_of_rgb_rounded_for_uint8() -> None:
    # Luminance 76.245, 149.685, 29.07 and 255 for red, green, blue, white.
    fused = PRIMARIES.astype(np.uint8)
    value = evaluate(fused, fused, fused, metrics=["SD"])["SD"]
    assert value == pytest.approx(np.std([76, 150, 29, 255]), rel=1e-12)


@pytest.mark.parametrize("fused", [PRIMARIES / 255, (PRIMARIES * 257).astype(np.uint16)])
def test_luminance_of_finer_dtypes_stays_fractional(fused: NDArray[Any]) -> None:
    value = evaluate(fused, fused, fused, metrics=["SD"])["SD"]
    assert value == pytest.approx(np.std([76.245, 149.685, 29.07, 255]), rel=1e-12)


def test_inputs_are_left_alone() -> None:
    pictures = [p / 255 for p in triple()]
    copies = [p.copy() for p in pictures]
    for picture in pictures:
        picture.setflags(write=False)
    evaluate(*pictures, metrics=ALL)
    for picture, copy in zip(pictures, copies, strict=True):
        np.testing.assert_array_equal(picture, copy)


GOOD = np.zeros((44, 44))


def spoilt(value: float) -> NDArray[np.float64]:
    picture = GOOD.copy()
    picture[3, 5] = value
    return picture


BAD = {
    "nan": (spoilt(np.nan), "values, found 1 NaN"),
    "infinity": (spoilt(np.inf), "values"),
    "above": (spoilt(1.5), r"floats in \[0, 1\], found 0 to 1\.5"),
    "below": (spoilt(-0.25), r"floats in \[0, 1\], found -0\.25 to 0"),
    "signed": (GOOD.astype(np.int32), r"uint8, uint16 or float in \[0, 1\], found int32"),
    "bool": (GOOD.astype(bool), "found bool"),
    "alpha": (np.zeros((44, 44, 4)), "found an alpha channel"),
    "batch": (np.zeros((1, 44, 44, 3)), r"found the shape \(1, 44, 44, 3\)"),
    "empty": (np.zeros((0, 44)), r"found the shape \(0, 44\)"),
    "list": ([[0.0]], "NumPy array, found list"),
}


@pytest.mark.parametrize("place", ["infrared", "visible", "fused"])
@pytest.mark.parametrize("case", BAD)
def test_bad_pictures(case: str, place: str) -> None:
    picture, message = BAD[case]
    pictures: dict[str, Any] = {"infrared": GOOD, "visible": GOOD, "fused": GOOD, place: picture}
    with pytest.raises(ImageError, match=rf"^{place}: expected .*{message}.*; ") as caught:
        evaluate(**pictures)
    assert "\n" not in str(caught.value)


def test_different_sizes() -> None:
    with pytest.raises(SizeMismatchError, match="infrared 44x44, visible 44x44, fused 45x44; "):
        evaluate(GOOD, GOOD, np.zeros((44, 45)))


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="MI, SD, SF, VIF, Qabf, found 'mi', 'LPIPS'; "):
        evaluate(GOOD, GOOD, GOOD, metrics=["SD", "mi", "LPIPS"])
    with pytest.raises(UsageError, match=r"write metrics=\['MI'\]"):
        evaluate(GOOD, GOOD, GOOD, metrics="MI")
    with pytest.raises(UsageError, match="out of float, found 'matlab'; "):
        evaluate(GOOD, GOOD, GOOD, convention="matlab")


def test_wrong_use_is_told_before_pictures_are_read() -> None:
    with pytest.raises(UsageError):
        evaluate(spoilt(np.nan), GOOD, GOOD, metrics=["nothing"])


def test_too_small_names_the_metric() -> None:
    row = np.zeros((1, 44))
    with pytest.raises(ImageError, match=r"SF: expected pictures of at least 2x2 .*found 44x1; "):
        evaluate(row, row, row, metrics=["MI", "SF"])
    assert evaluate(row, row, row, metrics=["MI", "SD", "Qabf"]) == {"MI": 0, "SD": 0, "Qabf": 0}


def test_errors_are_value_errors_too() -> None:
    assert issubclass(ImageError, ValueError)
    assert issubclass(SizeMismatchError, PiafusionError)
