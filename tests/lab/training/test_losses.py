import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from piafusion.lab.training.losses import (
    FusionLoss,
    auxiliary_intensity_loss,
    coarse_structure_loss,
    edge_loss,
    fidelity_loss,
    gradient_magnitude,
    illumination_cross_entropy,
    illumination_loss,
    reversed_share,
    salient_intensity_loss,
    signed_texture_loss,
    sobel,
    texture_loss,
)
from piafusion.metrics import evaluate
from tests.conftest import scene


def flat(value: float, height: int = 4, width: int = 5) -> torch.Tensor:
    return torch.full((1, 1, height, width), value)


def step(low: float, high: float) -> torch.Tensor:
    """A vertical edge between the columns 1 and 2 of 4 x 4 pixels."""
    image = torch.full((1, 1, 4, 4), low)
    image[..., 2:] = high
    return image


def test_sobel_of_a_ramp_and_a_corner_by_hand() -> None:
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)  # one more per column
    horizontal, vertical = sobel(ramp)[0]
    # inside: (1 + 2 + 1) * (right - left) = 4 * 2; at the replicated border 4 * 1
    assert horizontal.tolist() == [[4.0, 8.0, 8.0, 8.0, 4.0]] * 4
    assert not vertical.any()
    point = torch.zeros(1, 1, 3, 3)
    point[..., 0, 2] = 1.0  # top right of the centre
    gx, gy = sobel(point)[0, :, 1, 1]
    assert (gx.item(), gy.item()) == (1.0, -1.0)
    assert gradient_magnitude(point)[0, 0, 1, 1].item() == 2.0


def test_illumination_loss_weighs_the_sources_by_the_light_of_each_pair() -> None:
    fused = torch.cat([flat(0.5), flat(0.5)])
    infrared = torch.cat([flat(0.6), flat(0.9)])  # 0.1 and 0.4 away
    luminance = torch.cat([flat(0.2), flat(0.4)])  # 0.3 and 0.1 away
    day = torch.tensor([1.0, 0.25])
    # day: 0.3; the other: 0.75 * 0.4 + 0.25 * 0.1 = 0.325; mean 0.3125
    loss = illumination_loss(fused, infrared, luminance, day)
    assert loss.item() == pytest.approx(0.3125)


def test_auxiliary_intensity_loss_by_hand() -> None:
    fused, infrared = torch.tensor([[[[0.5, 0.5]]]]), torch.tensor([[[[0.9, 0.1]]]])
    luminance = torch.tensor([[[[0.2, 0.4]]]])
    # maximum 0.9 and 0.4; distances 0.4 and 0.1
    assert auxiliary_intensity_loss(fused, infrared, luminance).item() == pytest.approx(0.25)


def test_texture_loss_by_hand() -> None:
    # Sobel of a step of s: 4 s in the two columns beside it, 0 in the other two.
    fused, infrared, luminance = step(0.0, 0.1), step(0.2, 0.5), flat(0.7, 4, 4)
    # magnitudes 0.4 against max(1.2, 0): 0.8 in half of the pixels
    assert texture_loss(fused, infrared, luminance).item() == pytest.approx(0.4)


def test_magnitudes_do_not_see_a_reversed_edge_but_the_signed_loss_does() -> None:
    right, reversed_edge = step(0.2, 0.5), step(0.5, 0.2)
    plain = flat(0.7, 4, 4)
    assert texture_loss(reversed_edge, right, plain).item() == pytest.approx(0.0, abs=1e-7)
    assert signed_texture_loss(right, right, plain).item() == pytest.approx(0.0, abs=1e-7)
    # gradient -1.2 instead of 1.2 in half of the pixels
    assert signed_texture_loss(reversed_edge, right, plain).item() == pytest.approx(1.2)
    for fused, share in ((right, 0), (plain, 0), (reversed_edge, 1)):
        assert reversed_share(fused, right, plain).item() == share
    faint = step(0.5, 0.4)
    half = torch.cat((reversed_edge[..., :2, :], right[..., 2:, :]), dim=2)
    assert reversed_share(half, right, faint).item() == pytest.approx(0.5)
    assert reversed_share(reversed_edge, faint, plain).item() == 0  # nothing strong


