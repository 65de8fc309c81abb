from pathlib import Path

import pytest

from piafusion.imaging.io import read_image, write_image
from piafusion.lab.evaluation import score, scoring
from piafusion.lab.evaluation.methods import Pictures, baselines
from piafusion.lab.evaluation.predict import predict
from piafusion.lab.evaluation.score import Scoring
from piafusion.lab.evaluation.sets import DataSet, Problem
from piafusion.metrics import evaluate
from tests.conftest import scene

METRICS = ["MI", "SD"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The metrics of each picture that is really scored."""
    metrics: list[tuple[str, ...]] = []
    whole = scoring.score_files

    def noted(triple, *, metrics, convention):
        asked.append(tuple(metrics))
        return whole(triple, metrics=metrics, convention=convention)

    asked = metrics
    monkeypatch.setattr(scoring, "score_files", noted)
    return metrics


def run(data: DataSet, output: Path, metrics: list[str], convention: str = "float") -> Scoring:
    methods = baselines()
    list(predict(methods, [data], output))
    step = Scoring.plan(methods, [data], output, metrics, convention)
    assert [each for each in step.run(1) if each] == []
    return step


def test_rows_are_what_evaluate_says(data: DataSet, tmp_path: Path) -> None:
    rows = run(data, tmp_path, METRICS).rows()
    assert [(row.method, row.stem) for row in rows[:5]] == [
        *(("average", stem) for stem in ("1D", "2D", "3N", "4N")),
        ("maximum", "1D"),
    ]
    fused = read_image(tmp_path / "fused/maximum/tiny/1D.png")
    infrared, visible = scene(seed=0)
    assert rows[4].values == evaluate(infrared, visible, fused, metrics=METRICS)
    assert (rows[4].data, rows[4].light) == ("tiny", "day")


def test_what_is_undefined_is_told_each_time_and_computed_once(
    data: DataSet, tmp_path: Path, asked: list
) -> None:
    list(predict(baselines(), [data], tmp_path))
    for _ in range(2):
        step = Scoring.plan(baselines(), [data], tmp_path, ["SD", "MS-SSIM"], "float")
        told = list(step.run(1))
        assert len(told) == 8
        assert all(
            "MS-SSIM: expected pictures of at least 176x176" in each.message for each in told
        )
        assert told[0].stems == ("1D",)
        assert [list(row.values) for row in step.rows()] == [["SD"]] * 8
    assert asked == [("SD", "MS-SSIM"), ("SD",)] * 8
    assert len(run(data, tmp_path, ["SD"]).rows()) == 8


def test_only_what_is_missing_is_computed(
    data: DataSet, tmp_path: Path, asked: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(data, tmp_path, METRICS).rows()
    assert asked == [("MI", "SD")] * 8
    asked.clear()
    assert run(data, tmp_path, METRICS).rows() == before
    assert asked == []
    more = run(data, tmp_path, ["SD", "EN", "MI"]).rows()
    assert asked == [("EN",)] * 8
    assert list(more[0].values) == ["SD", "EN", "MI"]
    asked.clear()
    run(data, tmp_path, METRICS, "uint8")
    assert asked == [("MI", "SD")] * 8  # another convention
    asked.clear()
    monkeypatch.setattr(score, "code_digest", lambda *_: "changed")
    run(data, tmp_path, METRICS)
    assert asked == [("MI", "SD")] * 8  # other code


def test_an_interrupted_step_goes_on_and_a_changed_picture_is_scored_again(
    data: DataSet, tmp_path: Path, asked: list
) -> None:
    methods = [Pictures("theirs", {"tiny": tmp_path / "theirs"})]
    for stem in data.digests:
        write_image(tmp_path / "theirs" / f"{stem}.png", scene(seed=5)[1])
    steps = Scoring.plan(methods, [data], tmp_path, METRICS, "float").run(1)
    next(steps), next(steps)
    steps.close()
    list(Scoring.plan(methods, [data], tmp_path, METRICS, "float").run(1))
    assert len(asked) == 4
    write_image(tmp_path / "theirs" / "2D.png", scene(seed=6)[1], overwrite=True)
    list(Scoring.plan(methods, [data], tmp_path, METRICS, "float").run(1))
    assert len(asked) == 5


def test_what_cannot_be_scored_is_told_and_all_else_is(data: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    write_image(folder / "1D.png", scene(40)[1])  # another size
    write_image(folder / "2D.png", scene(seed=1)[0])  # grey against colour
    write_image(folder / "3N.png", scene(seed=2)[1].astype("uint16") * 257)  # 16 bits
    step = Scoring.plan([Pictures("theirs", {"tiny": folder})], [data], tmp_path, METRICS, "float")
    assert [problem.stems for problem in step.problems] == [("4N",)]
    failed = [problem for problem in step.run(1) if problem]
    assert [problem.stems for problem in failed] == [("1D",)]
    assert isinstance(failed[0], Problem)
    assert "fused 64x40" in failed[0].message
    rows = step.rows()
    assert [row.stem for row in rows] == ["2D", "3N"]
    infrared, visible = scene(seed=2)
    assert rows[1].values["SD"] == pytest.approx(
        evaluate(infrared, visible, visible, metrics=["SD"])["SD"], abs=0.01
    )
