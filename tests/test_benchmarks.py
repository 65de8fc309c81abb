"""What benchmarks write or compute for users; whether they run at all is `make bench-check`."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as a program."""
    command = [sys.executable, BENCHMARKS / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_model_cards_say_what_the_manifest_says() -> None:
    done = run("cards", "--check")
    assert done.returncode == 0, done.stderr


def test_orders_are_compared_by_rank(tmp_path: Path) -> None:
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
    arguments = [tmp_path, tmp_path / "sheet.csv", "--data", "tno"]
    done = run("order", *arguments, "--metrics", "MI,VIF", "--pair", "mine=Theirs")
    lines = done.stdout.splitlines()
    assert lines[2:5] == [
        "| one | 2.000 | 2.000 | 0.200 | 5.000 |",
        "| two | 3.500 | 4.000 | 0.800 | 4.000 |",
        "| mine | 5.000 | 6.000 | 0.500 | 3.000 |",
    ]
    assert lines[5] == "| Spearman |  | 1.00 |  | -0.50 |"
