"""What the context network learns from."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from piafusion.lab.training import natural
from piafusion.lab.training.natural import Settings, by_night, light_loss, target_loss
from piafusion.lab.training.natural_data import (
    UNKNOWN,
    ContextSampler,
    blur_batch,
    cutouts,
    lost_by_day,
    lost_by_night,
    paint_examples,
    read_pair_examples,
    spoil,
)


def _street(root: Path, stems: list[str]) -> None:
    generator = np.random.default_rng(0)
    for folder in ("ir", "vi", "boxes"):
        (root / folder).mkdir(parents=True)
    for stem in stems:
        infrared = generator.integers(20, 60, (96, 128)).astype(np.uint8)
        infrared[30:70, 50:66] = 220
        visible = generator.integers(60, 200, (96, 128, 3)).astype(np.uint8)
        cv2.imwrite(str(root / "ir" / f"{stem}.png"), infrared)
        cv2.imwrite(str(root / "vi" / f"{stem}.png"), visible)


def test_boxes_make_targets_and_undecided_ones_make_holes(tmp_path: Path) -> None:
    _street(tmp_path, ["0001D", "0002N"])
    person = f"0 {58 / 128} {50 / 96} {24 / 128} {48 / 96}"
    (tmp_path / "boxes" / "0001D.txt").write_text(f"{person}\n9 0.1 0.1 0.2 0.2\n")
    known, unknown = read_pair_examples(tmp_path, tmp_path / "boxes")
    assert known.day
    assert (known.targets[32:68, 52:64] == 1).all()
    assert (known.targets[:15, :20] == UNKNOWN).all()
    assert (known.targets[80:, 80:] == 0).all()
    assert not unknown.day
    assert (unknown.targets == UNKNOWN).all()


def test_by_night_what_no_lamp_reaches_is_lost() -> None:
    level = np.full((64, 256), 0.25, np.float32)  # a grey night
    level[:, 128:] = 0.75  # lit
    bright, dim = np.full_like(level, 0.5), np.full_like(level, 0.2)
    lost = lost_by_night(level, bright)
    assert lost[:, :80].min() > 0.95
    assert lost[:, 180:].max() < 0.05
    level[:, :128] = 0.4  # not so dark beside the lamps, but as dark as it gets without
    assert lost_by_night(level, bright).max() < 0.05
    assert lost_by_night(level, dim)[:, :80].min() > 0.95
    assert lost_by_night(level, dim)[:, 180:].max() < 0.05


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


def test_nights_are_told_by_number() -> None:
    assert by_night("FLIR_07371")
    assert by_night("FLIR_video_00069")
    assert not by_night("FLIR_00018")


def test_a_blur_keeps_the_mean_and_the_border() -> None:
    plane = torch.ones(1, 1, 40, 40)
    torch.testing.assert_close(blur_batch(plane, 8), plane)
    plane[..., 20, 20] = 401
    blurred = blur_batch(plane, 3)
    torch.testing.assert_close(blurred.mean(), plane.mean())
    assert blurred[0, 0, 20, 20] < 40


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [paint_examples(2)], [1.0]
    monkeypatch.setattr(natural, "read_groups", lambda *_: groups)
    settings = Settings(steps=4, batch=1, size=64, fidelity=0.1, bleach=1.0, contrast=0.1)

    whole = natural.Run(tmp_path, tmp_path / "whole", settings)
    whole.train()
    broken = natural.Run(tmp_path, tmp_path / "broken", settings)
    broken.train(minutes=0)
    assert broken.step == 1
    resumed = natural.Run(tmp_path, tmp_path / "broken", settings)
    assert resumed.step == 1
    resumed.train()
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert json.loads((tmp_path / "whole" / "settings.json").read_text())["steps"] == 4
