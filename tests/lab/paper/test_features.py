from pathlib import Path

import pytest
import torch
from torch import Tensor

from piafusion.imaging.pairs import Pair
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.models.blocks import GatedFusionNet
from piafusion.lab.paper.features import Shares, judge, shares_of
from piafusion.reach import Reach


class Mixer(GatedFusionNet):
    """Features are the pictures themselves; the answer weighs the infrared by `weight`."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    @property
    def reach(self) -> Reach:
        return Reach(1, margin=0, width=1)

    def encode(self, infrared: Tensor, luminance: Tensor) -> tuple[Tensor, Tensor]:
        return infrared, luminance

    def decode(self, features: Tensor, infrared: Tensor, luminance: Tensor) -> Tensor:
        del features
        return self.weight * infrared + (1 - self.weight) * luminance


def pictures(spread: tuple[float, float]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(1, 1, 24, 32, generator=generator) - 0.5 for _ in range(2))
    return 0.5 + spread[0] * first, 0.5 + spread[1] * second


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
def test_the_share_in_the_picture_is_that_of_the_squared_derivatives(weight: float) -> None:
    shares = shares_of(Mixer(weight), *pictures((1, 1)))
    expected = weight**2 / (weight**2 + (1 - weight) ** 2)
    assert shares.picture == pytest.approx(expected, abs=1e-6)


def test_features_follow_the_modality_that_varies_more() -> None:
    warm, cold = (shares_of(Mixer(0.5), *pictures(s)).features for s in ((1, 0.1), (0.1, 1)))
    assert warm > 0.95
    assert cold < 0.05


def test_the_gate_is_the_sigmoid_of_the_mean_difference() -> None:
    infrared, visible = torch.full((1, 1, 8, 8), 0.9), torch.full((1, 1, 8, 8), 0.2)
    visible[..., 0, 0] = 0.3
    found = shares_of(Mixer(0.5), infrared, visible).gate
    expected = torch.sigmoid((infrared - visible).mean()).item()
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("by_night", "verdict"),
    [(0.6, "holds"), (0.31, "cannot be tested here"), (0.1, "does not hold")],
)
def test_selection_is_judged_by_the_difference_of_the_lights(by_night: float, verdict: str) -> None:
    pairs = [Pair(f"{index}{light}", Path("i"), Path("v")) for light in "DN" for index in range(6)]
    lights = {"day": pairs[:6], "night": pairs[6:]}
    data = DataSet("msrs", pairs, {}, frozenset(), [])
    shares = {
        pair.stem: Shares(*3 * [(0.3 if "D" in pair.stem else by_night) + index % 6 / 100])
        for index, pair in enumerate(pairs)
    }
    for why, expected in (("", verdict), ("briefly trained", "cannot be tested here")):
        assert {claim.verdict for claim in judge(data, shares, lights, why)} == {expected}
