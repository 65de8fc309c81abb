import shutil

import numpy as np
import pytest
import torch

from piafusion.errors import ImageError, TrainingError, UsageError
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.segmentation.pictures import (
    LabelledSampler,
    read_label,
    read_labelled,
    read_picture,
    read_splits,
)
from piafusion.lab.segmentation.scores import IGNORED
from tests.lab.segmentation.conftest import HEIGHT, WIDTH


def test_splits_have_pairs_and_labels(root):
    train, test = read_splits(root)
    assert (train.data.name, test.data.name) == ("train", "test")
    assert train.stems == test.stems == ["1D", "2D", "3N", "4N"]
    assert test.labels["3N"] == root / "test" / "label" / "3N.png"


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("test", "expected the folders train and test, .* found no test"),
        ("train/label/2D.png", "expected one label for each pair, found 0 for 2D"),
        ("train/label", "label: expected a folder of images"),
        ("train/ir/2D.png", "no counterpart"),
    ],
)
def test_what_is_missing_is_named(root, tmp_path, remove, message):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    gone = copy / remove
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(UsageError, match=message):
        read_splits(copy)


def test_further_classes_of_mfnet_are_ignored_or_background(tmp_path):
    label = np.array([[0, 1, 2, 3], [4, 8, 255, 0]], np.uint8)
    write_image(tmp_path / "label.png", label)
    ignored = read_label(tmp_path / "label.png")
    assert ignored.tolist() == [[0, 1, 2, 3], [IGNORED, IGNORED, IGNORED, 0]]
    background = read_label(tmp_path / "label.png", "background")
    assert background.tolist() == [[0, 1, 2, 3], [0, 0, IGNORED, 0]]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full((4, 4), 9, np.uint8), "expected labels from 0 to 8, or 255, found 9"),
        (np.zeros((4, 4, 3), np.uint8), "expected a grey label"),
        (np.zeros((4, 4), np.uint16), "expected a grey label of 8 bits"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, label, message):
    write_image(tmp_path / "label.png", label)
    with pytest.raises(ImageError, match=message):
        read_label(tmp_path / "label.png")


def test_a_label_of_another_size_is_refused(tmp_path):
    write_image(tmp_path / "vi.png", np.zeros((8, 9, 3), np.uint8))
    write_image(tmp_path / "label.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ImageError, match="8x9, found 8x8"):
        read_labelled(tmp_path / "vi.png", tmp_path / "label.png", "ignore")


def test_grey_becomes_three_equal_planes(root):
    path = root / "test" / "ir" / "1D.png"
    picture = read_picture(path, infrared=True)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert (picture == read_image(path)[..., None]).all()


def planes(*labels: np.ndarray) -> tuple[list[torch.Tensor], list[torch.Tensor], list[str]]:
    """Pictures whose three planes say row, column and class of each pixel."""
    pictures = []
    for label in labels:
        rows, columns = np.indices(label.shape)
        pictures.append(torch.from_numpy(np.dstack([rows, columns, label]).astype(np.uint8)))
    maps = [torch.from_numpy(label) for label in labels]
    return pictures, maps, [str(index) for index in range(len(labels))]


@pytest.fixture
def maps() -> tuple[list[torch.Tensor], list[torch.Tensor], list[str]]:
    generator = np.random.default_rng(0)
    one, other = (generator.integers(0, 4, size).astype(np.uint8) for size in ((40, 50), (48, 44)))
    return planes(one, other)


def test_a_batch_depends_on_seed_and_step_alone(maps):
    one, other = (LabelledSampler(*maps, crop=(32, 36), batch=4, seed=3) for _ in range(2))
    one(0)
    assert torch.equal(one(5).pictures, other(5).pictures)
    assert not torch.equal(one(5).pictures, one(6).pictures)
    fresh = LabelledSampler(*maps, crop=(32, 36), batch=4, seed=4)
    assert not torch.equal(one(5).pictures, fresh(5).pictures)
    assert one.describe(5) == other.describe(5)
    assert set(one.describe(5).split(", ")) <= {"0", "1"}


def test_pictures_and_labels_are_cut_and_mirrored_alike(maps):
    sampler = LabelledSampler(*maps, crop=(32, 36), batch=64, seed=0)
    batch = sampler(0)
    assert batch.pictures.shape == (64, 3, 32, 36)
    assert batch.labels.dtype == torch.int64
    assert torch.equal((255 * batch.pictures[:, 2]).round().long(), batch.labels)
    rows, columns = ((255 * batch.pictures[:, plane]).round() for plane in (0, 1))
    assert (rows[:, 1:] - rows[:, :-1] == 1).all()  # never upside down
    runs = (columns[..., 1:] - columns[..., :-1])[:, 0, 0]
    assert set(runs.tolist()) == {-1.0, 1.0}
    assert 16 < (runs < 0).sum() < 48


def test_ranks_share_a_batch(maps):
    sampler = LabelledSampler(*maps, crop=(32, 36), batch=4, seed=0)
    whole, second = sampler(2), sampler(2, rank=1, ranks=2)
    assert torch.equal(second.pictures, whole.pictures[1::2])


def test_without_a_crop_all_that_every_picture_holds_is_shown(maps):
    sampler = LabelledSampler(*maps, crop=None, batch=2, seed=0)
    assert sampler(0).labels.shape == (2, 40, 44)


def test_crops_are_cut_where_the_rare_classes_are():
    labels = [np.zeros((60, 60), np.uint8) for _ in range(20)]
    labels[3][50, 2] = 3  # one pixel of one picture
    labels[7][:20, :20] = 1
    labels[9][5, 5] = IGNORED
    sampler = LabelledSampler(*planes(*labels), crop=(32, 32), batch=200, seed=0, sought=0.5)
    batch = sampler(0)
    shown = {kind: int((batch.labels == kind).any(dim=(1, 2)).sum()) for kind in (1, 3)}
    assert 30 < shown[1] < 80  # a quarter each, and some by chance
    assert 30 < shown[3] < 80
    plain = LabelledSampler(*planes(*labels), crop=(32, 32), batch=200, seed=0)
    assert int((plain(0).labels == 3).any(dim=(1, 2)).sum()) < 10


def test_crops_larger_than_a_picture_are_refused(maps):
    with pytest.raises(TrainingError, match="at least 48x32 for the crops, found 40x44"):
        LabelledSampler(*maps, crop=(48, 32), batch=2, seed=0)
