import numpy as np
import pytest
import torch

from piafusion.lab.training.augment import (
    INFRARED,
    CurveRanges,
    change_tone,
    draw_curves,
    draw_moves,
    inner,
)

IMAGES = torch.rand(64, 1, 4, 5, generator=torch.Generator().manual_seed(0))


def changed(share: float, tones: CurveRanges = INFRARED) -> torch.Tensor:
    curves = draw_curves(tones, share, len(IMAGES), np.random.default_rng(0))
    return change_tone(IMAGES, curves)


def test_a_tone_curve_by_hand() -> None:
    square = CurveRanges(log_gamma=(np.log(2), np.log(2)), gain=(0.5, 0.5), offset=(0.1, 0.1))
    torch.testing.assert_close(changed(1.0, square), 0.1 + 0.5 * IMAGES**2)


def test_the_share_decides_how_many_change() -> None:
    assert torch.equal(changed(0.0), IMAGES)
    different = (changed(0.5) != IMAGES).any(dim=3).any(dim=2)
    assert 20 < different.sum() < 44
    assert (changed(1.0) != IMAGES).any(dim=3).any(dim=2).all()


def test_range_and_order_of_values_are_kept() -> None:
    images = changed(1.0)
    assert images.min() >= 0
    assert images.max() <= 1
    ranks = IMAGES.flatten(1).argsort(dim=1)
    in_order = images.flatten(1).gather(1, ranks)
    assert (in_order.diff(dim=1) >= 0).all()


def test_moves_are_drawn_for_a_share_of_the_images():
    moves = draw_moves(3, 0.3, 10_000, np.random.default_rng(0))
    assert moves.min() == -3
    assert moves.max() == 3
    # A drawn move is no move at all once in 49.
    assert np.any(moves != 0, axis=1).mean() == pytest.approx(0.3 * 48 / 49, abs=0.02)


def test_inner_cuts_the_margin_and_moves_the_content():
    image = torch.arange(2 * 7 * 8, dtype=torch.float32).view(2, 1, 7, 8)
    still = inner(image, 2)
    moved = inner(image, 2, np.array([[0, 0], [1, -2]]))
    assert still.shape == (2, 1, 3, 4)
    assert torch.equal(still, image[..., 2:-2, 2:-2])
    assert torch.equal(moved[0], still[0])
    assert torch.equal(moved[1], image[1:2, 0, 1:4, 4:8])  # one row down, two columns left


def test_no_margin_leaves_the_images_as_they_are():
    image = torch.rand(2, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(inner(image, 0), image)
