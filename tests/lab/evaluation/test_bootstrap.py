import numpy as np
import pytest

from piafusion.lab.evaluation.bootstrap import mean_interval


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
