from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import ImageError, SizeMismatchError, UsageError
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.evaluation.scoring import score_all, score_files
from piafusion.lab.evaluation.triples import Triple, list_triples
from piafusion.metrics import evaluate
from tests.conftest import scene

METRICS = ["EN", "MI", "SD"]


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
    found = list_triples(infrared, visible, fused)
    assert found.triples == [Triple("0", infrared / "0.png", visible / "0.png", fused / "0.PNG")]
    assert set(found.problems) == {
        fused / "1.png",
        fused / "1.bmp",
        infrared / "2.png",
        fused / "2.png",
        fused / "9.png",
    }
    assert f"expected 2.* in {visible}, found none" in found.problems[fused / "2.png"]
    assert f"expected 9.* in {infrared} and {visible}" in found.problems[fused / "9.png"]
    assert "found 1.bmp, 1.png" in found.problems[fused / "1.png"]


def test_folders_without_triples(tmp_path: Path) -> None:
    infrared, visible, fused = fill(tmp_path, 1)
    (fused / "0.png").rename(fused / "x.png")
    with pytest.raises(UsageError, match=r"share a stem, found none .*x\.png"):
        list_triples(infrared, visible, fused)
    with pytest.raises(UsageError, match="is a folder of sources"):
        list_triples(infrared, visible, visible)
    with pytest.raises(UsageError, match="found nothing"):
        list_triples(infrared, visible, tmp_path / "none")


def test_scores_are_those_of_evaluate(tmp_path: Path) -> None:
    triple = list_triples(*fill(tmp_path, 1)).triples[0]
    pictures = [read_image(path) for path in (triple.infrared, triple.visible, triple.fused)]
    for convention in ("float", "uint8"):
        expected = evaluate(*pictures, metrics=METRICS, convention=convention)
        assert score_files(triple, metrics=METRICS, convention=convention) == expected


def test_a_pool_gives_the_same_in_the_same_order_and_goes_on(tmp_path: Path) -> None:
    triples = list_triples(*fill(tmp_path, 9)).triples
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
    triples = list_triples(*fill(tmp_path, 1)).triples
    (score,) = score_all(triples, metrics=["EN", "MS-SSIM", "SD"])
    assert list(score.values) == ["EN", "SD"]
    assert not score.error
    expected = "MS-SSIM: expected pictures of at least 176x176 pixels"
    assert f"{triples[0].fused}: {expected}" in score.undefined
    (score,) = score_all(triples, metrics=["MS-SSIM"])
    assert score.values == {}
    assert "176x176" in score.error


def test_errors_name_the_file(tmp_path: Path) -> None:
    triple = list_triples(*fill(tmp_path, 1)).triples[0]
    with pytest.raises(ImageError, match=f"{triple.fused}: MS-SSIM: expected .* 176x176"):
        score_files(triple, metrics=["MS-SSIM"])
    write_image(triple.fused, np.zeros((5, 5), np.uint8), overwrite=True)
    with pytest.raises(SizeMismatchError, match="fused 5x5"):
        score_files(triple, metrics=METRICS)
    with pytest.raises(UsageError):
        score_files(triple, metrics=["none"])
