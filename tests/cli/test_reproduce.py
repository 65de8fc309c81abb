from pathlib import Path

import pytest


def test_wrong_use(piafusion, tmp_path: Path) -> None:
    def error(*arguments: object) -> str:
        done = piafusion("reproduce", "-o", tmp_path / "out", *arguments)
        assert done.code == 2
        return done.err

    assert "expected --msrs, --roadscene or --tno, or --quick" in error()
    assert "expected --msrs, --roadscene or --tno, or --quick" in error(
        "--quick", "--tno", tmp_path
    )
    assert "--step: expected comparison, " in error("--quick", "--step", "fusion")
    assert "expected a method of average, " in error("--quick", "--methods", "nsct")
    assert "--schedule: expected short or paper, found 'long'" in error(
        "--tno", tmp_path, "--schedule", "long"
    )
    assert "--quick: leave --schedule" in error("--quick", "--model", "paper.onnx")
    assert "--msrs: expected a folder, found none" in error("--msrs", tmp_path / "none")
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "letter.txt").write_text("mine")
    (tmp_path / "out" / ".piafusion-reproduction").unlink(missing_ok=True)
    assert "found other files" in error("--quick")


@pytest.mark.usefixtures("few_scenes")
def test_one_step_of_the_quick_run(piafusion, tmp_path: Path) -> None:
    done = piafusion(
        *("reproduce", "--quick", "--step", "comparison", "--methods", "laplacian"),
        *("-o", tmp_path / "out", "--limit", "2"),
    )
    assert done.code == 0, done.err
    assert "claims" in done.out
    assert (tmp_path / "out" / "reproduction.html").is_file()