def test_signed_texture_loss_follows_the_stronger_source_at_each_pixel() -> None:
    infrared, luminance = step(0.0, 0.3), step(0.2, 0.1).transpose(2, 3)
    # Columns 1 and 2 belong to infrared (1.2), else rows 1 and 2 to visible (-0.4); a flat
    # fusion misses 1.2 in 8 pixels and 0.4 in the 4 pixels of rows 1, 2 and columns 0, 3.
    loss = signed_texture_loss(flat(0.5, 4, 4), infrared, luminance)
    assert loss.item() == pytest.approx((8 * 1.2 + 4 * 0.4) / 16)


def test_fusion_loss_is_equation_12_with_the_papers_weights() -> None:
    fused, infrared, luminance = step(0.0, 0.1), step(0.2, 0.5), flat(0.3, 4, 4)
    day = torch.tensor([0.5])
    terms = FusionLoss()(fused, infrared, luminance, day)
    # infrared: (0.2 + 0.4) / 2, visible: (0.3 + 0.2) / 2; maximum: 0.3 and 0.5 -> 0.3, 0.4
    assert terms["illumination"].item() == pytest.approx(0.5 * 0.3 + 0.5 * 0.25)
    assert terms["intensity"].item() == pytest.approx(0.35)
    assert terms["texture"].item() == pytest.approx(0.4)
    assert terms["loss"].item() == pytest.approx(3 * 0.275 + 7 * 0.35 + 50 * 0.4)


def test_fusion_loss_can_use_the_signed_texture() -> None:
    fused, infrared, luminance = step(0.5, 0.2), step(0.2, 0.5), flat(0.3, 4, 4)
    loss = FusionLoss(illumination=0, intensity=0, gradient=10, texture="signed")
    terms = loss(fused, infrared, luminance, torch.tensor([0.5]))
    assert terms["loss"].item() == pytest.approx(10 * 1.2)


def test_illumination_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])  # day: 1/2 and 3/4
    by_day = illumination_cross_entropy(logits, torch.tensor([1.0, 1.0]))
    assert by_day.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    second_by_night = illumination_cross_entropy(logits, torch.tensor([1.0, 0.0]))
    assert second_by_night.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_the_salient_target_is_the_maximum_by_night_and_spares_warm_planes_by_day() -> None:
    infrared, luminance = flat(0.8, 80, 80), flat(0.3, 80, 80)
    infrared[..., 38:42, 38:42] = 1.0  # hot, 0.2 above the plane around it
    maximum = torch.maximum(infrared, luminance)
    night, day = torch.zeros(1), torch.ones(1)
    assert salient_intensity_loss(maximum, infrared, luminance, night).item() == 0
    assert auxiliary_intensity_loss(maximum, infrared, luminance).item() == 0
    # by day: the plane stays visible; the target's share is 0.2 less its own part of the mean
    share = (0.2 - 0.2 * 16 / 65**2) / 0.25
    expected = luminance.clone()
    expected[..., 38:42, 38:42] += share * 0.7
    assert salient_intensity_loss(expected, infrared, luminance, day).item() < 1e-6
    brighter = flat(0.9, 80, 80)  # where the visible image is brighter nothing changes
    assert salient_intensity_loss(brighter, flat(0.5, 80, 80), brighter, day).item() == 0


def test_infrared_edges_are_not_asked_for_in_white() -> None:
    edge = step(0.2, 0.6)
    for luminance, share in ((1.0, 0.0), (0.925, 0.5), (0.85, 1.0), (0.3, 1.0)):
        sky = flat(luminance, 4, 4)
        fused = sky + share * (edge - 0.2)  # the edge drawn as far as it is asked for
        loss = FusionLoss(0, 0, 1, texture="headroom")(fused, edge, sky, torch.ones(1))
        assert loss["texture"].item() == pytest.approx(0, abs=1e-5)
        if share < 1:
            assert signed_texture_loss(fused, edge, sky).item() > 0.1


