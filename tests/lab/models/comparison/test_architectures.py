"""Layers counted by hand, sizes kept, and what folding does to batch normalisation."""

from typing import cast

import pytest
import torch
from torch import nn

from piafusion.lab.models import build, dump, load
from piafusion.lab.models.comparison import COMPARISON, ComparisonNet, NormedConv
from piafusion.lab.models.comparison._terms import PictureNormedConv
from piafusion.lab.models.comparison.densefuse import DenseFuseNet, by_activity, by_addition
from piafusion.lab.models.comparison.drf import DisentangledNet
from piafusion.lab.models.comparison.fusiongan import FusionGanNet
from piafusion.lab.models.comparison.ifcnn import IfcnnNet, filters
from piafusion.lab.models.folding import fold
from tests.lab.models.test_networks import images, parameters
from tests.tolerances import FLOAT32_SUMS

each_network = pytest.mark.parametrize("name", COMPARISON)


def weights(inputs: int, outputs: int, kernel: int = 3, *, normed: bool = False) -> int:
    """Weights and biases of a layer, and the scales and shifts after it."""
    return (inputs * kernel**2 + 1 + 2 * normed) * outputs


def scaled(inputs: int, outputs: int, kernel: int = 3) -> int:
    """Weights of a layer without biases, and the scales and shifts after it."""
    return (inputs * kernel**2 + 2) * outputs


def network_of(name: str) -> ComparisonNet:
    torch.manual_seed(0)
    return cast(ComparisonNet, build(name).eval())


PMGI_PATH = (
    scaled(3, 16, 5) + sum(scaled(16 * seen, 16) for seen in (1, 3, 4)) + 2 * scaled(32, 16, 1)
)
CSF_CODER = (
    weights(1, 16, 5)
    + weights(16, 24, 5)
    + 2 * weights(24, 24, 5)
    + weights(24, 16, 5)
    + 2 * weights(16, 16, 5)
    + weights(16, 1, 5)
)
CSF_CLASSIFIER = weights(24, 32, 5) + weights(32, 64, 5) + weights(64, 32, 5) + weights(32, 2, 5)
DRF_ENCODERS = (
    weights(1, 16) + weights(16, 32) + weights(32, 64) + 2 * weights(64, 64)  # the scene's own
    + weights(1, 16, 4) + weights(16, 32, 4) + weights(32, 64, 4) + 2 * (64 + 1) * 8
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "densefuse",
            sum(weights(*sides) for sides in ((1, 16), (16, 16), (32, 16), (48, 16)))
            + sum(weights(*sides) for sides in ((64, 64), (64, 32), (32, 16), (16, 1))),
        ),
        (
            "drf",
            2 * DRF_ENCODERS
            + 2 * weights(64, 64)  # shared by both scenes
            + weights(64 + 8, 64)
            + 2 * weights(64, 64)
            + sum(weights(*sides) for sides in ((64, 32), (32, 16), (32, 32), (32, 16), (16, 1))),
        ),
        ("csf", CSF_CODER + CSF_CLASSIFIER),
        (
            "ifcnn",
            64 * 7**2 + 2 * weights(64, 64, normed=True) + weights(64, 1, 1),
        ),
        ("pmgi", 2 * PMGI_PATH + weights(128, 1, 1)),
        (
            "u2fusion",
            weights(2, 44)
            + sum(weights(44 * seen, 44) for seen in range(1, 6))
            + sum(weights(*sides) for sides in ((264, 128), (128, 64), (64, 32), (32, 1))),
        ),
    ],
)
def test_parameters_by_hand(name: str, expected: int) -> None:
    assert parameters(network_of(name)) == expected


def test_parameters_of_both_players_by_hand() -> None:
    network = cast(FusionGanNet, network_of("fusiongan"))
    layers = ((2, 256, 5), (256, 128, 5), (128, 64, 3), (64, 32, 3))
    expected = sum(scaled(*layer) for layer in layers) + weights(32, 1, 1)
    assert parameters(network.generator) == expected
    pairs = ((32, 64), (64, 128), (128, 256))
    judged = weights(1, 32) + sum(weights(*sides, normed=True) for sides in pairs) + 256 + 1
    assert parameters(network.discriminator) == judged


@each_network
@torch.no_grad()
def test_size_is_kept_and_the_batch_does_not_matter(name: str) -> None:
    network = network_of(name)
    for size in ((8, 8), (9, 31)):
        infrared, luminance = images(2, 1, *size), images(2, 1, *size, seed=1)
        fused = network(infrared, luminance)
        assert fused.shape == infrared.shape
        assert torch.isfinite(fused).all()
        one = network(infrared[1:], luminance[1:])
        torch.testing.assert_close(fused[1:], one, atol=FLOAT32_SUMS, rtol=0)


@each_network
def test_weights_survive_being_saved(name: str) -> None:
    network = network_of(name)
    again = load(dump(name, network))
    assert type(again) is type(network)
    before, after = network.state_dict(), again.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@each_network
