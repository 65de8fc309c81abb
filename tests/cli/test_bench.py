import json

import pytest

from piafusion.cli import bench

FAST = ("--model", "piafusion-fast", "--engine", "onnx", "--frames", "3")


def test_a_row_for_each_size_smallest_first(piafusion) -> None:
    done = piafusion("bench", *FAST, "--size", "40x24", "--size", "24x16", "--threads", "1")
    assert done.code == 0
    machine, header, small, large = done.out.splitlines()
    assert "medians" in machine
    assert header.split()[:5] == ["model", "engine", "size", "threads", "frames"]
    assert small.split()[:4] == ["piafusion-fast", "onnx", "on", "cpu"]
    assert small.split()[4:7] == ["24x16", "1", "3"]
    assert large.split()[4] == "40x24"


def test_slow_sizes_are_skipped_and_said_so(piafusion) -> None:
    arguments = ("--size", "24x16", "--size", "64x48", "--budget", "0.0001", "--json")
    done = piafusion("bench", *FAST, *arguments)
    assert done.code == 0
    report = json.loads(done.out)
    assert report["processor"]
    small, large = report["rows"]
    assert small["network"]["median"] > 0
    assert "raise --budget" in large["skipped"]


def test_what_cannot_run_is_skipped_with_the_reason(piafusion) -> None:
    done = piafusion("bench", "--model", "none", "--engine", "onnx", "--size", "24x16")
    assert done.code == 1
    assert "skipped: expected a model of" in done.out


@pytest.mark.parametrize("size", ["640", "x480", "640x", "axb", "640x4", "-8x8"])
def test_sizes_that_are_none(piafusion, size: str) -> None:
    done = piafusion("bench", f"--size={size}")
    assert done.code == 2
    assert "expected WIDTHxHEIGHT" in done.err


def test_by_default_every_installed_engine_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda package: package == "openvino")
    everything = bench._runners(None, None)
    assert everything == [("onnx", "auto"), ("onnx", "openvino")]
    assert bench._runners(["torch"], None) == [("torch", "auto")]
    assert bench._runners(None, ["cpu", "cuda"]) == [
        ("onnx", "cpu"),
        ("onnx", "cuda"),
    ]