def test_the_coarse_loss_sees_soft_edges_that_neither_source_has() -> None:
    luminance, infrared = flat(0.3, 64, 64), flat(0.5, 64, 64)
    maximum = torch.maximum(infrared, luminance)
    assert coarse_structure_loss(maximum, infrared, luminance) == 0
    assert coarse_structure_loss(maximum - 0.1, infrared, luminance) < 1e-6  # no edge
    blotch = maximum - 0.2 * torch.linspace(0, 1, 64).expand(1, 1, 64, 64)  # from one to the other
    # per block of 8 a fall of 0.2 * 8 / 63, Sobel 8 times that inside, 4 times at both ends
    fall = 0.2 / 63
    expected = fall * 8 * (8 * 6 + 4 * 2) / 8 + fall * 16 * (8 * 2 + 4 * 2) / 4
    assert coarse_structure_loss(blotch, infrared, luminance).item() == pytest.approx(expected)
    detail = maximum.clone()
    detail[..., ::2] += 0.1
    detail[..., 1::2] -= 0.1
    assert coarse_structure_loss(detail, infrared, luminance) < 1e-6


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image / np.float32(255))[None, None]


def noisy_scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    infrared, visible = scene(96, 128, seed=seed)
    noise = np.random.default_rng(seed).integers(-20, 21, (2, *infrared.shape))
    ir, vi = (np.clip(infrared + noise[0], 0, 255), np.clip(visible[..., 1] + noise[1], 0, 255))
    mixed = np.rint(0.7 * ir + 0.3 * vi)
    return ir.astype(np.uint8), vi.astype(np.uint8), mixed.astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_fidelity_is_the_metric(seed: int) -> None:
    ir, vi, fused = noisy_scene(seed)
    expected = evaluate(ir, vi, fused, metrics=["VIF"])["VIF"]
    loss = fidelity_loss(*(as_tensor(image) for image in (fused, ir, vi)))
    assert 2 - loss.item() == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_edges_are_the_metric_where_orientations_do_not_wrap(seed: int) -> None:
    """Stripes have one orientation, and so tall ones hardly any frame at their ends."""
    stripes = [np.tile(image[:1], (1500, 1)) for image in noisy_scene(seed)]
    expected = evaluate(*stripes, metrics=["Qabf"])["Qabf"]
    framed = [functional.pad(as_tensor(image), (1, 1, 1, 1)) for image in stripes]
    ir, vi, fused = (sobel(image)[..., 1:-1, 1:-1] for image in framed)  # black around, as there
    assert 1 - edge_loss(fused, ir, vi).item() == pytest.approx(expected, abs=0.02)


def test_copies_lose_nothing_and_flat_pictures_are_no_trouble() -> None:
    image = as_tensor(noisy_scene(0)[0])
    assert fidelity_loss(image, image, image).item() == pytest.approx(0, abs=2e-3)
    assert edge_loss(*[sobel(image)] * 3).item() == pytest.approx(1 - 0.9748, abs=0.015)
    flat = torch.full((1, 1, 48, 48), 0.5, requires_grad=True)
    loss = fidelity_loss(flat, flat.detach(), flat.detach())
    loss = loss + edge_loss(sobel(flat), sobel(flat.detach()), sobel(flat.detach()))
    loss.backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_descending_on_them_raises_the_metrics() -> None:
    ir, vi, _ = noisy_scene(0)
    infrared, visible = as_tensor(ir), as_tensor(vi)
    fused = ((infrared + visible) / 2).requires_grad_()
    optimizer = torch.optim.Adam([fused], 0.005)
    loss_of = FusionLoss(0, 0, 0, fidelity=1, edges=1)

    def scores() -> dict[str, float]:
        image = np.rint(fused.detach().clamp(0, 1).numpy()[0, 0] * 255).astype(np.uint8)
        return evaluate(ir, vi, image, metrics=["VIF", "Qabf"])

    before = scores()
    for _ in range(20):
        optimizer.zero_grad()
        loss_of(fused, infrared, visible, torch.ones(1))["loss"].backward()
        optimizer.step()
    after = scores()
    assert after["VIF"] > before["VIF"] + 0.03
    assert after["Qabf"] > before["Qabf"] + 0.02
