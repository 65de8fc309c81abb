"""The network that judges targets and light, and the network that it stands beside."""

from __future__ import annotations

import pytest
import torch

from piafusion.errors import WeightsError
from piafusion.lab.models import build, dump, load
from piafusion.lab.models.context import ContextNet
from piafusion.lab.models.folding import fold
from piafusion.lab.models.mixing import MixingFusionNet, MixingFusionSizes


def _thumbnails(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 2, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (160, 32)])
def test_maps_have_half_the_size(size: tuple[int, int]) -> None:
    height, width = size
    assert ContextNet()(_thumbnails(height, width)).shape == (2, 3, height // 2, width // 2)


def test_untrained_nothing_is_a_target_and_all_is_lit() -> None:
    torch.manual_seed(0)
    steepness, height, light = ContextNet()(_thumbnails(64, 64)).chunk(3, dim=1)
    assert (steepness * 0.5 + height).max() < -1
    assert light.max() < -1


def test_the_light_depends_on_the_whole_scene() -> None:
    torch.manual_seed(0)
    network = ContextNet()
    with torch.no_grad():
        torch.nn.init.normal_(network.scene[1].weight)
    given = _thumbnails(32, 512).requires_grad_()
    network(given)[:1, 2, :, :8].sum().backward()
    assert given.grad is not None
    assert given.grad[0, :, :, 400:].abs().max() > 0  # far beyond what the other layers see


def test_a_fusion_network_is_saved_with_its_context() -> None:
    network = build("piafusion-fast", MixingFusionSizes(width=8, residual_layers=1), 160)
    again = load(dump("piafusion-fast", network))
    assert isinstance(again, MixingFusionNet)
    assert again.context_side == 160
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor)
    weights = dump("piafusion-fast", network).replace(
        b'"context_side":"160"', b'"context_side":"-60"'
    )
    with pytest.raises(WeightsError):
        load(weights)


def test_folding_absorbs_skips_and_keeps_the_answers() -> None:
    torch.manual_seed(0)
    network = MixingFusionNet(MixingFusionSizes(width=8, residual_layers=3)).eval()
    infrared, luminance = torch.rand(2, 1, 1, 29, 34, generator=torch.Generator().manual_seed(1))
    folded = fold(network)
    assert isinstance(folded, MixingFusionNet)
    assert (network.skips, folded.skips) == (True, False)
    torch.testing.assert_close(folded(infrared, luminance), network(infrared, luminance))
    assert fold(folded)(infrared, luminance).equal(folded(infrared, luminance))
