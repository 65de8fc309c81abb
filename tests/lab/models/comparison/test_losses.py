"""The losses of the comparison methods on cases small enough to work out by hand."""

import math

import pytest
import torch
from torch.nn import functional

from piafusion.lab.models.comparison import (
    COMPARISON,
    _terms,
    csf,
    densefuse,
    drf,
    fusiongan,
    ifcnn,
    pmgi,
)
from piafusion.lab.models.comparison._terms import gaussian, laplacian, pad_to, squared_error, ssim
from piafusion.lab.models.comparison.u2fusion import TEMPERATURE, U2FusionNet, information_weights
from tests.lab.models.test_networks import images

DRAWS = torch.Generator()
SIMILARITY = 1e-3  # of flat pictures, whose variances are differences of nearly equal numbers


def flat(value: float, side: int = 12) -> torch.Tensor:
    return torch.full((1, 1, side, side), value)


def checks(height: float, side: int = 16) -> torch.Tensor:
    """A checkerboard of 0 and a height, a pixel a field."""
    at = torch.arange(side)
    return height * ((at[:, None] + at) % 2).float()[None, None]


def test_laplacian_and_error_by_hand() -> None:
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1.0
    assert laplacian(point)[0, 0, 2].tolist() == [0, 1, -4, 1, 0]
    assert not laplacian(flat(0.3)).abs().max() > 1e-6
    assert squared_error(torch.cat((flat(0.5), flat(0.1))), flat(0.2)).tolist() == pytest.approx(
        [0.09, 0.01]
    )


def test_similarity_by_hand() -> None:
    picture = images(2, 1, 16, 16)
    torch.testing.assert_close(ssim(picture, picture), torch.ones(2))
    # Of flat pictures the luminance term is left: (2 ab + c) / (a^2 + b^2 + c)
    expected = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    assert ssim(flat(0.5), flat(0.7)).item() == pytest.approx(expected, abs=SIMILARITY)
    assert ssim(checks(1), 1 - checks(1)).item() < -0.9


@pytest.mark.parametrize("name", COMPARISON)
def test_faint_structure_counts_alike_in_half_precision(name: str) -> None:
    """The loss of nearly flat pictures, whose detail is finer than the steps of bf16."""
    sources = [
        0.5 + 0.02 * functional.interpolate(images(2, 1, 8, 8, seed=seed), scale_factor=4)
        for seed in (1, 2)
    ]
    found = []
    for half in (False, True):
        torch.manual_seed(0)
        network = COMPARISON[name]()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss = network.losses(*sources, torch.Generator().manual_seed(0))["loss"]
        loss.backward()
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in network.parameters() if p.grad is not None]
        )
        found.append([loss.item(), norm.item()])
    assert found[1] == pytest.approx(found[0], rel=0.25)


def test_blurring_keeps_the_mean_and_padding_repeats() -> None:
    assert gaussian(flat(0.4), 5, 1.0).shape[2:] == (8, 8)
    torch.testing.assert_close(gaussian(flat(0.4), 5, 1.0), flat(0.4, 8))
    padded = pad_to(8, torch.arange(10.0).view(1, 1, 1, 10))
    assert padded.shape == (1, 1, 8, 16)
    assert padded[0, 0, 7].tolist() == [*range(10), *[9.0] * 6]
    assert pad_to(8, padded).shape == padded.shape


@pytest.mark.parametrize("module", [densefuse, csf])
def test_autoencoders_weigh_pixels_and_structure(module, monkeypatch) -> None:
    is_dense = module is densefuse
    kind = densefuse.DenseFuseNet if is_dense else csf.ClassificationSaliencyNet
    network = kind()
    monkeypatch.setattr(kind, "decode", lambda *_: torch.cat((flat(0.7), flat(0.3))))
    terms = network.losses(flat(0.5), flat(0.3), DRAWS)
    similar = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    pixels, structure = 0.04 / 2, (1 - similar) / 2  # the second picture is right
    assert terms["pixels"].item() == pytest.approx(pixels, abs=1e-6)
    assert terms["structure"].item() == pytest.approx(structure, abs=SIMILARITY)
    expected = pixels + 100 * terms["structure"].item()
    if not is_dense:
        expected = 25 * pixels + (terms["structure"] + terms["classification"]).item()
    assert terms["loss"].item() == pytest.approx(expected, abs=1e-4)


def test_pmgi_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(pmgi.PmgiNet, "forward", lambda *_: flat(0.5))
    terms = pmgi.PmgiNet().losses(flat(0.9), flat(0.2), DRAWS)
    assert terms["infrared_intensity"].item() == pytest.approx(0.16)
    assert terms["visible_intensity"].item() == pytest.approx(0.09)
    assert terms["loss"].item() == pytest.approx(10 * 0.16 + 3 * 0.09)
    edges = pmgi.PmgiNet().losses(flat(0.5), 0.5 + checks(0.1, 12) - 0.05, DRAWS)
    # Inside 0.4 squared, beside a border 0.3, in a corner 0.2.
    detail = (100 * 0.16 + 40 * 0.09 + 4 * 0.04) / 144
    assert edges["visible_gradient"].item() == pytest.approx(detail)
    assert edges["infrared_gradient"].item() == pytest.approx(0)
    assert edges["loss"].item() == pytest.approx(3 * 0.0025 + 100 * detail)


