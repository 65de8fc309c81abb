import numpy as np

from piafusion.imaging.guided_filter import guided_filter


def test_guided_filter_is_what_its_definition_says():
    generator = np.random.default_rng(0)
    guide, source = generator.random((2, 12, 14), np.float32)
    radius, flatness = 2, 0.01
    padded = [np.pad(p.astype(float), 2 * radius, "symmetric") for p in (guide, source)]
    slope, offset = np.zeros((2, 16, 18))
    for row in range(16):
        for column in range(18):
            window = slice(row, row + 5), slice(column, column + 5)
            a, b = (p[window] for p in padded)
            slope[row, column] = ((a * b).mean() - a.mean() * b.mean()) / (a.var() + flatness)
            offset[row, column] = b.mean() - slope[row, column] * a.mean()
    inside = slice(4, 8), slice(4, 10)
    wanted = np.array(
        [
            [
                slope[row : row + 5, column : column + 5].mean() * guide[row, column]
                + offset[row : row + 5, column : column + 5].mean()
                for column in range(4, 10)
            ]
            for row in range(4, 8)
        ]
    )
    got = guided_filter(source, guide, radius, flatness)[inside]
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_the_fast_filter_is_near_the_exact_one_on_smooth_pictures():
    rows, columns = np.mgrid[:41, :60].astype(np.float32) / 60
    guide, plane = np.sin(4 * rows + columns), np.cos(3 * columns)
    exact = guided_filter(plane, guide, 4, 0.01)
    fast = guided_filter(plane, guide, 4, 0.01, shrink=2)
    assert fast.shape == exact.shape
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast[8:-8, 8:-8], exact[8:-8, 8:-8], atol=0.03)
