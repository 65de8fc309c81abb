"""The contract of `evaluate`: ranges, colour, errors and the registry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from piafusion.errors import (
    ImageError,
    PiafusionError,
    SizeMismatchError,
    TooSmallError,
    UsageError,
)
from piafusion.metrics import CONVENTIONS, SPECS, MetricSpec, evaluate
from tests.reference.plain_metrics import METRICS
from tests.tolerances import FLOAT32_SUMS

ALL = tuple(name for name, spec in SPECS.items() if not spec.needs)
SIZE = SPECS["MS-SSIM"].minimum_size
SMALL = tuple(name for name in ALL if SPECS[name].minimum_size <= 41)
SINGLE = ("Qabf", "Nabf", "Labf", "FMI-pixel", "FMI-gradient", "Qcb", "Qcv")
DOUBLE_SMALL = tuple(name for name in SMALL if name not in SINGLE)
ROOT = Path(__file__).parents[2]
seeds = st.integers(0, 2**32 - 1)


def triple(seed: int = 0, shape: tuple[int, ...] = (44, 47)) -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(3)]


def natural(seed: int) -> list[NDArray[np.uint8]]:
    """Infrared, visible and fused picture with smooth parts, edges and both ends of the range."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (7, 8, 2), dtype=np.uint8)
    smooth = cv2.resize(coarse, (SIZE + 14, SIZE), interpolation=cv2.INTER_CUBIC)
    noise = generator.normal(0, 3, smooth.shape)
    infrared, visible = np.moveaxis(np.clip(smooth + noise, 0, 255).astype(np.uint8), 2, 0)
    infrared[20:50, 30:60] = 255
    infrared[60:80, 30:60] = 254
    fused = (0.6 * infrared + 0.4 * visible).astype(np.uint8)
    fused[:60, 70:] = np.maximum(infrared, visible)[:60, 70:]
    return [infrared, visible, fused]


def test_default_metrics_in_their_order() -> None:
    values = evaluate(*triple())
    assert list(values) == ["MI", "SD", "VIF", "Qabf"]
    assert all(type(value) is float and math.isfinite(value) for value in values.values())


def test_asked_order_is_kept_and_none_is_allowed() -> None:
    assert list(evaluate(*triple(), metrics=["SF", "MI", "SF"])) == ["SF", "MI"]
    assert evaluate(*triple(), metrics=()) == {}


def test_registry() -> None:
    assert {"EN", "MI", "NMI", "SD", "SF", "AG", "CC", "SCD", "PSNR", "MSE", "SSIM", "MS-SSIM"} < {
        *SPECS
    }
    assert {name for name, spec in SPECS.items() if spec.direction == "lower"} == {
        "MSE",
        "Nabf",
        "Labf",
        "Qcv",
        "bleach",
        "CIEDE2000",
    }
    for name, spec in SPECS.items():
        assert isinstance(spec, MetricSpec)
        assert spec.name == name
        assert spec.reference
        assert spec.inputs[-1] == "fused"
        for convention in CONVENTIONS:
            low, high = spec.arithmetic(convention).range
            assert low < high