def test_information_decides_how_much_of_a_source_is_kept() -> None:
    assert information_weights(flat(0.1), flat(0.9)).tolist() == [[0.5, 0.5]]
    # Of 16x16 fields: inside 16, beside a border 9, in a corner 4; the coarser scales are flat.
    information = (14 * 14 * 16 + 4 * 14 * 9 + 4 * 4) / 256 / 5
    height = math.sqrt(TEMPERATURE * math.log(3) / information)
    weights = information_weights(checks(height), flat(0.5, 16))
    assert weights[0].tolist() == pytest.approx([0.75, 0.25], abs=1e-4)


def test_u2fusion_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(U2FusionNet, "forward", lambda *_: flat(0.5))
    terms = U2FusionNet().losses(flat(0.5), flat(0.7), DRAWS)
    similar = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    assert terms["pixels"].item() == pytest.approx(0.5 * 0.04)
    assert terms["structure"].item() == pytest.approx(0.5 * (1 - similar), abs=SIMILARITY)
    expected = terms["structure"].item() + 20 * 0.02
    assert terms["loss"].item() == pytest.approx(expected)


def test_content_of_fusiongan_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(fusiongan.FusionGanNet, "forward", lambda *_: flat(0.5))
    content = fusiongan.FusionGanNet().eval().losses(flat(0.4), flat(0.9), DRAWS)["content"]
    assert content.item() == pytest.approx(0.2**2, rel=1e-5)  # on [-1, 1] the distance is twice
    edges = fusiongan.FusionGanNet().eval().losses(flat(0.5), checks(0.1, 12), DRAWS)["content"]
    detail = 4 * (100 * 0.16 + 40 * 0.09 + 4 * 0.04) / 144
    assert edges.item() == pytest.approx(5 * detail, rel=1e-5)


def test_each_player_learns_from_its_own_loss_alone() -> None:
    def gradients(*names: str) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = fusiongan.FusionGanNet()
        pair = images(2, 1, 16, 16), images(2, 1, 16, 16, seed=1)
        terms = network.losses(*pair, torch.Generator().manual_seed(0))
        total = torch.stack([terms[name] for name in names]).sum()
        total.backward()
        own = network.discriminator if names == ("discrimination",) else network.generator
        other = network.generator if names == ("discrimination",) else network.discriminator
        if names != ("loss",):
            assert all(parameter.grad is None for parameter in other.parameters())
            return [parameter.grad for parameter in own.parameters()]
        return [parameter.grad for parameter in network.discriminator.parameters()]

    for own, joint in zip(gradients("discrimination"), gradients("loss"), strict=True):
        torch.testing.assert_close(own, joint)
    assert gradients("content", "adversarial")


def test_labels_are_drawn_within_their_spans(monkeypatch) -> None:
    network = fusiongan.FusionGanNet()
    monkeypatch.setattr(
        fusiongan._Discriminator, "forward", lambda _, image: 0 * image[:, 0, 0, :1]
    )
    seen = [
        network.losses(flat(0.4), flat(0.9), torch.Generator().manual_seed(seed))
        for seed in range(20)
    ]
    aimed = [math.sqrt(terms["adversarial"].item()) for terms in seen]
    assert 0.7 <= min(aimed) < max(aimed) <= 1.2
    assert max(aimed) - min(aimed) > 0.2
    least, most = 0.7**2, 1.2**2 + 0.3**2
    assert all(least <= terms["discrimination"].item() <= most for terms in seen)


