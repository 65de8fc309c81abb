"""The network that says where infrared belongs into the picture."""

from __future__ import annotations

import pytest
import torch

from piafusion.lab.models.mixing import MixingFusionNet, MixingFusionSizes
from piafusion.lab.models.natural import (
    ContextNet,
    Judgement,
    NaturalFusionNet,
    extend,
    sharpen,
    weight_at,
)


def _pair(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    infrared, luminance = torch.rand(2, 1, 1, height, width, generator=generator)
    return infrared, luminance


def _network() -> NaturalFusionNet:
    torch.manual_seed(0)
    mixing = MixingFusionNet(MixingFusionSizes(width=8, residual_layers=1))
    context = ContextNet()
    with torch.no_grad():  # so that places differ
        context.fine_head.weight.mul_(100)
    return NaturalFusionNet(mixing, context).eval()


def test_the_weight_rises_with_the_strength_everywhere() -> None:
    share = torch.linspace(0, 1.5, 40).view(1, 1, 5, 8)
    weights = torch.stack([weight_at(s / 20, share) for s in range(21)])
    assert (weights.diff(dim=0) >= -1e-6).all()
    assert weights.diff(dim=0).max() < 0.16  # no jumps: a step of a twentieth
    assert (weights[0] == 0).all()
    torch.testing.assert_close(weights[10], share)
    torch.testing.assert_close(weights[20], share.clamp(min=1))


def test_a_cool_target_in_good_light_gets_more_than_all_and_one_in_the_dark_all() -> None:
    sure, heat = torch.full((1, 1, 1, 2), 20.0), torch.tensor([[[[0.2, 1.0]]]])
    by_day, by_night = Judgement(sure, -sure, heat), Judgement(sure, sure, heat)
    torch.testing.assert_close(by_day.share(1.0), torch.tensor([[[[1.65, 0.85]]]]))
    torch.testing.assert_close(by_night.share(1.0), torch.ones(1, 1, 1, 2))
    torch.testing.assert_close(Judgement(-sure, -sure, heat).share(1.0), torch.zeros(1, 1, 1, 2))


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (33, 40), (8, 9)])
def test_any_size_and_the_ends_of_the_dial(size: tuple[int, int]) -> None:
    network = _network()
    infrared, luminance = _pair(*size)
    with torch.inference_mode():
        visible = network(infrared, luminance, 0.0)
        complete = network(infrared, luminance, 1.0)
        mixed = network.mixing(infrared, luminance)
        share = network.context(infrared, luminance).share(network.gain)
    assert visible.shape == infrared.shape
    torch.testing.assert_close(visible, luminance)
    if share.max() <= 1:
        torch.testing.assert_close(complete, mixed)


def test_the_picture_goes_one_way_from_the_visible_to_the_complete() -> None:
    network = _network()
    pair = _pair(64, 64)
    with torch.inference_mode():
        frames = torch.stack([network(*pair, s / 10) for s in range(11)])
    steps = frames.diff(dim=0)
    assert ((steps >= -1e-5).all(dim=0) | (steps <= 1e-5).all(dim=0)).all()
    assert steps.abs().amax(dim=(1, 2, 3, 4)).min() > 0.01


def test_what_is_warm_stands_out_at_the_edges_of_the_infrared() -> None:
    infrared, luminance = torch.zeros(1, 1, 64, 64), torch.full((1, 1, 64, 64), 0.5)
    infrared[..., 20:40, 30:40] = 1.0
    context = ContextNet().eval()
    with torch.no_grad():
        for head in (context.head, context.fine_head):
            head.weight.zero_()
        context.head.bias.zero_()
        context.fine_head.bias.copy_(torch.tensor([40.0, -20.0, -20.0]))
        share = context(infrared, luminance).share(0.0)
    assert share[0, 0, 10:20, 15:20].min() > 0.84
    share[0, 0, 10:20, 15:20] = 0
    assert share.max() < 0.01


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (2, 33)])
def test_halved_pictures_are_extended_to_whole_steps(size: tuple[int, int]) -> None:
    half = torch.rand(1, 1, size[0] // 2, size[1] // 2)
    extended = extend(half, size)
    rows, columns = extended.shape[-2:]
    assert rows % 16 == 0
    assert columns % 16 == 0
    assert size[0] <= 2 * (rows - 16) < size[0] + 32
    assert size[1] <= 2 * (columns - 16) < size[1] + 32
    inner = extended[..., 8 : 8 + half.shape[-2], 8 : 8 + half.shape[-1]]
    torch.testing.assert_close(inner, half)
    torch.testing.assert_close(extended[..., :8, 8], half[..., :1, 0].expand(1, 1, 8))


def test_sharpened_answers_are_more_decided() -> None:
    torch.manual_seed(1)
    context = ContextNet().eval()
    pair = _pair(64, 64)
    with torch.inference_mode():
        before = context(*pair)
    sharpen(context, targets=2, light=3)
    with torch.inference_mode():
        after = context(*pair)
    torch.testing.assert_close(after.targets, 2 * before.targets, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after.light, 3 * before.light, rtol=1e-4, atol=1e-4)
