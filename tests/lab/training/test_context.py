"""What the context network learns from, and a run of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from piafusion import Fuser
from piafusion.lab.training import export
from piafusion.lab.training.context import light_loss, target_loss
from piafusion.lab.training.context_data import (
    LACKS,
    UNKNOWN,
    ContextSampler,
    cutouts,
    hot_shape,
    lost_by_day,
    lost_by_night,
    paint_examples,
    read_examples,
    spoil,
    structure_missing,
    vignette,
)
from piafusion.weights import load_manifest
from tests.conftest import scene


def _street(root: Path, stems: list[str]) -> None:
    generator = np.random.default_rng(0)
    for folder in ("ir", "vi", "boxes", "boxes/infrared"):
        (root / folder).mkdir(parents=True)
    for stem in stems:
        infrared = generator.integers(20, 60, (96, 128)).astype(np.uint8)
        infrared[30:70, 50:66] = 220
        visible = generator.integers(60, 200, (96, 128, 3)).astype(np.uint8)
        cv2.imwrite(str(root / "ir" / f"{stem}.png"), infrared)
        cv2.imwrite(str(root / "vi" / f"{stem}.png"), visible)


def test_boxes_make_targets_and_undecided_ones_make_holes(tmp_path: Path) -> None:
    _street(tmp_path, ["0001D", "0002N", "0003D"])
    person = f"0 {58 / 128} {50 / 96} {24 / 128} {48 / 96}"
    (tmp_path / "boxes" / "0001D.txt").write_text(f"{person}\n9 0.1 0.1 0.2 0.2\n")
    (tmp_path / "boxes" / "0003D.txt").write_text(person.replace("0", "2", 1))
    known, unknown, car = read_examples(tmp_path, tmp_path / "boxes")
    assert known.day
    assert (known.targets[32:68, 52:64] == 1).all()
    assert (known.targets[:15, :20] == UNKNOWN).all()
    assert (known.targets[80:, 80:] == 0).all()
    assert not unknown.day
    assert (unknown.targets == UNKNOWN).all()
    assert (car.targets[32:68, 52:64] == UNKNOWN).all()  # an engine may run
    assert (car.targets[80:, 80:] == 0).all()


def test_a_list_tells_the_nights_where_the_names_do_not(tmp_path: Path) -> None:
    _street(tmp_path, ["one", "two"])
    (tmp_path / "boxes" / "nights.txt").write_text("two\n")
    assert [each.day for each in read_examples(tmp_path, tmp_path / "boxes")] == [True, False]


def test_by_night_what_no_lamp_reaches_is_lost() -> None:
    level = np.full((64, 256), 0.18, np.float32)  # a grey night
    level[:, 128:] = 0.75  # lit
    bright, dim, whole = np.full_like(level, 0.5), np.full_like(level, 0.2), np.zeros_like(level)
    lost = lost_by_night(level, level, bright, whole, mean=0.5)
    assert lost[:, :80].min() > 0.95
    assert lost[:, 190:].max() < 0.05
    level[:, :128] = 0.4  # not so dark beside the lamps, but as dark as it gets without
    assert lost_by_night(level, level, bright, whole, mean=0.5).max() < 0.05
    np.testing.assert_array_equal(lost_by_night(level, level, dim, whole, mean=0.2), 1)
    missing = np.ones_like(level)  # of a grey picture a part of what it shows is kept
    grey = lost_by_night(level, level, bright, missing, mean=0.5)
    np.testing.assert_allclose(grey, LACKS, atol=0.02)


def test_structure_is_missing_where_only_the_infrared_has_some_and_it_is_dark() -> None:
    stripes = np.tile(np.float32([0.2] * 8 + [0.8] * 8), (64, 8))
    flat = np.full_like(stripes, 0.2)
    assert structure_missing(stripes, flat).min() > 0.9
    assert structure_missing(flat, flat).max() == 0
    assert structure_missing(stripes, stripes).max() < 0.01
    assert structure_missing(stripes, flat + np.float32(0.5)).max() == 0


def test_by_day_only_the_darkest_places_are_lost() -> None:
    luminance = np.full((64, 128), 0.25, np.float32)
    luminance[:, 64:] = 0.01
    lost = lost_by_day(luminance)
    assert lost[:, :40].max() == 0
    assert lost[:, 90:].min() == 1


def test_what_is_spoilt_stays_a_picture_and_is_lost_somewhere() -> None:
    luminance = np.full((128, 128), 0.6, np.float32)
    lost_most = 0.0
    for seed in range(20):
        shown, lost = spoil(luminance, np.random.default_rng(seed))
        assert shown.shape == lost.shape == luminance.shape
        assert shown.min() >= 0
        assert shown.max() <= 1
        assert 0 <= lost.min() <= lost.max() <= 1
        lost_most = max(lost_most, float(lost.max()))
    assert lost_most == 1


def test_a_lens_darkens_the_corners_alone() -> None:
    for seed in range(20):
        factor = vignette((96, 128), np.random.default_rng(seed))
        assert 0 <= factor.min() <= factor.max() == 1
        assert factor[40:56, 56:72].min() > 0.75
        assert factor[[0, 0, -1, -1], [0, -1, 0, -1]].min() < 0.9


@pytest.mark.parametrize("large", [False, True])
def test_hot_things_are_small_or_large_and_lie_in_the_crop(large: bool) -> None:
    for seed in range(20):
        place, body, texture = hot_shape(100, large, np.random.default_rng(seed))
        assert np.zeros((100, 100))[place].shape == body.shape == texture.shape
        assert 0 <= body.min() <= body.max() <= 1
        assert body.max() > 0.5
        assert (max(body.shape) > 45) is large or max(body.shape) < 64
        assert 0.69 < texture.min() <= texture.max() < 1.01


def test_batches_depend_on_the_seed_and_the_step_alone() -> None:
    examples = paint_examples(2)
    assert cutouts(examples[0]) or cutouts(examples[1])
    one, other = (ContextSampler([examples], [1.0], 2, 64, seed=3) for _ in range(2))
    first, again, next_one = one(5), other(5), one(6)
    torch.testing.assert_close(first.infrared, again.infrared)
    torch.testing.assert_close(first.targets, again.targets, equal_nan=True)
    assert not torch.equal(first.infrared, next_one.infrared)
    assert first.infrared.shape == (2, 1, 64, 64)
    for plane in (first.infrared, first.luminance, first.lost):
        assert plane.min() >= 0
        assert plane.max() <= 1


def test_unknown_places_do_not_count() -> None:
    logits = torch.zeros(1, 1, 8, 8)
    marked = torch.zeros(1, 1, 8, 8)
    marked[..., 2:4, 2:4] = 1
    before = target_loss(logits, marked)
    marked[..., 6:, :] = torch.nan
    logits[..., 6:, :] = 9
    torch.testing.assert_close(target_loss(logits, marked), before, rtol=0, atol=0.2)
    right = torch.where(torch.nan_to_num(marked) > 0, 9.0, -9.0)
    assert target_loss(right, marked) < 0.25
    assert light_loss(torch.full((1, 1, 2, 2), 9.0), torch.ones(1, 1, 2, 2)) < 0.01


def test_a_run_gives_a_context_that_goes_beside_a_fusion_network(
    piafusion: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PARITY_SIZES", ((1, 16, 17),))
    data, run, models = (tmp_path / name for name in ("data", "run", "models"))
    _street(data, ["0001D", "0002N", "0900D", "0901N"])
    for stem in ("0001D", "0002N", "0900D", "0901N"):
        (data / "boxes" / "infrared" / f"{stem}.txt").write_text("0 0.45 0.5 0.2 0.5\n")
    small = ("steps=2", "batch=2", "crop=64", "painted=2", "validation=2", "validate_every=2")
    settings = [part for setting in small for part in ("--set", setting)]
    done = piafusion("train", "context", data, "-o", run, *settings)
    assert done.code == 0, done.err
    refused = piafusion("export", run, "-o", models)
    assert refused.code == 2
    assert "expected --onto for a context network" in refused.err
    done = piafusion("export", run, "-o", models, "--onto", "piafusion-fast", "--context-side", 96)
    assert done.code == 0, done.err
    record = load_manifest(models)["piafusion-fast"].training
    assert record["context"]["command"].startswith("piafusion train context")
    infrared, visible = scene(120, 160)
    fusers = [
        Fuser(f"{models / 'piafusion-fast.onnx'}", engine=engine, strength=0.5)
        for engine in ("onnx", "torch")
    ]
    fusers.append(Fuser(f"{models / 'piafusion-fast.onnx'}", precision="int8", strength=0.5))
    assert [fuser.engine.context_side for fuser in fusers] == [96, 96, 96]
    one, other, in_8_bits = (fuser(infrared, visible).astype(int) for fuser in fusers)
    assert np.abs(one - other).max() <= 1
    assert np.abs(one - in_8_bits).max() <= 12
    small = np.zeros((1, 2, 32, 48), np.float32)
    np.testing.assert_array_equal(fusers[0].engine.judge(small), fusers[2].engine.judge(small))


def test_without_boxes_there_is_nothing_to_learn(piafusion: Callable, tmp_path: Path) -> None:
    _street(tmp_path, ["0001D"])
    (tmp_path / "boxes" / "infrared").rmdir()
    done = piafusion("train", "context", tmp_path, "-o", tmp_path / "run")
    assert done.code != 0
    assert "expected a folder of boxes" in done.err
