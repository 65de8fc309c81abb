import math

import pytest
import torch

from piafusion.lab.models.blocks import conv, exchange_differences, infrared_share, leaky, mix
from tests.tolerances import FLOAT32, FLOAT32_SUMS


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_exchange_on_one_pixel_is_equation_5_by_hand() -> None:
    infrared = torch.full((1, 1, 1, 1), 3.0)
    visible = torch.full((1, 1, 1, 1), 1.0)
    # difference 2: F_ir + sigmoid(1 - 3) * (1 - 3) and F_vi + sigmoid(3 - 1) * (3 - 1)
    to_infrared, to_visible = exchange_differences(infrared, visible)
    assert to_infrared.item() == pytest.approx(3 - 2 * sigmoid(-2), abs=FLOAT32)
    assert to_visible.item() == pytest.approx(1 + 2 * sigmoid(2), abs=FLOAT32)


def test_exchange_weighs_each_channel_by_its_mean_difference() -> None:
    infrared = torch.tensor([[[[1.0, 5.0]], [[0.0, 0.0]]]])  # 1 x 2 x 1 x 2
    visible = torch.tensor([[[[0.0, 2.0]], [[4.0, 0.0]]]])
    to_infrared, to_visible = exchange_differences(infrared, visible)
    # channel 0: differences 1, 3, mean 2; channel 1: differences -4, 0, mean -2
    first, second = sigmoid(2), sigmoid(-2)
    expected_visible = [[0 + first * 1, 2 + first * 3], [4 + second * -4, 0.0]]
    expected_infrared = [[1 - second * 1, 5 - second * 3], [0 + first * 4, 0.0]]
    assert to_visible[0, :, 0].tolist() == [
        pytest.approx(row, abs=FLOAT32) for row in expected_visible
    ]
    assert to_infrared[0, :, 0].tolist() == [
        pytest.approx(row, abs=FLOAT32) for row in expected_infrared
    ]


def test_exchange_leaves_equal_features_alone_and_mirrors() -> None:
    features, other = torch.randn(2, 1, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    same, also_same = exchange_differences(features, features)
    assert torch.equal(same, features)
    assert torch.equal(also_same, features)
    to_infrared, to_visible = exchange_differences(features, other)
    swapped_infrared, swapped_visible = exchange_differences(other, features)
    torch.testing.assert_close(to_infrared, swapped_visible)
    torch.testing.assert_close(to_visible, swapped_infrared)


def test_the_exchange_as_printed_gives_both_modalities_the_same() -> None:
    infrared, visible = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    difference = infrared - visible
    common = mix(visible, difference, infrared_share(difference))
    for features in exchange_differences(infrared, visible):
        torch.testing.assert_close(features, common, atol=FLOAT32_SUMS, rtol=0)
    assert not torch.allclose(common, visible, atol=0.1)


def test_the_exchange_as_released_reverses_what_it_adds_and_doubles_the_difference() -> None:
    infrared, visible = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    printed = exchange_differences(infrared, visible)
    released = exchange_differences(infrared, visible, "released")
    for before, one, other in zip((infrared, visible), printed, released, strict=True):
        torch.testing.assert_close(other - before, before - one)
    torch.testing.assert_close(released[0] - released[1], 2 * (infrared - visible))
    assert exchange_differences(infrared, visible, "none") == (infrared, visible)


def test_leaky_slope() -> None:
    assert leaky(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([-0.2, 2.0])


def test_conv_keeps_a_constant_picture_constant_up_to_its_border() -> None:
    filtered = conv(1, 1)(torch.ones(1, 1, 5, 7))
    assert filtered.shape == (1, 1, 5, 7)
    torch.testing.assert_close(filtered, filtered[..., :1, :1].expand_as(filtered))
