import sys

import pytest
import torch

from piafusion.errors import MissingExtraError
from piafusion.lab.segmentation.networks import (
    BilateralJoin,
    BilateralNet,
    ChannelAttention,
    PoolingFusingBlock,
    ResidualBlock,
    SpatialAttention,
    build,
)
from piafusion.lab.segmentation.settings import resolve


def test_segformer_has_the_sizes_that_were_asked_for():
    network = build(resolve("segformer-full"), 0)
    assert (
        sum(each.numel() for each in network.parameters()) == 3_715_172
    )  # SegFormer-B0, 4 classes


@pytest.mark.parametrize("size", [(64, 64), (50, 67)])
def test_scores_have_the_size_of_the_picture(size):
    network = build(resolve("segformer-short"), 0).eval()
    assert network(torch.rand(1, 3, *size)).shape == (1, 4, *size)


def test_without_transformers_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.models.segformer", None)
    with pytest.raises(MissingExtraError, match=r"piafusion\[segmentation\]"):
        build(resolve("segformer-short"), 0)


def parameters(module: torch.nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def test_parameters_are_those_counted_by_hand():
    # A convolution has inputs x outputs x kernel weights, its normalisation two for each output.
    assert parameters(ResidualBlock(4, 4)) == 2 * (4 * 4 * 9 + 8)
    assert parameters(ResidualBlock(4, 8, stride=2)) == (4 * 8 * 9 + 16) + (8 * 8 * 9 + 16) + (
        4 * 8 + 16
    )
    assert parameters(ChannelAttention(6)) == 6 * 6 + 6
    assert parameters(SpatialAttention()) == 2 * 9 + 1
    assert parameters(PoolingFusingBlock(6)) == (12 * 6 + 12) + (6 * 6 + 12) + (6 * 6 * 9 + 12)
    join = (8 * 6 + 12) + (4 * 6 + 12) + (6 * 6 + 6) + 19 + 84 + 48 + 336
    assert parameters(BilateralJoin(8, 4, 6)) == join
    first = 2 * (4 * 4 * 9 + 8) + (4 * 4 + 8)
    second = (4 * 8 * 9 + 16) + (8 * 8 * 9 + 16) + (4 * 8 + 16)
    stem, stages = 3 * 4 * 9 + 8, first + second
    head = (6 * 6 * 9 + 12) + (6 * 5 + 5)
    assert parameters(BilateralNet(5, (4, 8), blocks=1, decoder=6)) == stem + stages + join + head


def test_by_default_the_backbone_has_the_widths_of_resnet_18():
    network = BilateralNet(4)
    weights = [
        module.weight
        for stage in network.stages
        for module in stage.modules()
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3)
    ]
    assert [weight.shape[0] for weight in weights] == [64] * 4 + [128] * 4 + [256] * 4 + [512] * 4


@pytest.mark.parametrize("size", [(32, 32), (50, 67), (33, 80)])
def test_bilateral_scores_have_the_size_of_the_picture(size):
    network = BilateralNet(4, (4, 8, 8, 8), blocks=1, decoder=4)
    scores = network(torch.rand(2, 3, *size))
    assert scores.shape == (2, 4, *size)
    assert torch.isfinite(scores).all()


def test_levels_halve_stage_by_stage():
    network = BilateralNet(4, (4, 8, 8), blocks=1, decoder=4).eval()
    seen = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[2:])))
    for join in network.joins:
        join.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[2:])))
    network(torch.rand(1, 3, 64, 96))
    assert seen == [(16, 24), (8, 12), (4, 6), (8, 12), (16, 24)]


def test_channel_attention_weighs_whole_channels():
    attention = ChannelAttention(2)
    torch.nn.init.zeros_(attention.weigh.weight)
    attention.weigh.bias.data = torch.tensor([0.0, torch.inf])
    features = torch.rand(1, 2, 3, 3)
    weighted = attention(features)
    assert torch.allclose(weighted[:, 0], features[:, 0] / 2)
    assert torch.equal(weighted[:, 1], features[:, 1])


def test_spatial_attention_weighs_all_channels_of_a_place_alike():
    features = torch.rand(1, 5, 6, 6) + 0.1
    shares = SpatialAttention()(features) / features
    assert torch.allclose(shares, shares[:, :1].expand_as(shares))
    assert shares.std() > 0
