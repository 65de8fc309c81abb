import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint, minimize

from piafusion.methods.gtf import gradient, gradient_transposed, minimise, objective

SHAPE = (7, 8)


def picture() -> np.ndarray:
    """A difference of two small pictures: a warm block, a ramp and noise."""
    difference = np.random.default_rng(3).normal(0, 0.05, SHAPE)
    difference += np.linspace(-0.3, 0.2, SHAPE[1])
    difference[1:5, 2:6] += 0.6
    return difference.astype(np.float32)


def differences() -> np.ndarray:
    """Forward differences as a matrix, 2 x pixels by pixels, built entry by entry."""
    height, width = SHAPE
    matrix = np.zeros((2, height, width, height, width))
    for row in range(height):
        for column in range(width):
            if row + 1 < height:
                matrix[0, row, column, row, column] = -1
                matrix[0, row, column, row + 1, column] = 1
            if column + 1 < width:
                matrix[1, row, column, row, column] = -1
                matrix[1, row, column, row, column + 1] = 1
    return matrix.reshape(2 * height * width, -1)


def lower_bound(difference: np.ndarray, weight: float) -> float:
    """Return the maximum of the dual problem, found by a generic solver.

    Over p, one vector for each pixel: maximise <D' p, difference> with |p| <= weight and
    |D' p| <= 1 at each. Any p that is allowed gives a bound below every value of E; the solver's
    last one is shrunk until it is allowed.
    """
    matrix, d = differences(), difference.ravel().astype(np.float64)
    count = d.size

    def squares(p: np.ndarray) -> np.ndarray:
        return p[:count] ** 2 + p[count:] ** 2

    def squares_slopes(p: np.ndarray) -> np.ndarray:
        return np.hstack([np.diag(2 * p[:count]), np.diag(2 * p[count:])])

    gain = matrix @ d
    found = minimize(
        lambda p: -p @ gain,
        np.zeros(2 * count),
        jac=lambda p: -gain,
        method="SLSQP",
        constraints=[
            NonlinearConstraint(squares, -np.inf, weight**2, jac=squares_slopes),
            LinearConstraint(matrix.T, -1, 1),
        ],
        options={"maxiter": 300, "ftol": 1e-7},
    ).x
    excess = max(np.abs(matrix.T @ found).max(), np.sqrt(squares(found)).max() / weight, 1)
    return float(found @ gain / excess)


@pytest.mark.parametrize("weight", [0.2, 0.5, 4.0])
def test_the_minimum_is_that_of_a_generic_solver(weight: float) -> None:
    difference = picture()
    bound = lower_bound(difference, weight)
    found = objective(minimise(difference, weight, tolerance=1e-5), difference, weight)
    assert bound > 0.1
    assert bound * (1 - 1e-6) <= found <= bound * (1 + 1e-3)


def test_large_pictures_settle_too() -> None:
    """From the smaller picture on, or from the picture itself with a finer tolerance."""
    generator = np.random.default_rng(0)
    difference = generator.normal(0, 0.1, (130, 140)).astype(np.float32)
    difference[40:90, 50:120] += 0.5
    found = objective(minimise(difference), difference)
    best = objective(minimise(difference, tolerance=1e-5), difference)
    assert best <= found * (1 + 1e-6)
    assert found <= best * (1 + 1e-3)


def test_a_gradient_and_its_transpose() -> None:
    generator = np.random.default_rng(0)
    y, rows, columns = generator.normal(size=(3, 9, 11))
    of_rows, of_columns = gradient(y)
    expected = (of_rows * rows).sum() + (of_columns * columns).sum()
    assert (gradient_transposed(rows, columns) * y).sum() == pytest.approx(expected)


def test_the_objective_by_hand() -> None:
    y = np.array([[0, 3], [4, 0]], np.float32)
    # At (0, 0) a gradient of (4, 3), at (0, 1) of (-3, 0), at (1, 0) of (0, -4).
    assert objective(y, y, 2) == pytest.approx(2 * (5 + 3 + 4))
    assert objective(y, y - 1, 0) == pytest.approx(4)
