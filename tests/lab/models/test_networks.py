import math

import pytest
import torch
from torch import nn

from piafusion.errors import UsageError, WeightsError
from piafusion.lab.models import build, dump, load
from piafusion.lab.models.blocks import infrared_share, leaky
from piafusion.lab.models.folding import fold
from piafusion.lab.models.mixing import MixingFusionNet, MixingFusionSizes
from piafusion.lab.models.paper import IlluminationNet, ProgressiveFusionNet
from tests.tolerances import FLOAT32, FLOAT32_SUMS

FUSION = [MixingFusionNet, ProgressiveFusionNet]


def conv_parameters(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel * kernel + outputs


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_paper_has_the_parameters_of_table_1() -> None:
    stems = 2 * conv_parameters(1, 16, 1)  # one per modality
    shared = sum(conv_parameters(i, o, 3) for i, o in ((16, 16), (16, 32), (32, 64), (64, 128)))
    decoder = sum(
        conv_parameters(i, o, 3) for i, o in ((256, 256), (256, 128), (128, 64), (64, 32))
    )
    by_hand = stems + shared + decoder + conv_parameters(32, 1, 1)
    assert by_hand == 1_076_785
    assert parameters(ProgressiveFusionNet()) == by_hand


def test_the_mixing_networks_have_the_parameters_counted_by_hand() -> None:
    for name, width, layers in (("piafusion-fast", 32, 2), ("piafusion", 48, 5)):
        stems = 2 * conv_parameters(1, width, 12)
        residual = layers * conv_parameters(width, width, 3)
        by_hand = stems + residual + conv_parameters(width, 2 * 4 * 4, 3)
        assert parameters(build(name)) == by_hand


def test_illumination_has_the_parameters_of_figure_4() -> None:
    convolutions = sum(
        conv_parameters(i, o, 4) for i, o in ((3, 16), (16, 32), (32, 64), (64, 128))
    )
    by_hand = convolutions + (128 * 128 + 128) + (128 * 2 + 2)
    assert by_hand == 189_810
    assert parameters(IlluminationNet()) == by_hand


@torch.no_grad()
def test_without_cmdaf_the_streams_meet_in_the_decoder_alone() -> None:
    torch.manual_seed(0)
    network = build("paper", cmdaf="none").eval()
    assert isinstance(network, ProgressiveFusionNet)
    assert parameters(network) == 1_076_785  # CMDAF has none
    assert fold(network) is network
    ir, vi = images(1, 1, 9, 12), images(1, 1, 9, 12, seed=1)
    streams = []
    for picture, stem in ((ir, network.infrared_stem), (vi, network.visible_stem)):
        features = leaky(stem(picture))
        for layer in network.encoder:
            features = leaky(layer(features))
        streams.append(features)
    features = torch.cat(streams, dim=1)
    for layer in network.decoder:
        features = leaky(layer(features))
    by_hand = (torch.tanh(network.head(features)) + 1) / 2
    found = load(dump("paper", network)).eval()(ir, vi)
    torch.testing.assert_close(found, by_hand, atol=FLOAT32, rtol=0)
    network.cmdaf = "printed"
    assert (network(ir, vi) - by_hand).abs().max() > 10 * FLOAT32


@pytest.mark.parametrize("network", FUSION)
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (16, 31), (33, 8)])
def test_fusion_keeps_any_size_and_the_range(
    network: type[nn.Module], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    fused = network().eval()(images(2, 1, *size), images(2, 1, *size, seed=1))
    assert fused.shape == (2, 1, *size)
    assert fused.min() >= 0
    assert fused.max() <= 1


@pytest.mark.parametrize("network", FUSION)
def test_gradients_reach_every_parameter(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    fusion = network()
    fusion(images(1, 1, 16, 20), images(1, 1, 16, 20, seed=1)).square().mean().backward()
    without = [n for n, p in fusion.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_illumination_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    network = IlluminationNet()
    network.logits(images(2, 3, 32, 32))[:, 0].sum().backward()
    network.logits(images(2, 3, 32, 32))[:, 1].square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@torch.no_grad()
def test_paper_encoder_is_really_shared() -> None:
    """With equal stems, exchanged inputs give the same picture only if the layers are shared.

    Both streams then compute the same function, so equal inputs must give equal features; the
    decoder sees them concatenated in order, hence the hook instead of the output.
    """
    torch.manual_seed(0)
    network = ProgressiveFusionNet().eval()
    network.infrared_stem.load_state_dict(network.visible_stem.state_dict())
    seen = []
    network.decoder[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    one, other = images(1, 1, 16, 16), images(1, 1, 16, 16, seed=1)
    network(one, other)
    network(other, one)
    infrared_half, visible_half = seen[0].chunk(2, dim=1)
    swapped_infrared_half, swapped_visible_half = seen[1].chunk(2, dim=1)
    torch.testing.assert_close(infrared_half, swapped_visible_half)
    torch.testing.assert_close(visible_half, swapped_infrared_half)
    # and a change of one layer shows in both streams
    network.encoder[3].weight.add_(0.01)
    network(one, other)
    for half, changed in zip((infrared_half, visible_half), seen[2].chunk(2, dim=1), strict=True):
        assert not torch.allclose(half, changed)


@torch.no_grad()
def test_paper_exchanges_after_layers_2_3_and_4_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from piafusion.lab.models import paper

    widths = []
    real = paper.exchange_differences

    def spy(*features: torch.Tensor, **_: object) -> tuple[torch.Tensor, torch.Tensor]:
        widths.append(features[0].shape[1])
        return real(*features)

    monkeypatch.setattr(paper, "exchange_differences", spy)
    ProgressiveFusionNet().eval()(images(1, 1, 8, 8), images(1, 1, 8, 8))
    assert widths == [16, 32, 64]


@pytest.mark.parametrize("cmdaf", ["printed", "released", "none"])
def test_the_paper_network_trains_as_it_answers(cmdaf: str) -> None:
    torch.manual_seed(0)
    network = ProgressiveFusionNet(cmdaf)
    pair = images(2, 1, 9, 12), images(2, 1, 9, 12, seed=1)
    found = []
    for training in (True, False):
        network.train(training).zero_grad()
        fused = network(*pair)
        fused.square().sum().backward()
        found.append([fused.detach(), *(each.grad.clone() for each in network.parameters())])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_kinds_of_cmdaf_differ_and_survive_saving() -> None:
    pair = images(1, 1, 9, 12), images(1, 1, 9, 12, seed=1)
    answers = []
    for cmdaf in ("printed", "released", "none"):
        torch.manual_seed(0)
        network = build("paper", cmdaf=cmdaf).eval()
        answers.append(load(dump("paper", network)).eval()(*pair))
        assert torch.equal(answers[-1], network(*pair))
        torch.testing.assert_close(fold(network)(*pair), answers[-1], atol=FLOAT32_SUMS, rtol=0)
    assert len({answer.sum().item() for answer in answers}) == 3


@torch.no_grad()
def test_a_silent_head_takes_the_brighter_source_softly() -> None:
    network = MixingFusionNet().eval()
    network.head.weight.zero_()
    network.head.bias.zero_()
    infrared = torch.full((1, 1, 10, 11), 0.5)
    for step in (-0.4, -0.1, 0.0, 0.1, 0.4):
        share = 1 / (1 + math.exp(20 * step))  # of infrared, luminance being brighter by `step`
        expected = infrared + (1 - share) * step
        torch.testing.assert_close(network(infrared, infrared + step), expected)


@torch.no_grad()
def test_the_head_shifts_the_mix_and_corrects_it() -> None:
    network = MixingFusionNet().eval()
    network.head.weight.zero_()
    network.head.bias[:16] = 40.0  # weight 1: infrared alone, even where it is darker
    network.head.bias[16:] = 0.1
    infrared = 0.2 + 0.2 * images(1, 1, 8, 8)
    expected = infrared + 0.5 * torch.tanh(torch.tensor(0.1))
    torch.testing.assert_close(network(infrared, images(1, 1, 8, 8, seed=1)), expected)


@torch.no_grad()
def test_each_output_pixel_comes_from_its_own_channel_of_its_block() -> None:
    network = MixingFusionNet().eval()
    network.head.weight.zero_()
    network.head.bias.zero_()
    network.head.bias[16 + 4 * 2 + 3] = 0.3  # correction of row 2, column 3 of each block
    grey = torch.full((1, 1, 11, 9), 0.5)
    changed = (network(grey, grey) - grey).nonzero()[:, 2:].tolist()
    assert changed == [[2, 3], [2, 7], [6, 3], [6, 7], [10, 3], [10, 7]]


@torch.no_grad()
def test_illumination_gives_probabilities_for_any_size() -> None:
    torch.manual_seed(0)
    network = IlluminationNet().eval()
    for size in ((16, 16), (64, 64), (33, 47)):
        probabilities = network(images(3, 3, *size))
        assert probabilities.shape == (3, 2)
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
        assert probabilities.min() >= 0


@pytest.mark.parametrize("name", ["piafusion", "piafusion-fast", "paper", "illumination"])
def test_weights_survive_saving(name: str) -> None:
    network = build(name)
    copy = load(dump(name, network))
    assert type(copy) is type(network)
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(copy.state_dict()[key], tensor, atol=FLOAT32, rtol=0)


def test_networks_of_ones_own_size_survive_saving_and_only_ours_have_sizes() -> None:
    sizes = MixingFusionSizes(stride=2, window=6, width=8, residual_layers=1)
    network = build("piafusion-fast", sizes).eval()
    copy = load(dump("piafusion-fast", network)).eval()
    assert copy.sizes == sizes
    pair = images(1, 1, 13, 10), images(1, 1, 13, 10, seed=1)
    assert torch.equal(copy(*pair), network(*pair))
    with pytest.raises(UsageError, match="expected one of piafusion, piafusion-fast"):
        build("paper", sizes)


def test_unknown_or_damaged_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="piafusion-fast, piafusion-nano, paper"):
        build("resnet")
    whole = dump("illumination", IlluminationNet())
    of_another = dump("paper", IlluminationNet())
    for data in (b"", b"not weights at all", whole[:-100], whole[8:], of_another):
        with pytest.raises(WeightsError, match="expected the safetensors weights"):
            load(data)


@torch.no_grad()
def test_the_regional_network_starts_as_the_means_of_regions_and_knows_how_far_it_looks() -> None:
    network = build("piafusion-nano").eval()
    assert parameters(network) == conv_parameters(1, 16 * 16, 5)
    warm, cold = torch.full((1, 1, 96, 96), 0.55), torch.full((1, 1, 96, 96), 0.5)
    spot = cold.clone()
    spot[..., 48, 48] = 0.58  # a grain that is brighter than the warm region around it
    torch.testing.assert_close(network(warm, spot), warm, atol=FLOAT32, rtol=0)
    spot[..., 48, 48] = 1.0  # what differs strongly goes against its region
    assert network(warm, spot)[..., 48, 48] > 0.9
    spot = torch.full_like(cold, 0.2)
    spot[..., 48, 48] = 0.9  # a warm head before a bright street
    assert network(spot, cold)[..., 48, 48] > 0.85
    ir, vi = images(1, 1, 176, 176), images(1, 1, 176, 176, seed=1)
    share = infrared_share(torch.sub(*network.encode(ir, vi)))
    part = (..., slice(64, 144), slice(48, 144))
    inside = network(ir[part], vi[part], share)[..., 32:-32, 32:-32]
    expected = network(ir, vi, share)[..., 96:112, 80:112]
    torch.testing.assert_close(inside, expected, atol=FLOAT32, rtol=0)
