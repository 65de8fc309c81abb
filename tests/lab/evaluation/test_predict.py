import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from piafusion.imaging.io import read_image, write_image
from piafusion.lab.evaluation.methods import GivenPictures
from piafusion.lab.evaluation.predict import fused_files, predict, runtime
from piafusion.lab.evaluation.sets import DataSet, Failure, read_sets
from tests.conftest import scene
from tests.lab.evaluation.conftest import STEMS, Counting

KILLED = """
import os, sys
from pathlib import Path
from piafusion import Fuser
from piafusion.lab.evaluation.methods import Method
from piafusion.lab.evaluation.predict import predict
from piafusion.lab.evaluation.sets import read_sets
calls = []
def fuse(infrared, visible):
    calls.append(1)
    if len(calls) == 3:
        os._exit(9)
    return Fuser(method="maximum")(infrared, visible)
method = Method("mine", {"weights": "a"}, lambda: fuse)
list(predict([method], read_sets([f"tiny={sys.argv[1]}"]), Path(sys.argv[2])))
"""


def run(counting: Counting, data: DataSet, output: Path, settings: str = "a") -> list[Failure]:
    done = list(predict([counting.method(settings)], [data], output))
    assert len(done) == len(data.pairs)
    return [problem for problem in done if problem]


def test_each_picture_is_made_once(data: DataSet, counting: Counting, tmp_path: Path) -> None:
    for _ in range(2):
        assert run(counting, data, tmp_path) == []
    assert counting.calls == 4
    files, problems = fused_files(counting.method(), data, tmp_path)
    assert list(files) == list(STEMS)
    assert problems == []
    infrared, visible = scene(seed=1)
    expected = counting.method().load()(infrared, visible)
    np.testing.assert_array_equal(read_image(files["2D"]), expected)


def test_other_weights_never_use_the_old_pictures(
    data: DataSet, counting: Counting, tmp_path: Path
) -> None:
    run(counting, data, tmp_path)
    files, problems = fused_files(counting.method("b"), data, tmp_path)
    assert files == {}
    assert "not predicted under these settings: 1D, 2D, 3N, 4N" in problems[0].message
    first_alone = DataSet(data.name, data.pairs[:1], data.hashes, data.known, [])
    run(counting, first_alone, tmp_path, "b")
    assert counting.calls == 5
    assert [path.name for path in (tmp_path / "fused/mine/tiny").glob("*.png")] == ["1D.png"]
    run(counting, data, tmp_path, "a")
    assert counting.calls == 9


def test_other_sources_and_altered_results_are_fused_again(
    root: Path, data: DataSet, counting: Counting, tmp_path: Path
) -> None:
    run(counting, data, tmp_path)
    write_image(root / "ir" / "1D.png", scene(seed=9)[0], overwrite=True)
    write_image(tmp_path / "fused/mine/tiny/2D.png", scene()[1], overwrite=True)
    (tmp_path / "fused/mine/tiny/3N.png").unlink()
    changed = read_sets([f"tiny={root}"])[0]
    assert list(fused_files(counting.method(), changed, tmp_path)[0]) == ["4N"]
    run(counting, changed, tmp_path)
    assert counting.calls == 4 + 3


def test_a_killed_run_goes_on_where_it_stopped(
    root: Path, data: DataSet, counting: Counting, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(root), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 9
    assert len(fused_files(counting.method(), data, tmp_path)[0]) == 2
    run(counting, data, tmp_path)
    assert counting.calls == 2


def test_a_pair_that_cannot_be_fused_stops_no_other(
    root: Path, counting: Counting, tmp_path: Path
) -> None:
    write_image(root / "ir" / "2D.png", scene(40)[0], overwrite=True)
    (root / "vi" / "3N.png").write_bytes(b"")
    data = read_sets([f"tiny={root}"])[0]
    problems = run(counting, data, tmp_path)
    assert [problem.stems for problem in problems] == [("2D",), ("3N",)]
    assert "expected two pictures of one size" in problems[0].message
    assert "3N.png: expected a whole image file" in problems[1].message
    assert list(fused_files(counting.method(), data, tmp_path)[0]) == ["1D", "4N"]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_pictures_keep_their_depth(
    root: Path, counting: Counting, tmp_path: Path, dtype: type
) -> None:
    full = 65535 if dtype is np.uint16 else 1
    (root / "vi" / "1D.png").unlink()
    deep = (scene()[1] / 255 * full).astype(dtype)
    write_image(root / "vi" / "1D.tiff", deep)
    data = read_sets([f"tiny={root}"])[0]
    assert run(counting, data, tmp_path) == []
    path = fused_files(counting.method(), data, tmp_path)[0]["1D"]
    assert path.suffix == (".png" if dtype is np.uint16 else ".tiff")
    assert read_image(path).dtype == dtype


def test_times_tell_the_first_call_apart(data: DataSet, counting: Counting, tmp_path: Path) -> None:
    assert runtime(counting.method(), data, tmp_path) is None
    run(counting, data, tmp_path)
    time = runtime(counting.method(), data, tmp_path)
    assert time is not None
    assert (time.calls, time.threads, len(time.processors)) == (3, 3, 1)
    assert time.first is not None
    assert time.median is not None
    assert 0 < time.median < 60_000


def test_given_pictures(data: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    for name in ("1D.png", "1D.bmp", "2D.jpg", "9.png"):
        write_image(folder / name, scene()[1])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    (folder / "sub").mkdir()
    files, problems = fused_files(GivenPictures("theirs", {"tiny": folder}), data, tmp_path)
    assert files == {"2D": folder / "2D.jpg"}
    assert [problem.stems for problem in problems] == [("1D",), ("3N", "4N"), ("9",)]
    twice, missing, stray = (problem.message for problem in problems)
    assert "expected one file per stem, found 1D.bmp, 1D.png" in twice
    assert "no fused image for 2 of 4 pairs: 3N, 4N" in missing
    assert "no sources for 1 of 3 images: 9" in stray
