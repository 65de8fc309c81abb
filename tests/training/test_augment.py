import numpy as np
import torch

from piafusion.training.augment import INFRARED, ToneRange, change_tone, draw_curves

IMAGES = torch.rand(64, 1, 4, 5, generator=torch.Generator().manual_seed(0))


def changed(share: float, tones: ToneRange = INFRARED) -> torch.Tensor:
    curves = draw_curves(tones, share, len(IMAGES), np.random.default_rng(0))
    return change_tone(IMAGES, curves)


def test_a_tone_curve_by_hand() -> None:
    square = ToneRange(log_gamma=(np.log(2), np.log(2)), gain=(0.5, 0.5), offset=(0.1, 0.1))
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
