from pathlib import Path

import numpy as np
import pytest
import torch

from piafusion.errors import SizeMismatchError, TrainingError
from piafusion.imaging.io import write_image
from piafusion.lab.training.data import CropSampler, TrainingPairs, hold_apart, load_training_pairs
from tests.conftest import scene


def numbered(count: int = 3, height: int = 40, width: int = 50) -> TrainingPairs:
    """Pairs whose pixels tell where they are: rows in infrared and red, columns in green."""
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    visible = [
        torch.stack([rows, columns, torch.full_like(rows, index)], dim=2) for index in range(count)
    ]
    days = [float(index % 2) for index in range(count)]
    return TrainingPairs.from_pictures(
        [rows] * count, visible, days, [str(i) for i in range(count)]
    )


def test_pairs_are_read_with_their_light(pair_folders: tuple[Path, Path]) -> None:
    pairs = load_training_pairs(pair_folders[0].parent)
    assert pairs.stems == ["1D", "2N", "3N"]
    assert pairs.is_day.tolist() == [1, 0, 0]
    infrared, visible = scene(seed=0)
    np.testing.assert_array_equal(pairs.picture(0)[0], infrared)
    np.testing.assert_array_equal(pairs.picture(0)[1], visible)
    last = pairs.select([2])
    assert last.stems == ["3N"]
    assert torch.equal(last.picture(0)[1], pairs.picture(2)[1])


def test_pairs_that_cannot_be_used(tmp_path: Path) -> None:
    write_image(tmp_path / "ir" / "a.png", scene()[0])
    write_image(tmp_path / "vi" / "a.png", scene()[1])
    with pytest.raises(TrainingError, match=r"ends in D \(day\) or N \(night\), found 'a'"):
        load_training_pairs(tmp_path)
    for folder, image in (("ir", scene()[0]), ("vi", scene(40)[1])):
        write_image(tmp_path / "b" / folder / "1D.png", image)
    with pytest.raises(SizeMismatchError, match="64x48"):
        load_training_pairs(tmp_path / "b")


def test_random_crops_are_aligned_whole_and_repeatable() -> None:
    sampler = CropSampler(numbered(), size=16, batch=8, seed=3, sampling="random")
    batch = sampler(5)
    assert batch.infrared.shape == (8, 1, 16, 16)
    assert batch.visible.shape == (8, 3, 16, 16)
    torch.testing.assert_close(batch.infrared[:, 0], batch.visible[:, 0])  # rows agree
    steps = (batch.visible * 255).round()
    assert set((steps[:, 0, 1:] - steps[:, 0, :-1]).unique().tolist()) == {-1.0, 1.0}  # flips
    assert set((steps[:, 1, :, 1:] - steps[:, 1, :, :-1]).unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(batch.is_day, (steps[:, 2, 0, 0] % 2))
    again = CropSampler(numbered(), size=16, batch=8, seed=3, sampling="random")(5)
    torch.testing.assert_close(again.visible, batch.visible)
    assert not torch.equal(sampler(6).visible, batch.visible)


def test_a_grid_epoch_shows_each_patch_once() -> None:
    sampler = CropSampler(numbered(), size=16, batch=2, seed=0, sampling="grid")
    assert sampler.steps_per_epoch == 3 * (2 * 3) // 2
    corners = []
    for epoch in range(2):
        seen = [
            tuple((patch[:, 0, 0] * 255).round().int().tolist())
            for step in range(sampler.steps_per_epoch)
            for patch in sampler(epoch * sampler.steps_per_epoch + step).visible
        ]
        expected = {(row, column, i) for row in (0, 16) for column in (0, 16, 32) for i in range(3)}
        assert len(seen) == len(set(seen))
        assert set(seen) == expected
        corners.append(seen)
    assert corners[0] != corners[1]  # in another order


def test_luminance_of_a_batch() -> None:
    batch = CropSampler(numbered(), size=8, batch=1, seed=0, sampling="grid")(0)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    torch.testing.assert_close(batch.luminance[0, 0], (batch.visible[0] * weights).sum(0))


def test_crops_that_do_not_fit() -> None:
    with pytest.raises(TrainingError, match="50x40 is smaller than the crop of 64x64"):
        CropSampler(numbered(), size=64, batch=1, seed=0, sampling="random")
    with pytest.raises(TrainingError, match="at least 99 patches for one batch, found 18"):
        CropSampler(numbered(), size=16, batch=99, seed=0, sampling="grid")


def test_crops_from_pictures_of_different_sizes() -> None:
    wide, tall = numbered(1, 20, 90), numbered(1, 70, 16)
    pairs = TrainingPairs.from_pictures(
        [wide.picture(0)[0], tall.picture(0)[0]],
        [wide.picture(0)[1], tall.picture(0)[1]],
        [1.0, 0.0],
        ["1D", "2N"],
    )
    sampler = CropSampler(pairs, size=16, batch=6, seed=0, sampling="random")
    batch = sampler(0)
    for crop, visible in zip(sampler.crops(0), (batch.visible * 255).round(), strict=True):
        corner = visible[:2, -1 if crop.flip_rows else 0, -1 if crop.flip_columns else 0]
        assert corner.tolist() == [crop.top, crop.left]
    assert sampler.describe(0).startswith(f"{pairs.stems[sampler.crops(0)[0].pair]} at row ")


def test_processes_share_a_batch() -> None:
    sampler = CropSampler(numbered(), size=16, batch=6, seed=0, sampling="random")
    whole, shares = sampler(3), [sampler(3, rank, 2) for rank in range(2)]
    for rank, share in enumerate(shares):
        assert torch.equal(share.visible, whole.visible[rank::2])
        assert torch.equal(share.is_day, whole.is_day[rank::2])


def test_whole_blocks_of_each_light_are_held_apart() -> None:
    stems = ["001D", "005D", "100D", "104D", "108N", "112N", "300D", "400N", "404N", "a_N"]
    held = [stems[index] for index in hold_apart(stems, every=2)]
    assert held == ["100D", "104D", "400N", "404N"]
    assert [stems[index] for index in hold_apart(stems, every=1)] == [*stems[2:4], *stems[6:]]
    assert hold_apart(stems, every=0) == []
    with pytest.raises(TrainingError, match="2 blocks of neighbouring stems by day"):
        hold_apart(["1D", "2D", "3N", "50N"], every=4)
