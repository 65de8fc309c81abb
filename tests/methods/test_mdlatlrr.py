import numpy as np
import pytest

from piafusion.errors import WeightsError
from piafusion.methods import WEIGHTS
from piafusion.methods.mdlatlrr import SIDE, fuse, nuclear_norms, read_projection, split
from piafusion.weights import load_manifest

PIXELS = SIDE * SIDE


def planes(height: int = 45, width: int = 61) -> tuple[np.ndarray, np.ndarray]:
    infrared, luminance = np.random.default_rng(0).random((2, height, width), np.float32)
    return infrared, luminance


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (70, 33)])
def test_windows_are_put_back_where_they_were_cut(size: tuple[int, int]) -> None:
    """With L = 1 all is detail, with L = 1/2 one half."""
    sources = planes(*size)
    for share in (1.0, 0.5):
        level = split(*sources, (share * np.eye(PIXELS)).astype(np.float32))
        for part, source in zip((level.infrared, level.luminance), sources, strict=True):
            np.testing.assert_allclose(part, share * source, atol=1e-5)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_parts_sum_back_to_the_source(levels: int) -> None:
    source = planes()[0]
    projection = read_projection()
    base, details = source, np.zeros_like(source)
    for _ in range(levels):
        level = split(base, base, projection)
        np.testing.assert_allclose(level.fused, level.infrared, atol=1e-5)
        details += level.infrared
        base = base - level.infrared
    np.testing.assert_allclose(base + details, source, atol=1e-5)
    np.testing.assert_allclose(fuse(source, source, projection, levels=levels), source, atol=1e-5)
    assert np.abs(details).mean() > 0.01


def test_without_detail_the_bases_are_averaged() -> None:
    infrared, luminance = planes()
    fused = fuse(infrared, luminance, np.zeros((PIXELS, PIXELS), np.float32))
    np.testing.assert_allclose(fused, (infrared + luminance) / 2, atol=1e-6)


def test_detail_is_weighted_by_nuclear_norms() -> None:
    """One window: the weights by NumPy's singular values."""
    infrared, luminance = planes(SIDE, SIDE)
    infrared *= 0.3
    level = split(infrared, luminance, np.eye(PIXELS, dtype=np.float32))
    one, other = (np.linalg.svd(plane)[1].sum() for plane in (infrared, luminance))
    expected = (one * infrared + other * luminance) / (one + other)
    np.testing.assert_allclose(level.fused, expected, atol=1e-4)


def test_nuclear_norms_are_sums_of_singular_values() -> None:
    windows = np.random.default_rng(1).normal(size=(PIXELS, 5, 7)).astype(np.float32)
    norms = nuclear_norms(windows)
    assert norms.shape == (5, 7)
    for row, column in ((0, 0), (2, 4), (4, 6)):
        values = np.linalg.svd(windows[:, row, column].reshape(SIDE, SIDE))[1]
        assert norms[row, column] == pytest.approx(values.sum(), rel=1e-3)
        # The next one, which is left out, has the same.
        assert norms[row, min(column + 1, 6)] == norms[row, column]


def test_the_projection_is_shipped_with_its_origin() -> None:
    projection = read_projection()
    assert projection.shape == (PIXELS, PIXELS)
    assert np.isfinite(projection).all()
    # It takes out no mean grey level, but half a pixel's own value and more.
    assert np.abs(projection.sum(axis=1)).max() < 1
    record = load_manifest(WEIGHTS)["mdlatlrr"]
    assert record.training["command"] == "piafusion train method mdlatlrr msrs/train"
    assert record.training["pairs"] == 211
    assert len(record.training["data_sha256"]) == 64


def test_a_damaged_projection_is_an_error(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in WEIGHTS.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-1])
    (tmp_path / "manifest.json").write_bytes((WEIGHTS / "manifest.json").read_bytes())
    monkeypatch.setattr("piafusion.methods.mdlatlrr.WEIGHTS", tmp_path)
    with pytest.raises(WeightsError, match="damaged or altered"):
        read_projection()
