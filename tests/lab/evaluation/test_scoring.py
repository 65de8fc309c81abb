from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, SizeMismatchError, UsageError
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.evaluation import scoring
from piafusion.lab.evaluation.methods import GivenPictures, baselines
from piafusion.lab.evaluation.predict import predict
from piafusion.lab.evaluation.scoring import (
    Scoring,
    Triple,
    list_triples,
    score_all,
    score_files,
)
from piafusion.lab.evaluation.sets import DataSet, Failure, read_sets
from piafusion.metrics import evaluate
from tests.conftest import scene

METRICS = ["EN", "MI", "SD"]
STEP_METRICS = ["MI", "SD"]


def fill(folder: Path, count: int) -> tuple[Path, Path, Path]:
    folders = folder / "ir", folder / "vi", folder / "fused"
    for index in range(count):
        infrared, visible = scene(seed=index)
        for place, image in zip(folders, (infrared, visible, visible // 2), strict=True):
            write_image(place / f"{index}.png", image)
    return folders


def test_triples_are_matched_by_stem(tmp_path: Path) -> None:
    infrared, visible, fused = fill(tmp_path, 3)
    (fused / "0.png").rename(fused / "0.PNG")
    (fused / "notes.txt").write_text("not a picture")
    write_image(fused / "1.bmp", scene()[1])
    (visible / "2.png").unlink()
    write_image(fused / "9.png", scene()[1])
    triples, problems = list_triples(infrared, visible, fused)
    assert triples == [Triple("0", infrared / "0.png", visible / "0.png", fused / "0.PNG")]
    assert set(problems) == {
        fused / "1.png",
        fused / "1.bmp",
        infrared / "2.png",
        fused / "2.png",
        fused / "9.png",
    }
    assert f"expected 2.* in {visible}, found none" in problems[fused / "2.png"]
    assert f"expected 9.* in {infrared} and {visible}" in problems[fused / "9.png"]
    assert "found 1.bmp, 1.png" in problems[fused / "1.png"]


def test_folders_without_triples(tmp_path: Path) -> None:
    infrared, visible, fused = fill(tmp_path, 1)
    (fused / "0.png").rename(fused / "x.png")
    with pytest.raises(UsageError, match=r"share a stem, found none .*x\.png"):
        list_triples(infrared, visible, fused)
    with pytest.raises(UsageError, match="found a folder of sources"):
        list_triples(infrared, visible, visible)
    with pytest.raises(UsageError, match="found nothing"):
        list_triples(infrared, visible, tmp_path / "none")


def test_scores_are_those_of_evaluate(tmp_path: Path) -> None:
    triple = list_triples(*fill(tmp_path, 1))[0][0]
    pictures = [read_image(path) for path in (triple.infrared, triple.visible, triple.fused)]
    for convention in ("float", "uint8"):
        expected = evaluate(*pictures, metrics=METRICS, convention=convention)
        assert score_files(triple, metrics=METRICS, convention=convention) == expected


def test_a_pool_gives_the_same_in_the_same_order_and_goes_on(tmp_path: Path) -> None:
    triples = list_triples(*fill(tmp_path, 9))[0]
    write_image(triples[3].fused, scene(40)[1], overwrite=True)
    triples[5].visible.write_bytes(b"")
    alone, pooled = (
        list(score_all(triples, metrics=METRICS, processes=processes)) for processes in (1, 2)
    )
    assert alone == pooled
    assert [score.triple for score in alone] == triples
    assert [bool(score.error) for score in alone] == [index in (3, 5) for index in range(9)]
    assert f"{triples[3].fused}: expected three pictures of one size" in alone[3].error
    assert f"{triples[5].visible}: expected a whole image" in alone[5].error


def test_pictures_too_small_for_a_metric_have_the_others(tmp_path: Path) -> None:
    triples = list_triples(*fill(tmp_path, 1))[0]
    (score,) = score_all(triples, metrics=["EN", "MS-SSIM", "SD"])
    assert list(score.values) == ["EN", "SD"]
    assert not score.error
    expected = "MS-SSIM: expected pictures of at least 176x176 pixels"
    assert f"{triples[0].fused}: {expected}" in score.undefined
    (score,) = score_all(triples, metrics=["MS-SSIM"])
    assert score.values == {}
    assert "176x176" in score.error


def test_errors_name_the_file(tmp_path: Path) -> None:
    triple = list_triples(*fill(tmp_path, 1))[0][0]
    with pytest.raises(ImageError, match=f"{triple.fused}: MS-SSIM: expected .* 176x176"):
        score_files(triple, metrics=["MS-SSIM"])
    write_image(triple.fused, np.zeros((5, 5), np.uint8), overwrite=True)
    with pytest.raises(SizeMismatchError, match="fused 5x5"):
        score_files(triple, metrics=METRICS)
    with pytest.raises(UsageError):
        score_files(triple, metrics=["none"])


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
    rows = run(data, tmp_path, STEP_METRICS).scores()
    assert [(row.method, row.stem) for row in rows[:5]] == [
        *(("average", stem) for stem in ("1D", "2D", "3N", "4N")),
        ("maximum", "1D"),
    ]
    fused = read_image(tmp_path / "fused/maximum/tiny/1D.png")
    infrared, visible = scene(seed=0)
    assert rows[4].values == evaluate(infrared, visible, fused, metrics=STEP_METRICS)
    assert (rows[4].data, rows[4].light) == ("tiny", "day")


def test_what_is_undefined_is_told_each_time_and_computed_once(
    data: DataSet, tmp_path: Path, asked: list
) -> None:
    list(predict(baselines(), [data], tmp_path))
    for _ in range(2):
        step = Scoring.plan(baselines(), [data], tmp_path, ["SD", "MS-SSIM"], "float")
        told = list(step.run(1))
        assert len(told) == 12
        assert all(
            "MS-SSIM: expected pictures of at least 176x176" in each.message for each in told
        )
        assert told[0].stems == ("1D",)
        assert [list(row.values) for row in step.scores()] == [["SD"]] * 12
    assert asked == [("SD", "MS-SSIM"), ("SD",)] * 12
    assert len(run(data, tmp_path, ["SD"]).scores()) == 12


def test_boxes_give_targets_and_what_needs_nothing_there_is_no_failure(
    root: Path, tmp_path: Path, asked: list
) -> None:
    boxes = root / "boxes" / "infrared" / "3N.txt"
    boxes.parent.mkdir(parents=True)
    infrared = scene(seed=2)[0]
    spot = np.unravel_index(int(cv2.GaussianBlur(infrared, (0, 0), 3).argmax()), infrared.shape)
    centre = " ".join(
        str((at + 0.5) / of) for at, of in zip(spot[::-1], infrared.shape[::-1], strict=True)
    )
    boxes.write_text(f"0 {centre} 0.1 0.1\n")
    for label, rows in ((0, 1), (2, 0)):
        boxes.write_text(f"{label} {centre} 0.1 0.1\n")
        (data,) = read_sets([f"tiny={root}"])
        step = run(data, tmp_path, ["SD", "targets"])  # reports no failure
        found = [row.stem for row in step.scores() if "targets" in row.values]
        assert found == ["3N"] * 3 * rows
        assert len(step.scores()) == 12
    assert asked == [("SD", "targets")] * (12 + 3)  # changed boxes: their picture alone


def test_only_what_is_missing_is_computed(
    data: DataSet, tmp_path: Path, asked: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(data, tmp_path, STEP_METRICS).scores()
    assert asked == [("MI", "SD")] * 12
    asked.clear()
    assert run(data, tmp_path, STEP_METRICS).scores() == before
    assert asked == []
    more = run(data, tmp_path, ["SD", "EN", "MI"]).scores()
    assert asked == [("EN",)] * 12
    assert list(more[0].values) == ["SD", "EN", "MI"]
    asked.clear()
    run(data, tmp_path, STEP_METRICS, "uint8")
    assert asked == [("MI", "SD")] * 12  # another convention
    asked.clear()
    monkeypatch.setattr("piafusion.lab.evaluation.methods.RESULTS", 0)
    run(data, tmp_path, STEP_METRICS)
    assert asked == [("MI", "SD")] * 12  # other results


def test_an_interrupted_step_goes_on_and_a_changed_picture_is_scored_again(
    data: DataSet, tmp_path: Path, asked: list
) -> None:
    methods = [GivenPictures("theirs", {"tiny": tmp_path / "theirs"})]
    for stem in data.hashes:
        write_image(tmp_path / "theirs" / f"{stem}.png", scene(seed=5)[1])
    steps = Scoring.plan(methods, [data], tmp_path, STEP_METRICS, "float").run(1)
    next(steps), next(steps)
    steps.close()
    list(Scoring.plan(methods, [data], tmp_path, STEP_METRICS, "float").run(1))
    assert len(asked) == 4
    write_image(tmp_path / "theirs" / "2D.png", scene(seed=6)[1], overwrite=True)
    list(Scoring.plan(methods, [data], tmp_path, STEP_METRICS, "float").run(1))
    assert len(asked) == 5


def test_what_cannot_be_scored_is_told_and_all_else_is(data: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    write_image(folder / "1D.png", scene(40)[1])  # another size
    write_image(folder / "2D.png", scene(seed=1)[0])  # grey against colour
    write_image(folder / "3N.png", scene(seed=2)[1].astype("uint16") * 257)  # 16 bits
    step = Scoring.plan(
        [GivenPictures("theirs", {"tiny": folder})], [data], tmp_path, STEP_METRICS, "float"
    )
    assert [problem.stems for problem in step.failures] == [("4N",)]
    failed = [problem for problem in step.run(1) if problem]
    assert [problem.stems for problem in failed] == [("1D",)]
    assert isinstance(failed[0], Failure)
    assert "fused 64x40" in failed[0].message
    rows = step.scores()
    assert [row.stem for row in rows] == ["2D", "3N"]
    infrared, visible = scene(seed=2)
    assert rows[1].values["SD"] == pytest.approx(
        evaluate(infrared, visible, visible, metrics=["SD"])["SD"], abs=0.01
    )
