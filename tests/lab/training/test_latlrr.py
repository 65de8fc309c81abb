from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import TrainingError
from piafusion.imaging.io import write_image
from piafusion.lab.training import latlrr
from piafusion.methods.mdlatlrr import SIDE, read_projection
from piafusion.weights import load_manifest
from tests.conftest import scene


@pytest.fixture
def root(pair_folders: tuple[Path, Path]) -> Path:
    return pair_folders[0].parent


def test_the_projection_solves_the_problem_without_a_rest() -> None:
    """Without E the solutions are Z = V W V' and L = U (1 - W) U'; their norms sum to the rank."""
    generator = np.random.default_rng(0)
    rank = 5
    x = generator.normal(size=(20, rank)) @ generator.normal(size=(rank, 40)) / 10
    projection, _ = latlrr.latent_projection(x, weight=1e3)
    left = np.linalg.svd(x)[0][:, :rank]
    inside = left.T @ projection @ left
    np.testing.assert_allclose(projection, left @ inside @ left.T, atol=1e-4)
    norms = (np.linalg.svd(part)[1].sum() for part in (inside, np.eye(rank) - inside))
    assert sum(norms) == pytest.approx(rank, abs=1e-3)


def test_patches_of_both_halves(root: Path) -> None:
    patches, pairs = latlrr.draw_patches(root, 40, seed=0)
    assert patches.shape == (SIDE * SIDE, 40)
    assert pairs == 3
    assert 0 <= patches.min() < patches.max() <= 1
    np.testing.assert_array_equal(patches, latlrr.draw_patches(root, 40, seed=0)[0])
    assert not np.array_equal(patches, latlrr.draw_patches(root, 40, seed=1)[0])


def test_pictures_smaller_than_a_patch_are_not_enough(tmp_path: Path) -> None:
    for name, image in zip(("ir", "vi"), scene(12, 40), strict=True):
        write_image(tmp_path / name / "1D.png", image)
    with pytest.raises(TrainingError, match="expected 2000 patches of 16x16 pixels, found 0"):
        latlrr.learn_into(tmp_path / "out", tmp_path)


def test_learned_by_command_and_read_again(
    piafusion, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latlrr, "PATCHES", 20)
    monkeypatch.setattr(latlrr, "latent_projection", lambda patches: (np.eye(SIDE * SIDE) / 2, 7))
    out = tmp_path / "weights"
    done = piafusion("train", "method", "mdlatlrr", root, "--output", out)
    assert done.code == 0, done.err
    assert f"projection: {out / 'mdlatlrr.npz'}" in done.out
    record = load_manifest(out)["mdlatlrr"]
    assert (record.training["steps"], record.training["pairs"]) == (7, 3)
    monkeypatch.setattr("piafusion.methods.mdlatlrr.WEIGHTS", out)
    np.testing.assert_array_equal(read_projection(), np.eye(SIDE * SIDE) / 2)


def test_only_what_learns_is_trained(piafusion, root: Path, tmp_path: Path) -> None:
    done = piafusion("train", "method", "gtf", root, "--output", tmp_path / "out")
    assert done.code == 2
    assert "expected a method that learns, mdlatlrr, densefuse, " in done.err
