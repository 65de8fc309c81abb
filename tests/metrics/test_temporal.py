"""Measures in time, on clips whose changes are known."""

from __future__ import annotations

import math
from itertools import cycle, islice

import cv2
import numpy as np
import pytest

from piafusion.errors import SizeMismatchError, UsageError
from piafusion.metrics import ALL_SPECS, CLIP_SPECS, SPECS, evaluate_clip

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


def texture(seed: int, height: int = 96, width: int = 128, margin: int = 40) -> np.ndarray:
    """Smooth noise of 60 to 190 levels, larger than a picture by a margin on each side."""
    size = (height + 2 * margin, width + 2 * margin)
    noise = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.asarray(125 + 20 * smooth / smooth.std()).clip(60, 190)


IR, VI = (texture(seed)[40:-40, 40:-40].astype(np.uint8) for seed in (1, 2))


def still(fused: list[np.ndarray], count: int = 6) -> list[Triple]:
    return [(IR, VI, each) for each in islice(cycle(fused), count)]


def test_nothing_changes() -> None:
    values = evaluate_clip(still([VI]))
    assert math.isnan(values.pop("restless"))  # no source changes
    assert values == dict.fromkeys(set(CLIP_SPECS) - {"restless"}, pytest.approx(0, abs=1e-5))


def test_a_fused_picture_that_flickers_between_still_sources() -> None:
    brighter = VI + 25
    values = evaluate_clip(still([VI, brighter]), ["jumps", "pumping", "flowD"])
    assert values["pumping"] == pytest.approx(25)
    assert values["jumps"] == pytest.approx(100, abs=1)
    assert values["flowD"] == pytest.approx(25 * math.sqrt(3), rel=1e-3)
    patch = VI.copy()
    patch[10:34, 20:52] += 25
    share = 100 * 24 * 32 / VI.size
    assert evaluate_clip(still([VI, patch]), ["jumps"])["jumps"] == pytest.approx(share)


def test_a_patch_that_flickers_in_a_source_too_does_not_jump_alone() -> None:
    patch = VI.copy()
    patch[10:34, 20:52] += 30
    frames = [(IR, vi, vi) for vi in (VI, patch) * 3]
    values = evaluate_clip(frames, ["jumps", "restless"])
    assert values == {"jumps": 0, "restless": pytest.approx(1)}


@pytest.mark.parametrize(("gain", "expected"), [(1, 1.0), (2, 2.0), (0, 0.0)])
def test_restless_is_the_change_over_that_of_the_more_restless_source(
    gain: float, expected: float
) -> None:
    frames = []
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(-6, 7, VI.shape)
        frames.append((IR, (VI + noise).astype(np.uint8), (VI + gain * noise).astype(np.uint8)))
    found = evaluate_clip(frames, ["restless"])["restless"]
    assert found == pytest.approx(expected, rel=0.03, abs=0.1)


def test_what_moves_with_the_camera_is_calm() -> None:
    large = [texture(seed) for seed in (1, 2)]
    frames = []
    for step in range(5):
        rows, columns = slice(40, 136), slice(40 + 2 * step, 168 + 2 * step)
        ir, vi = (each[rows, columns].astype(np.uint8) for each in large)
        frames.append((ir, vi, vi))
    values = evaluate_clip(frames)
    still_flow = evaluate_clip([(ir, vi, IR) for ir, vi, _ in frames])
    assert values["jumps"] == 0
    assert values["flowD"] < 0.2 * still_flow["flowD"]
    assert values["BiSWE"] < 3
    assert values["MS2R"] < 0.5


def test_motion_of_its_own_raises_ms2r_and_leaves_biswe() -> None:
    large = texture(2)
    shaking = [large[40:136, 40 + shift : 168 + shift].astype(np.uint8) for shift in (0, 2, 0, 2)]
    values = evaluate_clip([(IR, VI, each) for each in shaking], ["BiSWE", "MS2R"])
    assert values["MS2R"] == pytest.approx(2, rel=0.3)  # 4 pixels across, 0 down
    assert values["BiSWE"] < 5


def test_clips_that_are_too_short() -> None:
    one, two = evaluate_clip(still([VI], 1)), evaluate_clip(still([VI, VI + 9], 2))
    assert all(math.isnan(value) for value in one.values())
    assert {name for name, value in two.items() if math.isnan(value)} == {
        *("restless", "BiSWE", "MS2R")
    }


def test_wrong_input() -> None:
    with pytest.raises(UsageError, match="expected measures out of restless, jumps"):
        evaluate_clip([], ["MI"])
    with pytest.raises(SizeMismatchError):
        evaluate_clip([(IR, VI, VI[:-1])])


def test_specs() -> None:
    assert list(ALL_SPECS) == [*SPECS, *CLIP_SPECS]
    for name, spec in CLIP_SPECS.items():
        assert (spec.name, spec.direction, bool(spec.needs)) == (name, "lower", True)
