"""Clips as data sets: folders of frames and videos, fused as videos, scored in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from piafusion import Fuser
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.data.clips import frames_in, read_clip
from piafusion.lab.evaluation.methods import GivenPictures, Method, baselines, read_methods
from piafusion.lab.evaluation.run import Evaluation, fuse_and_score
from piafusion.lab.evaluation.sets import DataSet, read_sets
from piafusion.metrics import CLIP_SPECS
from tests.conftest import scene
from tests.video.conftest import write_video

METRICS = ["MI", "SF", *CLIP_SPECS]


def frames(count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of one scene with a little noise."""
    infrared, visible = scene(64, 80, seed=seed)
    random = np.random.default_rng(seed)
    return [(noisy(infrared, random), noisy(visible, random)) for _ in range(count)]


def noisy(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.clip(image + random.integers(-5, 6, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two clips of 3 and 12 frames; the names of frames do not sort as text."""
    for name, count in (("a", 3), ("b", 12)):
        for number, (ir, vi) in enumerate(frames(count), start=1):
            write_image(tmp_path / "clips" / "ir" / name / f"{number}.png", ir)
            write_image(tmp_path / "clips" / "vi" / name / f"{number}.png", vi)
    return tmp_path / "clips"


@pytest.fixture
def data(root: Path) -> DataSet:
    return read_sets([str(root)])[0]


def evaluated(data: DataSet, methods: list[Method | GivenPictures], output: Path) -> Evaluation:
    return fuse_and_score(
        data, methods, output, metrics=METRICS, convention="float", against="visible"
    )


def test_clips_are_found_and_read_in_the_order_of_numbers(data: DataSet, root: Path) -> None:
    assert data.clips
    assert [pair.stem for pair in data.pairs] == ["a", "b"]
    assert [path.stem for path in frames_in(root / "ir" / "b")] == [str(n) for n in range(1, 13)]
    for (ir, vi), (one, other) in zip(read_clip(data.pairs[1]), frames(12), strict=True):
        np.testing.assert_array_equal(ir, one)
        np.testing.assert_array_equal(vi, other)
    (root / "vi" / "b" / "7.png").unlink()
    (root / "ir" / "c").mkdir()
    (less,) = read_sets([str(root)])
    assert less.hashes["b"] != data.hashes["b"]
    assert "expected a clip of this name" in str(less.failures[0])


def test_clips_are_fused_as_videos_and_scored_in_time(data: DataSet, tmp_path: Path) -> None:
    output = tmp_path / "out"
    methods = [*baselines(), *read_methods(["piafusion-fast"], [data])[3:]]
    done = evaluated(data, methods, output)
    assert done.failures == []
    (result,) = done.results
    assert list(result.scores.metrics) == METRICS
    values = result.values["visible"]["b"]
    assert 0.5 < values["restless"] <= 1.001  # it is one of the sources
    assert values["jumps"] == 0
    following = Fuser("piafusion-fast", strength=None).sequence(25)
    for number, pair in enumerate(read_clip(data.pairs[1]), start=1):
        kept = read_image(output / "fused" / "piafusion-fast" / "clips" / "b" / f"{number:06}.png")
        assert np.abs(kept.astype(int) - following()(*pair)).max() <= 1
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    again = evaluated(data, methods, output)  # all is known
    assert again.results[0].values == result.values
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}


def test_given_clips_need_a_frame_for_each(data: DataSet, root: Path, tmp_path: Path) -> None:
    given = tmp_path / "theirs"
    for name in ("a", "b"):
        for path in (root / "vi" / name).iterdir():
            write_image(given / name / path.name, read_image(path))
    theirs = read_methods([f"theirs={given}"], [data])[3:]
    done = evaluated(data, [*baselines(), *theirs], tmp_path / "out")
    assert done.results[0].values["theirs"] == done.results[0].values["visible"]
    (given / "b" / "5.png").unlink()
    (failure,) = evaluated(data, [*baselines(), *theirs], tmp_path / "out").failures
    assert "expected a frame for each of" in str(failure)


def test_two_videos_are_a_clip(tmp_path: Path) -> None:
    pictures = frames(4)
    for side, name in enumerate(("ir", "vi")):
        (tmp_path / "films" / name).mkdir(parents=True)
        write_video(tmp_path / "films" / name / "walk.mp4", [pair[side] for pair in pictures])
    (data,) = read_sets([str(tmp_path / "films")])
    assert [pair.stem for pair in data.pairs] == ["walk"]
    done = evaluated(data, list(baselines()), tmp_path / "out")
    assert done.failures == []
    assert done.results[0].values["average"]["walk"]["pumping"] < 2
