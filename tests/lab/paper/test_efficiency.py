from itertools import pairwise

import pytest
import torch
from torch import nn

from piafusion.lab.paper.efficiency import multiply_adds
from piafusion.lab.training.export import export_onnx
from piafusion.weights import read_weights


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 5, stride=2, padding=2, padding_mode="replicate")
        self.grouped = nn.Conv2d(6, 4, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(4, 1, 2, stride=2)

    def forward(self, infrared: torch.Tensor, luminance: torch.Tensor) -> torch.Tensor:
        height, width = infrared.shape[-2:]
        features = self.grouped(self.stem(torch.cat((infrared, luminance), dim=1)))
        return self.up(features)[..., :height, :width]


def test_layers_are_counted_as_by_hand() -> None:
    torch.manual_seed(0)
    weights = export_onnx(Layers().eval(), ("infrared", "luminance"), 1, "fused")
    blocks = 6 * 9  # of a picture of 11x17
    by_hand = blocks * (6 * 2 * 25 + 4 * 3 * 9 + 4 * 1 * 4)
    assert multiply_adds(weights, 11, 17) == by_hand


@pytest.mark.parametrize("size", [(480, 640), (30, 41)])
def test_the_shipped_networks_are_counted_as_by_hand(size: tuple[int, int]) -> None:
    height, width = size
    widths = [16, 16, 32, 64, 128, 256, 128, 64, 32]  # one stream behind the first exchange
    layers = sum(a * b * 9 for a, b in pairwise(widths[1:]))
    paper = height * width * (2 * 16 + 2 * 16 * 16 * 9 + layers + 32)
    assert multiply_adds(read_weights("paper", "onnx", "fusion"), height, width) == paper
    blocks = -(-height // 4) * -(-width // 4)
    fast = blocks * (2 * 32 * 144 + 3 * 32 * 32 * 9)
    assert multiply_adds(read_weights("piafusion-fast", "onnx", "fusion"), height, width) == fast
