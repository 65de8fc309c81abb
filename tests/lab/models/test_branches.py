import pytest
import torch
from torch import nn

from piafusion.lab.models import MixingFusionNet, MixingFusionSizes
from piafusion.lab.models.branches import BranchedConv, merge, spread


@pytest.fixture
def network() -> MixingFusionNet:
    torch.manual_seed(0)
    return MixingFusionNet(MixingFusionSizes(stride=2, window=4, width=8, residual_layers=2)).eval()


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    infrared, luminance = torch.rand(2, 1, 1, 13, 17, generator=generator)
    return infrared, luminance


def test_spread_layers_start_as_the_function_that_they_replace(network, pair):
    before = network(*pair)
    spread(network)
    assert all(isinstance(layer, BranchedConv) for layer in network.residual)
    torch.testing.assert_close(network(*pair), before)


def test_merged_layers_answer_as_the_trained_branches(network, pair):
    spread(network)
    with torch.no_grad():
        for parameter in network.residual.parameters():
            parameter += 0.05 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
            )
    merged = merge(network)
    assert all(type(layer) is nn.Conv2d for layer in merged.residual)
    torch.testing.assert_close(merged(*pair), network(*pair))
    assert isinstance(network.residual[0], BranchedConv)  # it was a copy that was merged


def test_each_branch_is_trained(network, pair):
    spread(network)
    network.train()(*pair).sum().backward()
    assert all(parameter.grad is not None for parameter in network.residual.parameters())


def test_a_network_without_branches_is_merged_to_itself(network, pair):
    torch.testing.assert_close(merge(network)(*pair), network(*pair))
