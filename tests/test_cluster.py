"""The Ray engine: without Ray, and with two workers of a Ray on this machine.

The latter is run by `make cluster` alone: Ray takes 40 seconds of processor time, and where the
machine is busy it gives up starting after 30 seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from piafusion import Fuser, cluster
from piafusion.batch import FailedPair, FusedPair, PairJob, fuse_job
from piafusion.errors import ClusterError
from piafusion.imaging.io import write_image
from piafusion.imaging.places import sha256
from piafusion.manifest import NAME, read_manifest
from tests.conftest import scene
from tests.test_docs import ROOT, blocks, files, search, workplace  # noqa: F401 - fixtures

needs_ray = pytest.mark.skipif(
    "PIAFUSION_RAY" not in os.environ or not find_spec("ray") or not find_spec("upath"),
    reason="make cluster starts Ray",
)
SETTINGS = {"model": "piafusion", "device": "cpu"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


@pytest.fixture
def break_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """In place of Ray: fuse the last pair, and raise."""

    def arrange(error: BaseException) -> None:
        def fuse(settings: dict[str, Any], jobs: list[PairJob], **_: object) -> Iterator[Any]:
            yield fuse_job(Fuser(**settings), jobs[-1], hashes=True)
            raise error

        monkeypatch.setattr(cluster, "load_ray", lambda: None)
        monkeypatch.setattr(cluster, "fuse_on_ray", fuse)

    return arrange


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ClusterError("expected workers, found no")])
def test_a_run_that_ends_early_leaves_a_manifest(
    piafusion, pair_folders, tmp_path: Path, break_off, error: BaseException
) -> None:
    break_off(error)
    out = tmp_path / "out"
    command = ("fuse", *pair_folders, "-o", out, "--engine", "ray")
    done = piafusion(*command, "--json")
    assert sorted(path.name for path in out.iterdir()) == ["3N.png", NAME]
    (entry,) = read_manifest(out / NAME)
    assert entry["output_sha256"] == sha256(out / "3N.png")
    if isinstance(error, ClusterError):
        assert done.code == 1
        assert done.err == "piafusion: expected workers, found no\n"
    else:
        assert done.code == 130
        assert "stopped with 2 of 3 pairs not fused; continue with the same command" in done.err
        report = json.loads(done.out)
        assert (report["engine"], report["workers"], report["device"]) == ("ray", 1, "cpu")


def test_without_ray_the_extra_is_named(
    piafusion, pair_folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--engine", "ray")
    assert done.code == 1
    assert done.err == (
        "piafusion: expected ray for clusters, found it not installed; "
        "run: pip install 'piafusion[ray]'\n"
    )


def test_another_version_on_a_machine_is_refused() -> None:
    job = PairJob(Path("a.png"), Path("b.png"), Path("c.png"))
    with pytest.raises(ClusterError, match=r"expected piafusion 0\.0 as here, found"):
        cluster._fuse_there(SETTINGS, "0.0", job)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with cluster.joined(None, workers=2) as ray:
        yield ray


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


@needs_ray
def test_nothing_is_reported_and_nothing_served(ray) -> None:
    from ray._common.usage import usage_lib
    from ray._private import worker

    assert not usage_lib.usage_stats_enabled()
    assert not worker._global_node.webui_url  # of the dashboard


@needs_ray
@pytest.mark.usefixtures("ray")
def test_the_command_does_what_the_local_one_does(piafusion, folders, tmp_path: Path) -> None:
    ir, vi = folders
    there, here = tmp_path / "there", tmp_path / "here"
    (ir / "3.png").write_bytes(b"broken")
    write_image(vi / "9.png", scene()[1])  # without a partner
    local = piafusion("fuse", ir, vi, "-o", here, "--workers", 1)
    # By way of fsspec for the sources, so that those are copied; see docs/clusters.md.
    places = (f"local://{ir}", vi, "-o", f"file://{there}")
    there.mkdir()
    shutil.copy(here / "0.png", there)
    command = ("fuse", *places, "--engine", "ray", "--workers", 2, "--skip-existing", "--json")
    done = piafusion(*command)
    assert done.code == local.code == 1
    said = [line for line in done.err.splitlines() if not line.startswith("fusing: ")]
    assert [line.replace("local://", "") for line in said] == local.err.splitlines()
    assert contents(there) == contents(here)
    report = json.loads(done.out)
    assert (report["engine"], report["device"], report["skipped"]) == ("ray", "cpu", 1)
    assert [Path(entry["output"]).stem for entry in report["fused"]] == ["1", "2", "4", "5"]
    entries = read_manifest(there / NAME)
    assert [bool(entry["error"]) for entry in entries] == [index == 3 for index in range(6)]
    assert [entry["worker"] is None for entry in entries] == [index == 0 for index in range(6)]
    for theirs, ours in list(zip(entries, read_manifest(here / NAME), strict=True))[1:]:
        assert theirs["infrared"] == f"local://{ours['infrared']}"
        for name in ("visible", "output", "visible_sha256", "output_sha256", "model", "tone"):
            assert theirs[name] == ours[name]


@needs_ray
@pytest.mark.usefixtures("ray", "workplace")
def test_the_commands_of_the_page(piafusion) -> None:
    lines = "".join(text for _, text in blocks(ROOT / "docs" / "clusters.md")).splitlines()
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line]
    on_ray = [arguments for arguments in commands if "ray" in arguments]
    assert on_ray
    for arguments in on_ray:
        done = piafusion(*arguments)
        assert done.code == 0, f"{arguments}: {done.err}"


@needs_ray
def test_a_pair_that_ends_its_workers_fails_alone(
    ray, folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = tmp_path / "died"

    def fuse_or_die(settings: dict[str, Any], version: str, job: PairJob):
        if job.output.stem == "1":
            with died.open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return cluster.fuse_job(Fuser(**settings, threads=1), job, overwrite=True)

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(cluster, "_fuse_there", fuse_or_die)
    jobs = [
        PairJob(ir, folders[1] / ir.name, tmp_path / ir.name) for ir in sorted(folders[0].iterdir())
    ]
    results = {each.job.output.stem: each for each in cluster.fuse_on_ray(SETTINGS, jobs)}
    assert sorted(results) == ["0", "1", "2", "3", "4", "5"]
    assert isinstance(results["1"], FailedPair)
    assert "found that 3 workers died of it" in results["1"].error
    assert died.read_text() == "xxx"
    assert all(isinstance(each, FusedPair) for stem, each in results.items() if stem != "1")
    assert sorted(contents(tmp_path)) == ["0.png", "2.png", "3.png", "4.png", "5.png"]


@needs_ray
def test_where_nothing_listens_there_is_no_cluster(ray) -> None:
    ray.shutdown()
    message = r"expected a Ray cluster at '127\.0\.0\.1:1', found: .*refused"
    with pytest.raises(ClusterError, match=message), cluster.joined("127.0.0.1:1", workers=1):
        pass
