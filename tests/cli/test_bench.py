import json

import pytest

from piafusion.cli import bench
from piafusion.lab.evaluation import timing

FAST = ("--model", "piafusion-fast", "--device", "cpu", "--frames", "3")


def test_a_row_for_each_size_smallest_first(piafusion) -> None:
    done = piafusion("bench", *FAST, "--size", "40x24", "--size", "24x16", "--threads", "1")
    assert done.code == 0
    machine, header, small, large = done.out.splitlines()
    assert "medians" in machine
    assert header.split()[:5] == ["model", "engine", "size", "threads", "frames"]
    assert small.split()[:4] == ["piafusion-fast", "onnx", "on", "cpu"]
    assert small.split()[4:7] == ["24x16", "1", "3"]
    assert large.split()[4] == "40x24"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in this process: test_timing.py and the first test are about the others."""
    monkeypatch.setattr(timing, "measure", timing.measure_here)


@pytest.mark.usefixtures("here")
def test_slow_sizes_are_skipped_and_said_so(piafusion) -> None:
    arguments = ("--size", "24x16", "--size", "64x48", "--budget", "0.0001", "--json")
    done = piafusion("bench", *FAST, *arguments)
    assert done.code == 0
    report = json.loads(done.out)
    assert report["processor"]
    small, large = report["rows"]
    assert small["network"]["median"] > 0
    assert "raise --budget" in large["skipped"]


@pytest.mark.usefixtures("here")
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
    assert everything == [("onnx", "cpu"), ("onnx", "openvino")]
    assert bench._runners(["torch"], None) == [("torch", "auto")]
    assert bench._runners(None, ["cpu", "cuda"]) == [
        ("onnx", "cpu"),
        ("onnx", "cuda"),
    ]


@pytest.mark.usefixtures("here")
def test_networks_of_others_are_timed_beside_ours(piafusion, tmp_path) -> None:
    onnx = pytest.importorskip("onnx")

    def network(name: str, *shapes: list[int | str]) -> None:
        inputs = [
            onnx.helper.make_tensor_value_info(f"x{place}", onnx.TensorProto.FLOAT, shape)
            for place, shape in enumerate(shapes)
        ]
        output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
        node = onnx.helper.make_node("Sum", [each.name for each in inputs], ["y"])
        graph = onnx.helper.make_graph([node], name, inputs, [output])
        opset = onnx.helper.make_opsetid("", 17)
        model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")

    network("any", [1, 1, "h", "w"], [1, 1, "h", "w"])
    network("colour", [1, "h", "w", 1], [1, "h", "w", 3])
    network("fixed", [1, 1, 64, 64], [1, 1, 64, 64])
    network("one", [1, 1, "h", "w"])
    done = piafusion("bench", *FAST, "--size", "40x24", "--peers", tmp_path, "--json")
    rows = {row["model"].rpartition("/")[2]: row for row in json.loads(done.out)["rows"]}
    assert done.code == 0
    assert rows["piafusion-fast"]["precision"] == "float"
    for name in ("any.onnx", "colour.onnx"):
        assert rows[name]["network"]["median"] > 0
        assert rows[name]["end_to_end"] is None
    assert "another size" in rows["fixed.onnx"]["skipped"]
    assert "2 inputs, found 1" in rows["one.onnx"]["skipped"]
    assert "found none in" in piafusion("bench", "--peers", tmp_path / "none").err
