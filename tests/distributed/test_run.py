"""Two workers of a Ray on this machine, by the command line and from Python.

Run by `make cluster` alone: Ray takes 40 seconds of processor time, and where the machine is busy
it gives up starting after 30 seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from piafusion.batch import FailedPair, FusedPair, PairJob
from piafusion.distributed import FuserSettings, fuse_on_ray
from piafusion.distributed.answers import Pair
from piafusion.distributed.cluster import joined
from piafusion.distributed.worker import FuseWorker
from piafusion.errors import ClusterError
from piafusion.imaging.io import write_image
from piafusion.imaging.places import sha256
from tests.conftest import scene
from tests.test_docs import ROOT, blocks, workplace  # noqa: F401 - a fixture

pytest.importorskip("ray")
pytest.importorskip("upath")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.skipif("PIAFUSION_RAY" not in os.environ, reason="make cluster starts Ray"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with joined(None, workers=2):
        yield


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Six pairs."""
    for index in range(6):
        infrared, visible = scene(seed=index)
        write_image(tmp_path / "ir" / f"{index}.png", infrared)
        write_image(tmp_path / "vi" / f"{index}.png", visible)
    return tmp_path / "ir", tmp_path / "vi"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


@pytest.mark.usefixtures("cluster")
def test_nothing_is_reported_and_nothing_served() -> None:
    from ray._common.usage import usage_lib
    from ray._private import worker

    assert not usage_lib.usage_stats_enabled()
    assert not worker._global_node.webui_url  # of the dashboard


@pytest.mark.usefixtures("cluster")
def test_the_command_does_what_the_local_one_does(piafusion, folders, tmp_path: Path) -> None:
    ir, vi = folders
    there, here = tmp_path / "there", tmp_path / "here"
    (ir / "3.png").write_bytes(b"broken")
    write_image(vi / "9.png", scene()[1])  # without a partner
    local = piafusion("fuse", ir, vi, "-o", here, "--workers", 1)
    # By way of fsspec for the sources, so that those are copied; see docs/clusters.md.
    places = (f"local://{ir}", vi, "-o", f"file://{there}")
    command = ("fuse", *places, "--engine", "ray", "--workers", 2)
    there.mkdir()
    shutil.copy(here / "0.png", there)
    done = piafusion(*command, "--skip-existing", "--json")
    assert done.code == local.code == 1
    said = [line for line in done.err.splitlines() if not line.startswith("fusing: ")]
    assert [line.replace("local://", "") for line in said] == local.err.splitlines()
    assert contents(there) == contents(here)
    report = json.loads(done.out)
    assert (report["engine"], report["device"], report["skipped"]) == ("ray", "cpu", 1)
    assert [Path(entry["output"]).stem for entry in report["fused"]] == ["1", "2", "4", "5"]
    assert len(report["failed"]) == 2
    assert report["manifest"] == str(there / "manifest.jsonl")
    entries = [json.loads(line) for line in (there / "manifest.jsonl").read_text().splitlines()]
    assert [entry["output"] for entry in entries] == [f"{index}.png" for index in range(6)]
    assert [bool(entry["error"]) for entry in entries] == [index == 3 for index in range(6)]
    assert [entry["worker"] is None for entry in entries] == [index == 0 for index in range(6)]
    for index in (1, 2, 4, 5):
        assert entries[index]["infrared"] == f"local://{ir}/{index}.png"
        assert entries[index]["infrared_sha256"] == sha256(ir / f"{index}.png")
        assert entries[index]["visible_sha256"] == sha256(vi / f"{index}.png")
        assert entries[index]["output_sha256"] == sha256(there / f"{index}.png")
    nothing = piafusion("fuse", vi, vi, "-o", f"file://{there}", "--engine", "ray")
    assert nothing.code == 2
    assert "exist already" in nothing.err


@pytest.mark.usefixtures("cluster", "workplace")
def test_the_commands_of_the_page(piafusion) -> None:
    lines = "".join(blocks(ROOT / "docs" / "clusters.md", "sh")).splitlines()
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line]
    on_ray = [arguments for arguments in commands if "ray" in arguments]
    assert on_ray
    for arguments in on_ray:
        done = piafusion(*arguments)
        assert done.code == 0, f"{arguments}: {done.err}"


class Mortal(FuseWorker):
    """Dies of pair 1, as if it were killed."""

    def _answer(self, pair: Pair):
        if Path(pair["output"]).stem == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._answer(pair)


@pytest.mark.usefixtures("cluster")
def test_the_pairs_of_a_worker_that_died_are_done_again(
    folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("piafusion.distributed.worker.FuseWorker", Mortal)
    monkeypatch.setattr("piafusion.distributed.run._PIECES", 2)  # three pairs each
    jobs = [
        PairJob(ir, folders[1] / ir.name, tmp_path / ir.name) for ir in sorted(folders[0].iterdir())
    ]
    answers = list(fuse_on_ray(FuserSettings(), jobs, workers=1))
    results = {answer.result.job.output.stem: answer.result for answer in answers}
    assert sorted(results) == ["0", "1", "2", "3", "4", "5"]
    assert isinstance(results["1"], FailedPair)
    assert "found that 3 workers died of it" in results["1"].error
    assert all(isinstance(result, FusedPair) for stem, result in results.items() if stem != "1")
    assert sorted(contents(tmp_path)) == ["0.png", "2.png", "3.png", "4.png", "5.png"]


def test_where_nothing_listens_there_is_no_cluster() -> None:
    import ray

    if ray.is_initialized():
        ray.shutdown()
    message = r"expected a Ray cluster at '127\.0\.0\.1:1', found: .*refused"
    with pytest.raises(ClusterError, match=message), joined("127.0.0.1:1", workers=1):
        pass
