"""The staircase of the Frechet bound against the bound itself, cell by cell."""

import numpy as np
import pytest
from numpy.typing import NDArray

from piafusion.metrics._coupling import PLACES, Staircases, flagged
from tests.tolerances import FLOAT32_SUMS

COUNT = 50


def shares(seed: int) -> NDArray[np.float64]:
    """Distributions, a column each; many places hold nothing."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((PLACES, COUNT)) * (generator.random((PLACES, COUNT)) < 0.6) + 1e-9
    return drawn / drawn.sum(axis=0)


def information(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    return (cells * np.log(np.maximum(np.abs(cells), 1e-300))).sum(axis=(0, 1))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 2.0, -3.0])
def test_staircase_holds_all_that_the_bound_does(ratio: float) -> None:
    one, other = shares(0), shares(1)
    cumulated, other_cumulated = (
        np.cumsum(p, axis=0)[:-1].astype(np.float32) for p in (one, other)
    )
    staircases = Staircases(COUNT)
    distances = staircases.climb(cumulated, flagged(other_cumulated[::-1]))
    found = staircases.information(np.full(COUNT, ratio, np.float32))

    padded = [np.concatenate([np.zeros((1, COUNT)), np.cumsum(p, axis=0)]) for p in (one, other)]
    bound = np.minimum(padded[0][:, None], padded[1])
    cells = np.diff(np.diff(bound, axis=0), axis=1)
    independent = one[:, None] * other
    expected = information(independent + ratio * cells) - information(independent)
    np.testing.assert_allclose(found, expected, atol=10 * FLOAT32_SUMS)

    stops = np.concatenate([padded[0][1:-1], padded[1][1:-1]])
    ranks = 2 * np.arange(len(stops)) - len(stops) + 1
    np.testing.assert_allclose(distances, ranks @ np.sort(stops, axis=0), atol=FLOAT32_SUMS)
