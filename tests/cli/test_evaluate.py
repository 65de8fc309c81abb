import json
import subprocess
import sys
from pathlib import Path

import pytest

from piafusion.imaging.io import write_image
from piafusion.methods import list_methods
from piafusion.weights import DEFAULT_MODEL
from tests.conftest import scene


@pytest.fixture
def root(pair_folders: tuple[Path, Path]) -> Path:
    """A data set of three pairs: 1D, 2N and 3N."""
    return pair_folders[0].parent


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Fused images of somebody else."""
    for index, stem in enumerate(("1D", "2N", "3N")):
        write_image(tmp_path / "theirs" / f"{stem}.png", scene(seed=index)[1])
    return tmp_path / "theirs"


def test_both_steps_and_the_report(piafusion, root: Path, theirs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (f"road={root}", "--method", f"x={theirs}", "-o", out, "--metrics", "MI,SD")
    done = piafusion("evaluate", *arguments, "--jobs", "1")
    assert done.code == 0, done.err
    assert "road: means of 3 pairs" in done.out
    assert "MI ↑" in done.out
    assert f"report: {out / 'report.html'}" in done.out
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        "fused",
        "per-image.csv",
        "report.html",
        "scores",
        "sheets",
        "tables.md",
        "tables.tex",
    ]
    settings = json.loads((out / "evaluation.json").read_text())
    assert settings["data"] == {"road": ["1D", "2N", "3N"]}
    assert list(settings["methods"]) == ["average", "maximum", "visible", "x"]

    report = json.loads(piafusion("evaluate", *arguments, "--json", "--scenes", "0").out)
    (road,) = report["data"]
    assert report["problems"] == []
    table = road["tables"][0]
    assert table["methods"]["maximum"]["pairs"] == 3
    low, high = table["methods"]["x"]["MI"]["interval95"]
    assert low <= table["methods"]["x"]["MI"]["mean"] <= high
    assert {test["method"] for test in road["tests"]} == {
        "average",
        "maximum",
        "visible",
    }  # against x
    assert set(road["runtime_ms"]) == {"average", "maximum", "visible"}


def test_the_measures_of_the_eye_are_in_every_file_when_data_allow(
    piafusion, root: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", f"road={root}", "-o", tmp_path / "out", "--jobs", "1", "--json")
    arguments = (*arguments, "-m", "laplacian", "--scenes", "0")
    header = ["MI", "SD", "VIF", "Qabf", "bleach", "CIEDE2000"]
    for there in (False, True):
        if there:
            boxes = root / "boxes" / "infrared"
            boxes.mkdir(parents=True)
            for stem in ("1D", "2N", "3N"):
                (boxes / f"{stem}.txt").write_text("0 0.5 0.5 0.9 0.9\n")
            (boxes / "4N.txt").write_text("")
            header.append("targets")
        done = piafusion(*arguments)
        problems = json.loads(done.out)["problems"]
        assert done.code == int(there)
        assert ["found no pair 4N" in each["message"] for each in problems] == [True] * there
        tables = json.loads(done.out)["data"][0]["tables"]
        assert [table["title"] for table in tables] == ["road", "road by day", "road by night"]
        for means in (table["methods"]["visible"] for table in tables):
            assert list(means) == ["pairs", *header]
            assert (means["bleach"]["mean"], means["CIEDE2000"]["mean"]) == (0, 0)
        for name, mark in (("report.html", "targets ↑"), ("tables.md", "| targets ↑")):
            assert (mark in (tmp_path / "out" / name).read_text(encoding="utf-8")) is there
        assert (r"targets $\uparrow$" in (tmp_path / "out" / "tables.tex").read_text()) is there
        assert "bleach,CIEDE2000,targets" in (tmp_path / "out" / "per-image.csv").read_text()


def test_comparison_methods(piafusion, root: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", root, "--metrics", "SD", "--jobs", "1", "--scenes", "0", "--json")
    chosen = ("--method", "wavelet", "--methods", "guided, wavelet,average", "-o", tmp_path / "few")
    report = json.loads(piafusion(*arguments, *chosen).out)
    few = report["data"][0]["tables"][0]["methods"]
    assert list(few) == ["average", "maximum", "visible", "wavelet", "guided"]
    done = piafusion(*arguments, "--methods", "all", "--only", "predict", "-o", tmp_path / "all")
    assert done.code == 0, done.err
    made = {path.name for path in (tmp_path / "all" / "fused").iterdir()}
    assert made == {*list_methods(), DEFAULT_MODEL}
    wrong = piafusion(*arguments, "--methods", "gtf,nsct", "-o", tmp_path / "none")
    assert wrong.code == 2
    assert "expected a method of average, maximum, " in wrong.err
    assert "found 'nsct'" in wrong.err


def test_steps_apart(piafusion, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (f"road={root}", "-o", out, "--metrics", "MI", "--jobs", "1")
    before = piafusion("evaluate", *arguments, "--only", "score", "--json")
    assert before.code == 1
    assert "average on road: not predicted under these settings: 1D, 2N, 3N" in before.err
    assert json.loads(before.out)["report"] is None
    before = piafusion("evaluate", *arguments, "--only", "score")
    assert before.out == "nothing could be scored\n"
    done = piafusion("evaluate", *arguments, "--only", "predict")
    assert (done.code, done.out) == (0, f"fused images: {out / 'fused'}\n")
    assert not (out / "report.html").exists()
    assert len(list((out / "fused" / DEFAULT_MODEL / "road").glob("*.png"))) == 3
    done = piafusion("evaluate", *arguments, "--only", "score")
    assert done.code == 0, done.err
    assert (out / "report.html").exists()


def test_what_is_missing_is_told_and_the_rest_is_scored(
    piafusion, root: Path, theirs: Path, tmp_path: Path
) -> None:
    (theirs / "1D.png").unlink()
    write_image(theirs / "2N.png", scene(40)[1], overwrite=True)
    write_image(theirs / "stray.png", scene()[1])
    (root / "ir" / "3N.png").write_bytes(b"")
    done = piafusion(
        *("evaluate", f"road={root}", "-m", f"x={theirs}", "-o", tmp_path / "out"),
        *("--metrics", "MI", "--jobs", "1", "--json"),
    )
    assert done.code == 1
    problems = {
        (each["method"], tuple(each["stems"])): each["message"]
        for each in json.loads(done.out)["problems"]
    }
    assert set(problems) == {
        ("average", ("3N",)),
        ("maximum", ("3N",)),
        ("visible", ("3N",)),
        ("x", ("1D",)),
        ("x", ("stray",)),
        ("x", ("2N",)),
        ("x", ("3N",)),
    }
    assert "expected three pictures of one size" in problems["x", ("2N",)]
    assert done.err.count("\n") == 7
    assert "maximum (2 of 3)" in (tmp_path / "out" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "none"], "expected paper, paper-released, piafusion"),
        (["-m", "x=THEIRS", "-m", "x=THEIRS"], "found 'x' twice"),
        (["--against", "other"], "--against: expected a method of average, maximum"),
        (["--only", "report"], "--only: expected predict or score"),
        (["--metrics", "MI,none"], "expected metrics out of"),
        (["--convention", "int"], "expected a convention out of"),
        (["road=ROOT"], "a second data set named 'road'"),
        (["-o", "THEIRS"], "found other files; choose another folder"),
        (["-o", "THEIRS/1D.png"], "found a file"),
    ],
)
def test_wrong_use_changes_nothing(
    piafusion, root: Path, theirs: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    places = {"THEIRS": str(theirs), "ROOT": str(root)}
    for word, place in places.items():
        arguments = [argument.replace(word, place) for argument in arguments]
    if "-o" not in arguments:
        arguments += ["-o", str(tmp_path / "out")]
    done = piafusion("evaluate", f"road={root}", *arguments)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def run_without(packages: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys\n"
    code += "".join(f"sys.modules[{package!r}] = None\n" for package in packages)
    code += "from piafusion.cli import main; main()"
    run = [sys.executable, "-c", code, "evaluate", *map(str, arguments)]
    return subprocess.run(run, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["matplotlib", "scipy.stats"])
def test_without_the_extra_the_message_names_it_before_any_work(
    root: Path, tmp_path: Path, package: str
) -> None:
    done = run_without([package], f"road={root}", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "run: pip install 'piafusion[eval]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_predicting_needs_no_extra(root: Path, tmp_path: Path) -> None:
    packages = ["matplotlib", "scipy"]
    done = run_without(packages, f"road={root}", "-o", tmp_path / "out", "--only", "predict")
    assert done.returncode == 0, done.stderr
