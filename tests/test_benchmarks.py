"""The benchmarks run, here on our own two scenes; what they measure is asserted nowhere."""

import runpy
import sys
from pathlib import Path

import pytest

from piafusion.datasets.synthetic import demo_scenes_root

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "quality",
            ["--models", "piafusion-fast"],
            ["2 pairs", "average", "maximum", "Qabf", "by night"],
        ),
        (
            "illumination",
            [],
            ["images: ", "of 2 right", "of 140 right", "balanced", "street_D to street_D, 1:"],
        ),
        ("agreement", ["--pairs", "1"], ["torch - onnx", "piafusion-fast", "paper"]),
    ],
)
def test_benchmark_runs(
    name: str,
    options: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, str(demo_scenes_root()), *options])
    runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed
