"""The trainable forms of VIF and Qabf against the metrics themselves."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from piafusion.lab.training.fidelity import edge_loss, fidelity_loss
from piafusion.lab.training.losses import FusionLoss, sobel
from piafusion.metrics import evaluate
from tests.conftest import scene


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
