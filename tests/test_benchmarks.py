"""The benchmarks run, here on our own two scenes; what they measure is asserted nowhere."""

import runpy
import sys
from pathlib import Path

import pytest

from piafusion import methods
from piafusion.imaging.io import read_image
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.weights import load_manifest

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
        (
            "serving",
            ["--model", "piafusion-fast", "--clients", "2", "--seconds", "0.6"],
            ["server / loop", "processor time a pair", 'answers: {"200": ', "memory, MiB"],
        ),
        (
            "serving",
            ["--model", "piafusion-fast", "--seconds", "0.1", "--batching"],
            ["2 runs of 8 pairs, 1 threads each"],
        ),
        ("alignment", [], ["2 pairs", "accepted", "of the warp", "other scene accepted"]),
        ("metrics", ["--rounds", "1"], ["milliseconds", "| VIF |", "the paper's four"]),
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
    monkeypatch.syspath_prepend(BENCHMARKS)
    runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("stream", ["--frames", "5"], ["frame      5", "peak", "growth over the second half"]),
        (
            "day_to_night",
            ["--scenes", "2", "--steps", "3"],
            ["Spearman median", "daylight 0.50: day probability", "pairs of 96x72 a second"],
        ),
        (
            "enhancement",
            ["--scenes", "2"],
            ["2 scenes of 96x72", "contrast", "signal to noise"],
        ),
        (
            "running_times",
            ["--rounds", "1"],
            ["96x72, one thread, 1 rounds", "| `average` |", "| `u2fusion` |", "| `piafusion` |"],
        ),
        (
            "time_profile",
            ["--frames", "2", "--threads", "1"],
            ["96x72, 1 threads", "3 luminance", "all, arrays to array", "Conv", "GFLOP", "memory"],
        ),
    ],
)
def test_timing_benchmark_runs(
    name: str,
    options: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--size", "96x72", *options])
    runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed


def test_conformance_with_a_sheet_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = demo_scenes_root()
    (tmp_path / "published").mkdir()
    for link, folder in (("ir", "ir"), ("vi", "vi"), ("published/mine", "vi")):
        (tmp_path / link).symlink_to(scenes / folder)
    (tmp_path / "published_metrics.csv").write_text(
        "image,method,EN,CC\nstreet_D.png,mine,7.5,0.5\nstreet_N.png,absent,7.5,0.5\n"
    )
    monkeypatch.setattr(sys, "argv", ["conformance", str(tmp_path)])
    runpy.run_path(str(BENCHMARKS / "conformance.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "mine street_D.png" in printed
    assert "1 images: 1 of mine." in printed


def test_model_cards_say_what_the_manifest_says() -> None:
    cards = runpy.run_path(str(BENCHMARKS / "cards.py"))
    for name, record in load_manifest().items():
        written = (cards["CARDS"] / f"{name}.md").read_text(encoding="utf-8")
        facts, by_hand = written.split(cards["BY_HAND"])
        assert facts.strip() == cards["facts"](record).strip(), "run python benchmarks/cards.py"
        assert "## Known failures" in by_hand


def test_training_curves_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "metrics.csv").write_text(
        "epoch,step,loss,validation/day/VIF,validation/score\n"
        "0,0,2.0,,\n0,50,1.0,,\n0,60,,0.9,1.5\n"
    )
    monkeypatch.setattr(sys, "argv", ["curves", str(tmp_path), str(tmp_path / "curves.png")])
    runpy.run_path(str(BENCHMARKS / "curves.py"), run_name="__main__")
    assert read_image(tmp_path / "curves.png").ndim == 3


def test_the_sheet_of_the_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    average = methods.find_method("average")  # which takes no seconds
    networks = [spec.name for spec in methods.list_methods().values() if spec.kind == "network"]
    for name in ("mdlatlrr", *networks):
        monkeypatch.setitem(methods._METHODS, name, average)
    sheet = tmp_path / "sheet.jpg"
    monkeypatch.setattr(sys, "argv", ["methods", str(sheet)])
    runpy.run_path(str(BENCHMARKS / "methods.py"), run_name="__main__")
    height, width = read_image(sheet).shape[:2]
    assert width > height


def test_orders_are_compared_by_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "per-image.csv").write_text(
        "dataset,stem,light,method,MI,VIF\n"
        "tno,01,,one,1.0,0.1\ntno,02,,one,3.0,0.3\ntno,09,,one,99,99\nother,01,,one,9,9\n"
        "tno,01,,two,3.0,0.9\ntno,02,,two,4.0,0.7\n"
        "tno,01,,mine,5.0,0.5\ntno,02,,mine,5.0,0.5\n"
    )
    (tmp_path / "sheet.csv").write_text(
        "image,method,MI,VIF\n"
        "01.png,One,1,5\n02.png,One,3,5\n01.png,TWO,4,4\n02.png,TWO,4,4\n"
        "01.png,Theirs,6,3\n02.png,Theirs,6,3\n01.png,absent,0,0\n"
    )
    arguments = ["order", str(tmp_path), str(tmp_path / "sheet.csv"), "--data", "tno"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--metrics", "MI,VIF", "--pair", "mine=Theirs"])
    runpy.run_path(str(BENCHMARKS / "order.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:5] == [
        "| one | 2.000 | 2.000 | 0.200 | 5.000 |",
        "| two | 3.500 | 4.000 | 0.800 | 4.000 |",
        "| mine | 5.000 | 6.000 | 0.500 | 3.000 |",
    ]
    assert lines[5] == "| Spearman |  | 1.00 |  | -0.50 |"
