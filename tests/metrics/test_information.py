"""MI against entropies counted in plain Python, tiny cases by hand, and its properties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from piafusion.metrics import evaluate

U8 = NDArray[np.uint8]
pictures = hnp.arrays(np.uint8, (6, 7), elements=st.integers(0, 255))
coarse_pictures = hnp.arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 90, 255]))


def mi(infrared: U8, visible: U8, fused: U8) -> float:
    return evaluate(infrared, visible, fused, metrics=["MI"])["MI"]


def entropy(symbols: Iterable[object]) -> float:
    counts = Counter(symbols)
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values())


def by_entropies(source: U8, fused: U8) -> float:
    one, other = source.ravel().tolist(), fused.ravel().tolist()
    return entropy(one) + entropy(other) - entropy(zip(one, other, strict=True))


@given(pictures, coarse_pictures, coarse_pictures)
@settings(max_examples=20, deadline=None)
def test_agrees_with_entropies(infrared: U8, visible: U8, fused: U8) -> None:
    expected = by_entropies(infrared, fused) + by_entropies(visible, fused)
    assert mi(infrared, visible, fused) == pytest.approx(expected, abs=1e-12)


def test_four_equally_frequent_levels_share_two_bits_with_each_source() -> None:
    picture = np.array([[0, 1], [254, 255]], dtype=np.uint8)
    assert mi(picture, picture, picture) == pytest.approx(4.0, abs=1e-14)


def test_independent_pictures_share_nothing() -> None:
    rows = np.array([[0, 0], [9, 9]], dtype=np.uint8)
    columns = np.array([[0, 9], [0, 9]], dtype=np.uint8)
    assert mi(rows, rows, columns) == 0.0


def test_sources_add_up() -> None:
    halves = np.array([[0, 0], [9, 9]], dtype=np.uint8)
    other = np.array([[0, 9], [0, 9]], dtype=np.uint8)
    assert mi(halves, other, halves) == pytest.approx(1.0, abs=1e-14)


@given(pictures, st.integers(0, 255))
@settings(max_examples=20, deadline=None)
def test_constant_picture_shares_nothing(picture: U8, level: int) -> None:
    constant = np.full_like(picture, level)
    assert mi(picture, picture, constant) == 0.0
    assert mi(constant, constant, picture) == 0.0


@given(pictures, coarse_pictures, pictures)
@settings(max_examples=15, deadline=None)
def test_symmetric_in_sources_and_bounded_by_entropy(a: U8, b: U8, fused: U8) -> None:
    value = mi(a, b, fused)
    assert value == pytest.approx(mi(b, a, fused), abs=1e-12)
    assert 0 <= value <= 2 * entropy(fused.ravel().tolist()) + 1e-12


@given(pictures, coarse_pictures, coarse_pictures, st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_order_of_pixels_and_names_of_levels_do_not_matter(
    a: U8, b: U8, fused: U8, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    order = generator.permutation(a.size)
    levels = generator.permutation(256).astype(np.uint8)
    moved = [picture.ravel()[order].reshape(a.shape) for picture in (a, b, fused)]
    value = pytest.approx(mi(a, b, fused), abs=1e-12)
    assert mi(*moved) == value
    assert mi(levels[a], b, levels[fused]) == value


def test_fractional_luminance_goes_to_the_nearest_level() -> None:
    grey = np.array([[10, 11]], dtype=np.uint8)
    # Luminance 10.299 and 10.701: two pictures' worth of level 10 and 11.
    colour = np.array([[[11, 10, 10], [10, 11, 11]]], dtype=np.uint8)
    assert mi(grey, grey, colour) == pytest.approx(2.0, abs=1e-14)
    # Luminance 10 and 10.299 are one level.
    same_level = np.array([[[10, 10, 10], [11, 10, 10]]], dtype=np.uint8)
    assert mi(grey, grey, same_level) == 0.0


def test_all_256_levels_count_apart() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert mi(ramp, ramp, ramp) == pytest.approx(16.0, abs=1e-12)


def bits(name: str, infrared: U8, visible: U8, fused: U8, convention: str = "float") -> float:
    return evaluate(infrared, visible, fused, metrics=[name], convention=convention)[name]


@given(pictures)
@settings(max_examples=20, deadline=None)
def test_en_is_the_entropy_of_the_fused_picture(fused: U8) -> None:
    blank = np.zeros_like(fused)
    expected = pytest.approx(entropy(fused.ravel().tolist()), abs=1e-12)
    for convention in ("float", "uint8"):
        assert bits("EN", blank, blank, fused, convention) == expected


def test_en_by_hand() -> None:
    # A half, a quarter, two eighths: 1/2 + 2/4 + 2 * 3/8 bits.
    fused = np.array([[0, 0, 0, 0, 7, 7, 8, 255]], dtype=np.uint8)
    assert bits("EN", fused, fused, fused) == pytest.approx(1.75, abs=1e-14)
    assert bits("EN", fused, fused, np.zeros_like(fused)) == 0.0
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert bits("EN", ramp, ramp, ramp) == pytest.approx(8.0, abs=1e-12)


@given(pictures, coarse_pictures, coarse_pictures)
@settings(max_examples=15, deadline=None)
def test_nmi_agrees_with_entropies(infrared: U8, visible: U8, fused: U8) -> None:
    expected = 0.0
    for source in (infrared, visible):
        alone = entropy(source.ravel().tolist()) + entropy(fused.ravel().tolist())
        expected += 2 * by_entropies(source, fused) / alone if alone > 0 else 0.0
    assert bits("NMI", infrared, visible, fused) == pytest.approx(expected, abs=1e-12)


def test_nmi_of_equal_and_of_constant_pictures() -> None:
    picture = np.array([[0, 1], [254, 255]], dtype=np.uint8)
    constant = np.full_like(picture, 3)
    assert bits("NMI", picture, picture, picture) == pytest.approx(2.0, abs=1e-12)
    assert bits("NMI", picture, picture, constant) == 0.0
    assert bits("NMI", constant, constant, constant) == 0.0
    assert bits("NMI", constant, picture, picture) == pytest.approx(1.0, abs=1e-12)


def test_uint8_merges_the_two_highest_levels_of_the_joint_histogram() -> None:
    # Entropies 2 bits each, joint entropy of {0}, {1} and twice {254, 255}: 1.5 bits.
    picture = np.array([[0, 1], [254, 255]], dtype=np.uint8)
    assert bits("MI", picture, picture, picture, "uint8") == pytest.approx(5.0, abs=1e-14)
    lower = np.array([[0, 1], [252, 253]], dtype=np.uint8)
    assert bits("MI", lower, lower, lower, "uint8") == pytest.approx(4.0, abs=1e-14)
