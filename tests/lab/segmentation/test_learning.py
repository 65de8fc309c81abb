import numpy as np
import pytest
import torch

from piafusion.errors import TrainingError
from piafusion.lab.segmentation.learning import (
    class_weights,
    predict,
    train,
    weighted_cross_entropy,
)
from piafusion.lab.segmentation.networks import build
from piafusion.lab.segmentation.pictures import LabelledSampler, read_labelled, read_splits
from piafusion.lab.segmentation.scores import IGNORED
from piafusion.lab.segmentation.settings import resolve
from piafusion.lab.training.loop import FAILED_BATCH
from tests.lab.segmentation.conftest import TINY


def sampler_of(root, settings, seed=0) -> LabelledSampler:
    split = read_splits(root)[0]
    pairs = [
        read_labelled(pair.visible, split.labels[pair.stem], settings.others)
        for pair in split.data.pairs
    ]
    pictures = [torch.from_numpy(picture) for picture, _ in pairs]
    labels = [torch.from_numpy(label) for _, label in pairs]
    return LabelledSampler(
        pictures, labels, split.stems, crop=settings.crop, batch=settings.batch, seed=seed
    )


def test_rare_classes_weigh_more():
    assert class_weights([1600, 100, 400, 0], 0.5).tolist() == [1, 4, 2, 1]
    assert class_weights([1600, 100, 400, 0], 0).tolist() == [1, 1, 1, 1]


def test_the_loss_is_the_weighted_mean_of_what_counts():
    scores = torch.log(torch.tensor([[[0.5, 0.5, 0.5]], [[0.25, 0.25, 0.25]]]))[None]
    labels = torch.tensor([[[0, 1, IGNORED]]])
    loss = weighted_cross_entropy(scores, labels, torch.tensor([1.0, 3.0]))
    first, second = (-np.log(share / 0.75) for share in (0.5, 0.25))
    assert loss.item() == pytest.approx((first + 3 * second) / 4)
    nothing = weighted_cross_entropy(scores, torch.full_like(labels, IGNORED), torch.ones(2))
    assert nothing.item() == 0


@pytest.mark.parametrize("preset", ["short", "segformer-short"])
def test_training_lowers_the_loss_and_is_repeatable(root, tmp_path, preset):
    sizes = {"widths": "8,16"} if preset == "short" else {"widths": "8,8,8,8", "decoder": "16"}
    speed = {"steps": "25", "batch": "4", "learning_rate": "0.01", "decay": "1", "crop": "48,64"}
    settings = resolve(preset, {**TINY, **sizes, **speed, "balance": "0"})
    losses: list[float] = []
    network = train(
        settings, sampler_of(root, settings), 1, tmp_path, lambda _, loss: losses.append(loss)
    )
    assert len(losses) == 25
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert not network.training
    if preset == "short":
        again = train(settings, sampler_of(root, settings), 1, tmp_path / "again")
        other = again.state_dict()
        assert all(torch.equal(each, other[name]) for name, each in network.state_dict().items())


def test_fresh_networks_depend_on_the_seed_alone():
    settings = resolve("short", TINY)
    torch.rand(3)
    one, same, other = (build(settings, seed).score.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_predicted_classes_have_the_size_of_the_picture():
    network = build(resolve("short", TINY), 0).eval()
    torch.nn.init.zeros_(network.score.weight)
    network.score.bias.data = torch.tensor([0.0, 0, 1, 0])
    predicted = predict(network, np.zeros((33, 50, 3), np.uint8))
    assert predicted.shape == (33, 50)
    assert predicted.dtype == np.uint8
    assert (predicted == 2).all()


def test_a_training_that_fails_stops_and_keeps_its_batch(root, tmp_path):
    settings = resolve("short", {**TINY, "gradient_limit": "1e-9"})
    with pytest.raises(TrainingError, match="step 0: expected a gradient norm"):
        train(settings, sampler_of(root, settings), 0, tmp_path)
    assert (tmp_path / FAILED_BATCH).exists()
