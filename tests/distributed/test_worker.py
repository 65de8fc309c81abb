"""The worker without Ray: what it answers, and how a pair is kept from ending all workers."""

import json
from pathlib import Path

import numpy as np
import pytest

import piafusion
from piafusion import Fuser
from piafusion.batch import FailedPair, FusedPair, PairJob
from piafusion.distributed.answers import FuserSettings, Pair, unpack
from piafusion.distributed.run import Counter
from piafusion.distributed.worker import CHANCES, FuseWorker
from piafusion.errors import ClusterError, UsageError
from piafusion.imaging.io import read_image
from piafusion.imaging.places import sha256


class Died(BaseException):
    """In place of a signal that ends the process."""


class Mortal(FuseWorker):
    def _answer(self, pair: Pair):
        if pair["infrared"].endswith("2N.png"):
            raise Died
        return super()._answer(pair)


def row(folders: tuple[Path, Path], out: Path, *stems: str) -> dict[str, str]:
    ir, vi = folders
    pairs = [
        Pair(
            index=index,
            infrared=str(ir / f"{stem}.png"),
            visible=str(vi / f"{stem}.png"),
            output=str(out / f"{stem}.png"),
        )
        for index, stem in enumerate(stems)
    ]
    return {"name": "from 0", "pairs": json.dumps(pairs)}


def worker(kind: type[FuseWorker] = FuseWorker, **settings: object) -> FuseWorker:
    return kind(FuserSettings(**settings), piafusion.__version__, Counter())


def answers(worker: FuseWorker, row: dict[str, str]):
    packed = json.loads(worker(row)["answers"])
    pairs = json.loads(row["pairs"])
    jobs = [
        PairJob(*(Path(pair[key]) for key in ("infrared", "visible", "output"))) for pair in pairs
    ]
    return [unpack(each, jobs[each.get("index", 0)]) for each in packed]


def test_a_pair_is_fused_as_by_a_fuser(pair_folders, tmp_path: Path) -> None:
    work = row(pair_folders, tmp_path / "out", "1D")
    (answer,) = answers(worker(tone="percentile:1,99"), work)
    assert isinstance(answer.result, FusedPair)
    assert (answer.result.width, answer.result.height) == (64, 48)
    assert answer.result.tone.low > 0
    assert answer.device == "cpu"
    sources = [folder / "1D.png" for folder in pair_folders]
    output = tmp_path / "out" / "1D.png"
    expected = Fuser(tone="percentile:1,99")(*map(read_image, sources))
    np.testing.assert_array_equal(read_image(output), expected)
    files = dict(zip(("infrared", "visible", "output"), (*sources, output), strict=True))
    assert answer.sha256 == {name: sha256(path) for name, path in files.items()}


def test_what_a_worker_that_died_has_written_is_written_again(pair_folders, tmp_path: Path) -> None:
    work = row(pair_folders, tmp_path, "1D")
    (tmp_path / "1D.png").write_text("of the one that died")
    (answer,) = answers(worker(), work)
    assert isinstance(answer.result, FusedPair)
    assert read_image(tmp_path / "1D.png").shape == (48, 64, 3)


def test_a_pair_that_fails_is_answered_for(pair_folders, tmp_path: Path) -> None:
    (pair_folders[0] / "1D.png").write_bytes(b"broken")
    first, second, third = answers(worker(), row(pair_folders, tmp_path, "1D", "none", "3N"))
    assert isinstance(first.result, FailedPair)
    assert "1D.png: expected PNG" in first.result.error
    assert set(first.sha256) == {"infrared", "visible"}
    assert "none.png: expected a readable image file" in second.result.error
    assert isinstance(third.result, FusedPair)


def test_a_pair_ends_no_more_workers_than_it_has_chances(pair_folders, tmp_path: Path) -> None:
    tally = Counter()
    work = row(pair_folders, tmp_path, "1D", "2N", "3N")
    deaths = 0
    while True:  # as Ray does: another worker for the same work
        try:
            packed = Mortal(FuserSettings(), piafusion.__version__, tally)(work)
            break
        except Died:
            deaths += 1
    assert deaths == CHANCES
    one, two, three = json.loads(packed["answers"])
    assert "2N.png: expected to fuse the pair, found that 3 workers died" in two["error"]
    assert "error" not in one
    assert "error" not in three


def test_behind_urls_files_are_copied_and_named_as_they_are(pair_folders, tmp_path: Path) -> None:
    pytest.importorskip("upath")
    ir, vi = (f"local://{folder}" for folder in pair_folders)
    (pair_folders[1] / "2N.png").write_bytes(b"broken")
    pairs = [
        Pair(
            index=index,
            infrared=f"{ir}/{stem}.png",
            visible=f"{vi}/{stem}.png",
            output=f"local://{tmp_path}/new/{stem}.png",
        )
        for index, stem in enumerate(("1D", "2N", "4N"))
    ]
    one, two, three = json.loads(worker()({"name": "a", "pairs": json.dumps(pairs)})["answers"])
    assert one["sha256"]["output"] == sha256(tmp_path / "new" / "1D.png")
    assert two["error"].startswith(f"{vi}/2N.png: expected PNG")
    assert three["error"].startswith(f"{ir}/4N.png: expected a readable image file")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["1D.png"]


def test_what_no_pair_can_be_fused_with_is_told(pair_folders, tmp_path: Path) -> None:
    work = row(pair_folders, tmp_path, "1D")
    with pytest.raises(UsageError, match="found 'none'"):
        answers(worker(model="none"), work)
    other = FuseWorker(FuserSettings(), "0.0", Counter())
    with pytest.raises(ClusterError, match=r"expected piafusion 0\.0 as here, found"):
        answers(other, work)
    assert not list(tmp_path.glob("*.png"))
