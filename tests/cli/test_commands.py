import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import piafusion as package
from piafusion import cli
from piafusion.imaging.io import read_image
from piafusion.scenes.synthetic import demo_scenes_root


def test_version_and_help(piafusion) -> None:
    assert piafusion("--version").out == f"piafusion {package.__version__}\n"
    commands = typer.main.get_command(cli.make_app()).commands
    assert {"fuse", "video", "evaluate", "serve"} <= set(commands)
    for command in commands:
        done = piafusion(command, "--help")
        assert done.code == 0
        assert f"piafusion {command} " in done.out
    assert piafusion("melt").code == 2


def test_python_m(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "piafusion", "fuse", "none.png", "none.png", "-o", "out.png"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("piafusion: none.png: expected an image or a folder")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("two\nlines"), "expected no RuntimeError, found one: two lines; report it"),
        (MemoryError(), "expected enough memory, found too little"),
    ],
)
def test_an_error_that_nobody_has_foreseen_is_one_line(
    piafusion, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("piafusion.cli.models.load_manifest", fail)
    done = piafusion("models")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith(f"piafusion: {line}")
    if isinstance(error, RuntimeError):
        monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
        monkeypatch.setattr("sys.argv", ["piafusion", "models"])
        with pytest.raises(RuntimeError):
            cli.main()


def test_demo(piafusion, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = piafusion("demo", "-o", out)
    assert done.code == 0
    assert str(out / "contact-sheet.png") in done.out
    assert "fused 2 scenes" in done.out
    assert sorted(path.name for path in out.iterdir()) == [
        "contact-sheet.png",
        "street_D.png",
        "street_N.png",
    ]
    height, width = read_image(out / "street_D.png").shape[:2]
    sheet = read_image(out / "contact-sheet.png")
    assert sheet.shape[0] > 2 * height
    assert sheet.shape[1] > 3 * width


def test_demo_keeps_what_is_there_unless_asked(piafusion, tmp_path: Path) -> None:
    (tmp_path / "contact-sheet.png").write_text("precious")
    assert piafusion("demo", "-o", tmp_path).code == 2
    assert (tmp_path / "contact-sheet.png").read_text() == "precious"
    done = piafusion("demo", "-o", tmp_path, "--overwrite", "--json")
    assert json.loads(done.out)["sheet"] == str(tmp_path / "contact-sheet.png")


def test_illumination(piafusion, tmp_path: Path) -> None:
    folder = demo_scenes_root() / "vi"
    done = piafusion("illumination", folder / "street_D.png", folder / "street_N.png")
    assert done.code == 0
    day, night = done.out.splitlines()
    assert day.startswith("day ")
    assert night.startswith("night ")
    (tmp_path / "broken.png").write_bytes(b"")
    done = piafusion("illumination", folder, tmp_path / "broken.png", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert [image["label"] for image in report["images"]] == ["day", "night"]
    assert "broken.png: expected a whole image file, found an empty file" in done.err
    assert piafusion("illumination", tmp_path / "none").code == 2
    other = piafusion("illumination", folder, "--model", "paper")
    assert other.code == 2
    assert "expected a model for illumination, found 'paper' for fusion" in other.err


def test_models(piafusion) -> None:
    done = piafusion("models")
    assert "piafusion (default)" in done.out
    assert "1,076,785" in done.out
    assert json.loads(piafusion("models", "--json").out)["paper"]["parameters"] == 1_076_785
