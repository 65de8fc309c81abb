import numpy as np
import pytest

from piafusion.lab.evaluation.statistics import (
    holm,
    mean_interval,
    paired_tests,
    rank_biserial,
    signed_rank,
)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.04; never falling.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_signed_rank_by_hand() -> None:
    # All six of one sign: 2 of the 2^6 assignments of signs are as extreme.
    assert signed_rank([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    # Rank sum 1 of the negative ones: {} and {1}, on both sides.
    assert signed_rank([-1, 2, 3, 4, 5, 6]) == pytest.approx(4 / 64)
    assert signed_rank([0, 0]) == 1.0
    assert signed_rank([0, 1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)


def test_rank_biserial_by_hand() -> None:
    assert rank_biserial([1, 2, -3]) == 0  # ranks 1 + 2 against 3
    assert rank_biserial([5, 2]) == 1
    assert rank_biserial([-1, 3]) == pytest.approx(1 / 3)
    assert rank_biserial([0]) == 0


def test_each_method_against_one_with_the_direction_of_the_metric() -> None:
    stems = "abcdef"
    values = {
        "mine": {stem: {"MI": 1.0, "MSE": 5.0} for stem in stems},
        "theirs": {stem: {"MI": 2.0 + i, "MSE": 6.0 + i} for i, stem in enumerate(stems)},
        "few": {"a": {"MI": 0.0, "MSE": 5.0}},
        "none": {"z": {"MI": 0.0, "MSE": 0.0}},
    }
    tests = paired_tests(values, "mine", {"MI": "higher", "MSE": "lower"})
    assert [(test.method, test.metric, test.pairs) for test in tests] == [
        ("theirs", "MI", 6),
        ("theirs", "MSE", 6),
        ("few", "MI", 1),
        ("few", "MSE", 1),
    ]
    more, less, few, same = tests
    assert (more.better, more.worse, more.effect, more.difference) == (6, 0, 1, 3.5)
    assert (less.better, less.worse, less.effect, less.difference) == (0, 6, -1, 3.5)
    assert (few.better, few.worse, few.p) == (0, 1, 1.0)
    assert (same.better, same.worse, same.p) == (0, 0, 1.0)
    assert more.p == pytest.approx(2 / 64)
    assert more.adjusted == pytest.approx(4 * 2 / 64)  # one family of four


def test_infinite_values_are_equal_to_each_other() -> None:
    values = {name: {"a": {"PSNR": float("inf")}} for name in ("mine", "theirs")}
    (test,) = paired_tests(values, "mine", {"PSNR": "higher"})
    assert (test.difference, test.p) == (0, 1.0)


def test_equal_scores_leave_no_doubt() -> None:
    low, high = mean_interval([[2.0, 5.0]] * 4)
    np.testing.assert_allclose([low, high], [[2, 5], [2, 5]])


def test_the_interval_of_a_large_normal_sample_is_the_textbook_one() -> None:
    sample = np.random.default_rng(1).normal(10, 3, 400)
    low, high = mean_interval(sample)
    half = 1.96 * sample.std() / np.sqrt(400)
    np.testing.assert_allclose([low, high], [sample.mean() - half, sample.mean() + half], atol=0.03)
    inner = mean_interval(sample, level=0.5)
    assert low < inner[0] < sample.mean() < inner[1] < high


def test_it_is_repeatable_and_needs_a_pair() -> None:
    scores = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(mean_interval(scores), mean_interval(scores))
    with pytest.raises(ValueError, match="at least one pair"):
        mean_interval([])
