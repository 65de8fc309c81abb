import sys

import pytest
import torch

from piafusion.errors import MissingExtraError
from piafusion.lab.segmentation.networks import build
from piafusion.lab.segmentation.settings import resolve


def test_segformer_has_the_sizes_that_were_asked_for():
    network = build(resolve("segformer-full"), 0)
    assert (
        sum(each.numel() for each in network.parameters()) == 3_715_172
    )  # SegFormer-B0, 4 classes


@pytest.mark.parametrize("size", [(64, 64), (50, 67)])
def test_scores_have_the_size_of_the_picture(size):
    network = build(resolve("segformer-short"), 0).eval()
    assert network(torch.rand(1, 3, *size)).shape == (1, 4, *size)


def test_without_transformers_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.models.segformer", None)
    with pytest.raises(MissingExtraError, match=r"piafusion\[segmentation\]"):
        build(resolve("segformer-short"), 0)
