"""The fuzzing tool finds a fault of each kind, and a case stays what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PIL")
pytest.importorskip("tifffile")

from tools.fuzz.cases import Corpus, write_corpus
from tools.fuzz.readers import READERS

ROOT = Path(__file__).parents[1]
FOUND = {
    "error": "ValueError",
    "lines": "no printable line",
    "hang": "hang",
    "crash": "crash",
    "leak": "leak",
    "unsteady": "unsteady",
    "memory": "memory",
    "half": "left behind",
    "thread": "KeyError",
    "warning": "RuntimeWarning",
}


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.fuzz", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="memory is watched as Linux tells it")
def test_each_planted_fault_is_found_and_only_those() -> None:
    names = [f"planted-{name}" for name in (*FOUND, "fine")]
    done = fuzz("--readers", ",".join(names), "--cases", str(len(names)))
    assert done.returncode == 1, done.stderr
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines() if " fault " in line}
    assert lines.keys() == {f"planted-{name}" for name in FOUND}
    for name, words in FOUND.items():
        assert words in lines[f"planted-{name}"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is watched as Linux tells it")
def test_a_few_cases_find_nothing() -> None:
    done = fuzz("--readers", "png,jpeg,bmp,webp,alignment,manifest", "--cases", "28")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_stays_what_it_is(tmp_path: Path) -> None:
    readers = [READERS[name] for name in ("png", "tiff", "fetch", "alignment")]
    for folder in (tmp_path / "one", tmp_path / "two"):
        write_corpus(folder, [reader.name for reader in readers])
    one, two = Corpus(tmp_path / "one", 5), Corpus(tmp_path / "two", 5)
    for reader in readers:
        cases = [one.case(reader, number) for number in range(20)]
        assert cases == [two.case(reader, number) for number in range(20)]
        assert len({data for _, data in cases}) > 15
