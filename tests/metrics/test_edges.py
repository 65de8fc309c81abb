"""Orientation of gradients against NumPy's arc tangent."""

import numpy as np

from piafusion.metrics._edges import orientation, ratio

ROUNDING = 4e-7  # of the polynomial, and of float32 around pi/2


def test_orientation_is_the_arc_tangent() -> None:
    angles = np.linspace(-np.pi, np.pi, 100_001)
    for length in (1e-3, 1.0, 1e3):
        across, along = (
            np.float32(length) * f(angles).astype(np.float32) for f in (np.cos, np.sin)
        )
        expected = np.arctan(along.astype(np.float64) / across)
        np.testing.assert_allclose(orientation(across, along), expected, atol=ROUNDING)


def test_orientation_on_the_axes() -> None:
    across, along = np.array([[0, 0, 0, 1, -1, 1, -1], [0, 1, -1, 0, 0, 1, 1]], np.float32)
    expected = np.array([0, np.pi / 2, -np.pi / 2, 0, 0, np.pi / 4, -np.pi / 4])
    np.testing.assert_allclose(orientation(across, along), expected, atol=ROUNDING)


def test_ratio() -> None:
    one, other = np.array([[0, 0, 2, 4, 3], [0, 5, 4, 2, 3]], np.float32)
    assert ratio(one, other).tolist() == [0, 0, 0.5, 0.5, 1]
