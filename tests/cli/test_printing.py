"""What is printed: names are escaped, and a standard output that cannot be written is told of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from rich.console import Console

from piafusion import cli
from piafusion.cli.printing import print_table, visible
from tests.conftest import scene

NASTY = "\x1b[31m\nred\x07\x9b[bold]x\u202e\udcff"


def run(*arguments: object, **streams: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "piafusion", *map(os.fsencode, map(str, arguments))]
    return subprocess.run(command, check=False, **{"capture_output": True, **streams})


def test_what_a_terminal_obeys_is_escaped():
    assert visible(NASTY) == r"\x1b[31m\nred\x07\x9b[bold]x\u202e\udcff"
    assert visible("Bäume im Föhn 夜.png") == "Bäume im Föhn 夜.png"


@pytest.mark.parametrize("command", ["fuse", "align", "illumination", "metrics", "check"])
def test_names_are_shown_without_what_a_terminal_obeys(piafusion, tmp_path, command):
    ir, vi = tmp_path / "ir", tmp_path / "vi"
    for folder, picture in zip((ir, vi), scene(), strict=True):
        folder.mkdir()
        cv2.imwrite(str(folder / "1D.png"), picture)
        (folder / f"{NASTY}.png").write_bytes(b"")
    fused_folder = shutil.copytree(vi, tmp_path / "fused") if command == "metrics" else None
    lines = {
        "fuse": ["fuse", ir, vi, "-o", tmp_path / "out"],
        "align": ["align", ir, vi, "--check"],
        "illumination": ["illumination", vi],
        "metrics": ["metrics", ir, vi, fused_folder],
        "check": ["data", "check", tmp_path],
    }
    done = piafusion(*lines[command])
    assert r"\x1b[31m\nred" in done.out + done.err
    assert (
        re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", done.out + done.err) is None
    )
    assert done.code == 1
    assert all(line.startswith("piafusion: ") for line in done.err.splitlines())


def test_markup_in_cells_is_not_obeyed(monkeypatch, capfd):
    console = Console(force_terminal=True, width=80)
    monkeypatch.setattr("rich.console.Console", lambda: console)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(["name"], [["[red]x[/red].png"], ["[/nothing]"], ["\x1b[31m"]])
    printed = capfd.readouterr().out
    assert "[red]x[/red].png" in printed
    assert "\x1b[31m" not in printed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"], ["methods"], ["--help"]])
def test_a_full_standard_output_is_one_line(arguments):
    with Path("/dev/full").open("wb") as full:
        done = run(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
        silent = run(*arguments, stdout=full, stderr=full, capture_output=False)
    assert done.returncode == silent.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("piafusion: ")
    assert "no space left" in line


def test_a_reader_that_has_gone_is_no_error_to_tell_of():
    reading, writing = os.pipe()
    os.close(reading)
    done = run("models", "--json", stdout=writing, stderr=subprocess.PIPE, capture_output=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_encoding_without_the_letters_of_a_name(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("fuse", tmp_path / "Föhn", tmp_path, "-o", tmp_path / "out", env=environment)
    assert done.returncode == 2
    assert rb"F\xf6hn" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["models", "--nothing"], ["nothing"], ["fuse", "a"]])
def test_wrong_arguments_are_one_line(piafusion, arguments):
    done = piafusion(*arguments)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"piafusion: .*; see piafusion.* --help\n", done.err)


@pytest.mark.parametrize("role", ["infrared", "visible", "output"])
def test_a_name_that_is_too_long_is_one_line(piafusion, tmp_path, role):
    for name, picture in zip(("ir", "vi"), scene(), strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    names = {"infrared": "ir", "visible": "vi", "output": "out"} | {role: "a" * 252}
    paths = {key: tmp_path / f"{name}.png" for key, name in names.items()}
    done = piafusion("fuse", paths["infrared"], paths["visible"], "-o", paths["output"])
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "file name too long" in done.err
    paths["output"] = tmp_path / f"{'é' * 125}.png"
    assert (
        piafusion("fuse", tmp_path / "ir.png", tmp_path / "vi.png", "-o", paths["output"]).code == 0
    )


def test_commands_print_through_one_place():
    folder = Path(cli.__file__).parent
    for path in folder.rglob("*.py"):
        calls = re.search(r"(?<![\w.])print\(|\becho\(", path.read_text(encoding="utf-8"))
        assert calls is None or path.name == "printing.py", path


@pytest.mark.parametrize("terminal", [True, False])
def test_tables(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no colours
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    print_table(["model", "ms"], [["fast", "12.5"], ["a slow one", ""]])
    header, first, second = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert header.split() == ["model", "ms"]
    assert first.split() == ["fast", "12.5"]
    assert second.strip() == "a slow one"
