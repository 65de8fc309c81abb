import pytest
import torch
from torch import nn

from piafusion.lab.models import (
    IlluminationNet,
    MixingFusionNet,
    MixingFusionSizes,
    ProgressiveFusionNet,
)
from piafusion.lab.models.folding import BranchedConv, fold, merge, spread
from tests.lab.models.test_networks import images, parameters
from tests.tolerances import FLOAT32_SUMS


@torch.no_grad()
def test_a_folded_paper_network_answers_alike_with_fewer_weights() -> None:
    torch.manual_seed(0)
    network = ProgressiveFusionNet().eval()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    folded = fold(network)
    for size in ((8, 9), (33, 20)):
        pair = images(2, 1, *size), images(2, 1, *size, seed=1)
        torch.testing.assert_close(folded(*pair), network(*pair), atol=FLOAT32_SUMS, rtol=0)
    assert parameters(network) - parameters(folded) == 128 * 256 * 9
    assert not folded.training
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_what_has_nothing_to_fold_is_left_alone() -> None:
    network = IlluminationNet()
    assert fold(network) is network


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
