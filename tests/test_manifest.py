import json
from pathlib import Path

import pytest

from piafusion.batch import FailedPair, FusedPair, PairJob
from piafusion.errors import UsageError
from piafusion.manifest import describe, read_manifest, unknown, write_manifest

JOB = PairJob(Path("ir/a.png"), Path("/data/vi/a.png"), Path("out/a.png"))


def test_entries_tell_the_result_of_a_pair() -> None:
    hashes = {"infrared": "1", "visible": "2", "output": "3"}
    fused = FusedPair(JOB, 64, 48, 0.25, None, "host:1", "cpu", hashes)
    entry = describe(fused, model="gtf", tone="full")
    assert entry["infrared"] == str(Path("ir/a.png").absolute())
    assert (entry["visible"], entry["output"]) == ("/data/vi/a.png", "a.png")
    assert [entry[f"{name}_sha256"] for name in hashes] == ["1", "2", "3"]
    assert (entry["width"], entry["height"], entry["seconds"]) == (64, 48, 0.25)
    assert (entry["worker"], entry["model"], entry["error"]) == ("host:1", "gtf", None)
    failed = describe(FailedPair(JOB, "why"), model="gtf", tone="full")
    assert failed.keys() == entry.keys() == unknown(JOB).keys()
    assert (failed["output_sha256"], failed["error"]) == (None, "why")


def test_entries_of_earlier_runs_stay(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    assert read_manifest(path) == []
    old = [{**unknown(JOB), "output": name, "error": "old"} for name in ("c.png", "a.png")]
    write_manifest(path, [], old)
    now = [{**unknown(JOB), "output": name} for name in ("b.png", "a.png")]
    write_manifest(path, read_manifest(path), now)
    found = read_manifest(path)
    assert [(entry["output"], entry["error"]) for entry in found] == [
        ("a.png", None),
        ("b.png", None),
        ("c.png", "old"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]


@pytest.mark.parametrize("text", ["precious", json.dumps({"name": "a"}), "[1]", "1"])
def test_another_file_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match="expected a manifest of piafusion, found "):
        read_manifest(path)
