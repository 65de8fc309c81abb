"""`piafusion fuse --engine ray` with answers from this process: what the command makes of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from piafusion import Fuser
from piafusion.batch import PairJob, fuse_job
from piafusion.distributed import Answer, FuserSettings
from piafusion.errors import ClusterError
from piafusion.files import temporary_beside


@pytest.fixture
def break_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """In place of Ray: answer for the last pair, begin another, and raise."""

    def arrange(error: BaseException) -> None:
        def fuse(settings: FuserSettings, jobs: Sequence[PairJob], **_: object) -> Iterator[Answer]:
            yield Answer(fuse_job(Fuser(**settings.arguments), jobs[-1]), "host:1", "cpu")
            temporary_beside(jobs[0].output).touch()
            raise error

        monkeypatch.setattr("piafusion.distributed.cluster.load_ray", lambda: None)
        monkeypatch.setattr("piafusion.distributed.fuse_on_ray", fuse)

    return arrange


def test_ctrl_c_leaves_a_manifest_of_what_was_done(
    piafusion, pair_folders, tmp_path: Path, break_off
) -> None:
    out = tmp_path / "out"
    command = ("fuse", *pair_folders, "-o", out, "--engine", "ray")
    break_off(KeyboardInterrupt())
    done = piafusion(*command, "--json")
    assert done.code == 130
    assert "stopped with 2 of 3 pairs to go; the same command with --skip-existing" in done.err
    report = json.loads(done.out)
    assert (report["engine"], report["workers"], report["device"]) == ("ray", 1, "cpu")
    assert sorted(path.name for path in out.iterdir()) == ["3N.png", "manifest.jsonl"]
    (entry,) = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    assert (entry["output"], entry["worker"]) == ("3N.png", "host:1")
    assert entry["visible"] == str(pair_folders[1] / "3N.png")
    again = piafusion(*command)
    assert again.code == 2
    assert "3N.png: exists already" in again.err


def test_a_cluster_that_gives_up_leaves_a_manifest_too(
    piafusion, pair_folders, tmp_path: Path, break_off
) -> None:
    break_off(ClusterError("expected workers, found none"))
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--engine", "ray")
    assert done.code == 1
    assert done.err == "piafusion: expected workers, found none\n"
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 1


def test_another_manifest_is_not_replaced(
    piafusion, pair_folders, tmp_path: Path, break_off
) -> None:
    break_off(AssertionError("no work is begun"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").write_text("precious")
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--engine", "ray")
    assert done.code == 2
    assert "expected a manifest of piafusion, found no" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.jsonl"]


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
