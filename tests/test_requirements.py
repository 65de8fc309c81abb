"""The files with hashes pin what pyproject.toml asks for, at the versions of constraints.txt."""

import re
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = sorted((ROOT / "requirements").glob("*.txt"))


def name_of(requirement: str) -> str:
    return re.split(r"[ ;\[<>=!~]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def pins(path: Path) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", path.read_text(), re.MULTILINE)
    return {name_of(name): version for name, version in lines}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pins_are_complete_and_those_that_the_tests_run_with(path: Path) -> None:
    wanted = list(PROJECT["dependencies"])
    if path.stem != "core":
        wanted += PROJECT["optional-dependencies"][path.stem]
    pinned, tested = pins(path), pins(ROOT / "constraints.txt")
    assert {name_of(each) for each in wanted} <= pinned.keys(), "run make pins"
    assert {n: v for n, v in pinned.items() if n in tested and tested[n] != v} == {}, (
        "run make pins"
    )
    assert "torch" not in pinned
    assert "://" not in path.read_text()
    requirements = re.split(r"\n(?=\w)", path.read_text())[1:]
    assert len(requirements) >= len(pinned)
    assert all("--hash=sha256:" in each for each in requirements)


def test_there_are_files_for_what_people_deploy() -> None:
    assert {path.stem for path in FILES} >= {"core", "serve", "video", "thermal", "geo"}