def test_a_step_on_the_loss_reaches_every_layer_and_lowers_it(name: str) -> None:
    network = network_of(name).train()
    infrared, luminance = images(2, 1, 24, 24), images(2, 1, 24, 24, seed=1)

    def loss() -> torch.Tensor:
        return network.losses(infrared, luminance, torch.Generator().manual_seed(0))["loss"]

    before = loss()
    before.backward()
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in learned)
    with torch.no_grad():
        slope = sum(float((p.grad**2).sum()) for p in learned if p.grad is not None)
        for parameter in learned:
            parameter -= 1e-3 * before.item() / slope * parameter.grad  # a thousandth less
    assert loss() < before


@torch.no_grad()
def test_folding_absorbs_batch_normalisation() -> None:
    network = network_of("ifcnn")
    generator = torch.Generator().manual_seed(0)
    for norm in [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]:
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    folded = fold(network)
    assert not any(isinstance(m, NormedConv | nn.BatchNorm2d) for m in folded.modules())
    pair = images(1, 1, 12, 17), images(1, 1, 12, 17, seed=1)
    torch.testing.assert_close(folded(*pair), network(*pair), atol=FLOAT32_SUMS, rtol=0)
    assert any(isinstance(module, NormedConv) for module in network.modules())  # left as it was


def test_a_picture_that_is_fused_is_normalised_by_itself() -> None:
    layer = PictureNormedConv(1, 4)
    batch = torch.cat((images(1, 1, 12, 16), 0.1 * images(1, 1, 12, 16, seed=1)))
    for answer, over in ((layer.train()(batch), (0, 2, 3)), (layer.eval()(batch), (2, 3))):
        torch.testing.assert_close(answer.mean(dim=over), torch.zeros_like(answer.mean(dim=over)))
        torch.testing.assert_close(
            answer.var(dim=over, correction=0), torch.ones_like(answer.mean(dim=over)), rtol=0.1,
            atol=0.1,
        )  # fmt: skip
    torch.testing.assert_close(layer(batch[1:]), answer[1:])


def test_filters_of_ifcnn_come_in_pairs() -> None:
    bank = filters()
    assert bank.shape == (64, 1, 7, 7)
    assert torch.equal(bank[32:], -bank[:32])
    assert bank[:30].sum(dim=(1, 2, 3)).abs().max() < 1e-6  # edges, lines and spots
    torch.testing.assert_close(bank[30:32].sum(dim=(1, 2, 3)), torch.ones(2))


def test_rules_of_densefuse_by_hand() -> None:
    three, one = torch.full((1, 2, 4, 5), 3.0), torch.full((1, 2, 4, 5), -1.0)
    assert torch.equal(by_addition(three, one), torch.ones_like(one))
    # activities 6 and 2: weights 3/4 and 1/4; 3 * 3/4 - 1/4
    torch.testing.assert_close(by_activity(three, one), torch.full_like(one, 2.0))
    torch.testing.assert_close(by_activity(one, three), by_activity(three, one))
    point = torch.zeros(1, 2, 5, 5)
    point[..., 2, 2] = 1.0  # shows in the activity of its 3x3 neighbours alone
    fused = by_activity(point, three[..., :1, :1].expand(1, 2, 5, 5) / 3)
    # at the point: activity 2/9 of infrared, 2 of visible
    assert fused[0, 0, 2, 2].item() == pytest.approx(1.0)
    assert fused[0, 0, 1, 1].item() == pytest.approx(1 - (2 / 9) / (2 / 9 + 2))
    assert fused[0, 0, 0, 0].item() == pytest.approx(1.0)


@torch.no_grad()
def test_both_rules_agree_where_the_sources_do() -> None:
    picture = images(1, 1, 12, 15)
    by_sum = cast(DenseFuseNet, network_of("densefuse"))
    by_norm = DenseFuseNet("l1").eval()
    by_norm.load_state_dict(by_sum.state_dict())
    alone = by_sum.decode(by_sum.encode(picture))
    for network in (by_sum, by_norm):
        torch.testing.assert_close(network(picture, picture), alone, atol=FLOAT32_SUMS, rtol=0)


@torch.no_grad()
def test_ifcnn_and_the_rules_do_not_care_which_source_is_which() -> None:
    pair = images(1, 1, 12, 15), images(1, 1, 12, 15, seed=1)
    for network in (network_of("ifcnn"), network_of("densefuse"), DenseFuseNet("l1").eval()):
        torch.testing.assert_close(
            network(*pair), network(*reversed(pair)), atol=FLOAT32_SUMS, rtol=0
        )
    sharp, flat = images(1, 1, 12, 15), torch.full((1, 1, 12, 15), 0.5)
    features = [cast(IfcnnNet, network_of("ifcnn")).extract(image) for image in (sharp, flat)]
    assert (torch.maximum(*features) >= features[0]).all()


@torch.no_grad()
def test_drf_generates_another_picture_for_another_attribute() -> None:
    network = cast(DisentangledNet, network_of("drf"))
    scene = network.scene(images(1, 1, 16, 16), 0)
    assert scene.fine.shape == (1, 16, 16, 16)
    assert scene.coarse.shape == (1, 64, 4, 4)
    one, other = (network.generate(scene, torch.full((1, 8), value)) for value in (-3.0, 3.0))
    assert one.shape == (1, 1, 16, 16)
    assert (one - other).abs().max() > 1e-4
