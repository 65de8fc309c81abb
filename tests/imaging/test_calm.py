"""Decisions that are carried from frame to frame: calmer, without trails, the same in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from piafusion import Fuser
from piafusion.imaging.natural import reduce

HEIGHT, WIDTH = 97, 131  # odd, and no multiple of anything
RATE = 25

Pair = tuple[np.ndarray, np.ndarray]


@cache
def fuser() -> Fuser:
    return Fuser("piafusion-fast", threads=1)


def scene(seed: int, *, left: int = 40, noise: float = 0.0, heat: int = 200) -> Pair:
    """A warm body before a wall, as both cameras see it, with the noise of that seed."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    visible = 90 + 25 * np.sin(across / 5) + 20 * np.sin(down / 7)
    infrared = 60 + 10 * np.sin(across / 9)
    body = (slice(20, 75), slice(left, left + 18))
    infrared[body], visible[body] = heat, 70
    random = np.random.default_rng(seed)
    ir, vi = (plane + noise * random.standard_normal(plane.shape) for plane in (infrared, visible))
    vi = np.repeat(vi[..., None], 3, axis=2)
    return np.clip(ir, 0, 255).astype(np.uint8), np.clip(vi, 0, 255).astype(np.uint8)


def calmly(pairs: list[Pair], with_: Callable[[], Fuser] = fuser) -> list[np.ndarray]:
    following = with_().sequence(RATE)
    return [following()(*pair) for pair in pairs]


def changes(frames: list[np.ndarray]) -> float:
    floats = [frame.astype(float) for frame in frames]
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(floats)]))


def no_shifts(*_: object) -> None:
    """Stand in for `Local`, which is slow: the alignment of a pair without local shifts."""


@pytest.mark.parametrize("local", [False, no_shifts])
def test_a_still_scene_with_noise_is_calmer(local: Any) -> None:
    # Not as hot as can be: there the noise of the infrared is shown amplified.
    pairs = [scene(seed, noise=6, heat=160) for seed in range(8)]
    following = Fuser("piafusion-fast", threads=1, local=local)
    alone, calm = [following(*pair) for pair in pairs], calmly(pairs, lambda: following)
    added = [
        [
            reduce((np.float32(frame) - vi)[..., 1], 2)
            for frame, (_, vi) in zip(frames, pairs, strict=True)
        ]
        for frames in (alone, calm)
    ]  # at half the resolution, where it is carried
    assert changes(added[1]) < 0.95 * changes(added[0])
    assert changes(calm) < changes(alone)


def test_the_first_frame_and_one_after_a_cut_are_as_they_are_alone() -> None:
    pairs = [scene(0), scene(1)]
    cut = [(255 - ir, 255 - vi) for ir, vi in pairs]
    frames = calmly([*pairs, *cut, pairs[0]])
    for index, pair in ((0, pairs[0]), (2, cut[0]), (4, pairs[0])):
        np.testing.assert_array_equal(frames[index], fuser()(*pair))


def test_a_moving_target_leaves_no_trail_and_stays_sharp() -> None:
    pairs = [scene(0, left=left) for left in range(10, 90, 9)]
    sharp = []
    for (before, _), (pair, frame) in pairwise(zip(pairs, calmly(pairs), strict=True)):
        left_behind = (before[0] > 150) & (pair[0] < 150)
        alone = fuser()(*pair).astype(float)
        assert left_behind.sum() > 300
        assert np.abs(frame - alone)[left_behind].max() < 20  # the target is 130 brighter
        sharp.append(
            [np.abs(np.diff(image.astype(float), axis=1)).mean() for image in (alone, frame)]
        )
    one, other = np.mean(sharp, axis=0)
    assert other == pytest.approx(one, rel=0.03)


def test_a_frame_of_another_size_or_that_fails_stops_nothing() -> None:
    following = fuser().sequence(RATE)
    pair = scene(0)
    small = pair[0][:64, :64].copy(), pair[1][:64, :64].copy()
    following()(*pair)
    with pytest.raises(ValueError, match="expected"):
        following()(pair[0], small[1])
    np.testing.assert_array_equal(following()(*small), fuser()(*small))


@pytest.mark.parametrize("workers", [1, 4])
def test_threads_change_nothing(workers: int) -> None:
    pairs = [scene(seed, left=20 + 3 * seed, noise=4) for seed in range(9)]
    following = fuser().sequence(RATE)
    jobs = [(following(), pair) for pair in pairs]
    with ThreadPoolExecutor(workers) as pool:
        frames = list(pool.map(lambda job: job[0](*job[1]), jobs))
    for frame, expected in zip(frames, calmly(pairs), strict=True):
        np.testing.assert_array_equal(frame, expected)


def test_tiles_change_nothing() -> None:
    tiled = Fuser("piafusion-fast", threads=1, tile=64)
    assert len(tiled.plan(HEIGHT, WIDTH)) > 1
    pairs = [scene(seed, left=20 + 3 * seed, noise=4) for seed in range(3)]
    for frame, expected in zip(calmly(pairs, lambda: tiled), calmly(pairs), strict=True):
        assert np.abs(frame.astype(int) - expected).max() <= 1


def test_a_model_that_judges_no_places_fuses_frame_by_frame() -> None:
    paper = Fuser("paper", threads=1)
    pair = scene(0, noise=4)
    for frame in calmly([pair, pair], lambda: paper):
        np.testing.assert_array_equal(frame, paper(*pair))