def test_one_name_in_three_places() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, spec in SPECS.items():
        module = spec.float.function.__module__.rpartition(".")[2]
        assert (ROOT / "tests" / "metrics" / f"test_{module}.py").exists()
        assert f"\n| {name} |" in page


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("seed", range(2))
def test_values_lie_in_the_stated_ranges(seed: int, convention: str) -> None:
    noise = triple(seed, (SIZE, SIZE))
    for infrared, visible, fused in (noise, [noise[0]] * 3, [noise[0] // 4, noise[1], noise[0]]):
        values = evaluate(infrared, visible, fused, metrics=ALL, convention=convention)
        for name, value in values.items():
            low, high = SPECS[name].arithmetic(convention).range
            assert low - 1e-6 <= value <= high + 1e-6, name


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("constant", [(0, 1, 2), (0, 1), (0, 2), (2,), (1,)])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_constant_pictures_have_an_answer(
    constant: tuple[int, ...], level: int, convention: str
) -> None:
    pictures = triple(1, (SIZE, SIZE + 1))
    for index in constant:
        pictures[index][:] = level
    values = evaluate(*pictures, metrics=ALL, convention=convention)
    for name, value in values.items():
        low, high = SPECS[name].arithmetic(convention).range
        assert low - 1e-6 <= value <= high + 1e-6, name
        assert math.isfinite(value) or (name == "PSNR" and len(constant) == 3)


def test_agrees_with_the_formulas_written_plainly() -> None:
    pictures = natural(0)
    values = evaluate(*pictures, metrics=ALL)
    for name, value in values.items():
        expected = METRICS[name](*(picture.astype(np.float64) for picture in pictures))
        tolerance = FLOAT32_SUMS if name in SINGLE else 1e-9
        assert value == pytest.approx(expected, rel=tolerance), name


def test_conventions_differ_where_the_spec_says_so() -> None:
    pictures = natural(3)
    as_float, as_uint8 = (
        evaluate(*pictures, metrics=ALL, convention=convention) for convention in CONVENTIONS
    )
    for name in ALL:
        assert (as_float[name] == as_uint8[name]) == (SPECS[name].uint8 is None), name


def test_uint8_convention_rounds_to_whole_levels() -> None:
    pictures = natural(4)
    finer = [(picture + 0.3) / 255.6 for picture in pictures]
    rounded = [np.floor(picture * 255 + 0.5).astype(np.uint8) for picture in finer]
    assert evaluate(*finer, metrics=ALL, convention="uint8") == evaluate(
        *rounded, metrics=ALL, convention="uint8"
    )


@given(seeds)
@settings(max_examples=4, deadline=None)
def test_dtype_decides_the_range(seed: int) -> None:
    pictures = triple(seed)
    in_double = pytest.approx(evaluate(*pictures, metrics=DOUBLE_SMALL), rel=1e-9)
    in_single = pytest.approx(evaluate(*pictures, metrics=SINGLE), rel=1e-3)
    for as_other in (
        lambda p: p.astype(np.uint16) * 257,
        lambda p: p.astype(">u2") * 257,
        lambda p: p / 255,
        lambda p: np.asfortranarray(p)[::-1][::-1],
    ):
        others = [as_other(picture) for picture in pictures]
        assert evaluate(*others, metrics=DOUBLE_SMALL) == in_double
        assert evaluate(*others, metrics=SINGLE) == in_single
    mixed = (pictures[0], pictures[1] / 255, pictures[2].astype(np.uint16) * 257)
    assert evaluate(*mixed, metrics=DOUBLE_SMALL) == in_double


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
@settings(max_examples=4, deadline=None)
def test_grey_as_colour_is_the_same_grey(seed: int) -> None:
    for pictures in (triple(seed), [p / 255 for p in triple(seed)]):
        colour = [np.stack([p] * 3, axis=-1) for p in pictures]
        assert evaluate(*colour, metrics=SMALL) == evaluate(*pictures, metrics=SMALL)


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
    for convention in CONVENTIONS:
        evaluate(*pictures, metrics=SMALL, convention=convention)
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
    "alpha": (np.zeros((44, 44, 4)), "found transparent pixels"),
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
    with pytest.raises(UsageError, match=r"EN, MI, NMI, .*, targets, found 'mi', 'LPIPS'; "):
        evaluate(GOOD, GOOD, GOOD, metrics=["SD", "mi", "LPIPS"])
    with pytest.raises(UsageError, match=r"write metrics=\['MI'\]"):
        evaluate(GOOD, GOOD, GOOD, metrics="MI")
    with pytest.raises(UsageError, match="out of float, uint8, found 'matlab'; "):
        evaluate(GOOD, GOOD, GOOD, convention="matlab")


def test_wrong_use_is_told_before_pictures_are_read() -> None:
    with pytest.raises(UsageError):
        evaluate(spoilt(np.nan), GOOD, GOOD, metrics=["nothing"])


def test_too_small_names_the_metric() -> None:
    row = np.zeros((1, 44))
    with pytest.raises(ImageError, match=r"SF: expected pictures of at least 2x2 .*found 44x1; "):
        evaluate(row, row, row, metrics=["MI", "SF"])
    with pytest.raises(TooSmallError, match=r"^SF, VIF: .* 41x41 ") as caught:
        evaluate(row, row, row, metrics=["MI", "SF", "VIF"])
    assert caught.value.metrics == ("SF", "VIF")
    assert evaluate(row, row, row, metrics=["MI", "SD", "Qabf"]) == {"MI": 0, "SD": 0, "Qabf": 0}


def test_errors_are_value_errors_too() -> None:
    assert issubclass(ImageError, ValueError)
    assert issubclass(SizeMismatchError, PiafusionError)