def test_one_of_the_sources_of_ifcnn_is_sharp_everywhere(monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(
        ifcnn.IfcnnNet, "forward", lambda _, one, other: shown.append((one, other)) or one
    )
    infrared, luminance = images(3, 1, 24, 24), images(3, 1, 24, 24, seed=1)
    terms = ifcnn.IfcnnNet().losses(infrared, luminance, torch.Generator().manual_seed(1))
    (one, other), sharp = shown[0], torch.cat((infrared, luminance))
    # Where a source is sharp, it is the picture, lighter or darker by one number.
    inside = (one > 0) & (one < 1) & (other > 0) & (other < 1)
    for index in range(len(sharp)):
        apart = [(source - sharp)[index][inside[index]] for source in (one, other)]
        shift = apart[0].median()
        assert abs(shift) <= ifcnn.LARGEST_SHIFT
        is_sharp = [
            (each - by).abs() < 1e-6 for each, by in zip(apart, (shift, -shift), strict=True)
        ]
        assert (is_sharp[0] | is_sharp[1]).all()
        assert 0.1 < is_sharp[0].float().mean() < 0.9
    assert len({float(each.mean()) for each in one - other}) == len(sharp)
    assert terms["pixels"].item() == pytest.approx(((one - sharp) ** 2).mean().item())
    assert terms["loss"].item() == pytest.approx((terms["pixels"] + terms["detail"]).item())


def test_attributes_of_drf_are_drawn_to_a_normal_distribution() -> None:
    network = drf.DisentangledNet()
    with torch.no_grad():
        for encoder in network.attributes:
            for layer in (encoder.mean, encoder.log_variance):
                layer.weight.zero_()
                layer.bias.zero_()
    pair = images(1, 1, 16, 16), images(1, 1, 16, 16, seed=1)
    terms = network.losses(*pair, torch.Generator().manual_seed(0))
    assert terms["prior"].item() == pytest.approx(0)
    with torch.no_grad():
        network.attributes[0].mean.bias.fill_(1.0)  # 1/2 of it squared
        network.attributes[1].log_variance.bias.fill_(math.log(2))  # (2 - 1 - log 2) / 2
    terms = network.losses(*pair, torch.Generator().manual_seed(0))
    assert terms["prior"].item() == pytest.approx(0.5 + (1 - math.log(2)) / 2, abs=1e-6)
    expected = sum(
        weight * terms[name].item()
        for name, weight in (
            ("reconstruction", 1.0),
            ("translation", drf.TRANSLATION),
            ("scene", drf.SCENE),
            ("prior", drf.PRIOR),
        )
    )
    assert terms["loss"].item() == pytest.approx(expected)


def test_scenes_of_drf_are_compared(monkeypatch) -> None:
    scenes = [
        drf.Scene(torch.full((1, 16, 8, 8), v), torch.full((1, 64, 2, 2), -v)) for v in (1.0, 4.0)
    ]
    monkeypatch.setattr(drf.DisentangledNet, "scene", lambda _, image, modality: scenes[modality])
    terms = drf.DisentangledNet().losses(flat(0.5, 8), flat(0.2, 8), DRAWS)
    assert terms["scene"].item() == pytest.approx(6.0)


def test_the_derivative_of_the_classifier_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    classifier = csf.ClassificationSaliencyNet().classifier
    features = torch.randn(2, 24, 16, 24).requires_grad_()
    for label in (0, 1):
        score = classifier(features)[:, label].sum()
        (expected,) = torch.autograd.grad(score, features)
        found = classifier.derivative(features.detach(), label) / (2 * 3)  # its last layer is 2x3
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_saliency_is_the_magnitude_near_the_other_source(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        csf.ClassificationSaliencyNet, "encode", lambda _, image: asked.append(image) or image
    )
    monkeypatch.setattr(csf._Classifier, "derivative", lambda _, features, label: -features)
    image, other = flat(0.5, 8), torch.cat((flat(0.0, 8), flat(0.4, 8)), dim=3)[..., 4:12]
    saliency = csf.ClassificationSaliencyNet().saliency(image, other, 0)
    torch.testing.assert_close(asked[0], 0.9 * other + 0.1 * image)
    torch.testing.assert_close(saliency, asked[0].abs())


def test_csf_tells_the_sources_apart_by_other_things_than_brightness() -> None:
    torch.manual_seed(0)
    network = csf.ClassificationSaliencyNet()
    infrared, luminance = images(2, 1, 16, 16, seed=1) / 2, images(2, 1, 16, 16, seed=2) / 2
    entropies = [
        network.losses(infrared, luminance + more, DRAWS)["classification"] for more in (0.0, 0.4)
    ]
    torch.testing.assert_close(*entropies, atol=1e-6, rtol=1e-5)
    entropies[0].backward()
    assert all(weight.grad is None for weight in network.encoder.parameters())


def test_csf_weighs_features_by_the_difference_of_saliencies_from_their_means(monkeypatch) -> None:
    infrared, luminance = images(1, 1, 8, 8, seed=1), images(1, 1, 8, 8, seed=2)
    saliencies = {0: torch.rand(1, 24, 8, 8), 1: 9 * torch.rand(1, 24, 8, 8)}
    asked = []

    def saliency(_: object, image: torch.Tensor, other: torch.Tensor, label: int) -> torch.Tensor:
        asked.append((image.mean().item(), other.mean().item()))
        return saliencies[label]

    kind = csf.ClassificationSaliencyNet
    monkeypatch.setattr(kind, "saliency", saliency)
    monkeypatch.setattr(kind, "encode", lambda _, image: image.expand(-1, 24, -1, -1))
    monkeypatch.setattr(kind, "decode", lambda _, features: features)
    fused = kind()(infrared, luminance)
    level = 2 * infrared.mean().item() - 1
    assert [each for pair in asked for each in pair] == pytest.approx([level] * 4, abs=1e-6)
    of_ir, of_y = (saliencies[label] - saliencies[label].mean() for label in (0, 1))
    unit = (saliencies[0].mean() + saliencies[1].mean()) / 2
    share = torch.sigmoid((of_ir - of_y) / unit / csf.TEMPERATURE)
    expected = 2 * (share * infrared + (1 - share) * luminance) - 1
    torch.testing.assert_close(fused, expected)


def test_every_network_gives_its_terms_a_name() -> None:
    assert issubclass(_terms.ComparisonNet, torch.nn.Module)
    with pytest.raises(TypeError, match="abstract"):
        _terms.ComparisonNet()
