"""What benchmarks write or compute for users; whether they run at all is `make bench-check`."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import detector
from benchmarks.content_optimum import GRADIENTS, optimum
from benchmarks.detector import overlaps, rank, read_split
from piafusion.imaging.io import write_image
from tests.conftest import scene

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
        "| one | 2.000 | 2.000 | 1.00 | 0.200 | 5.000 | 0.04 |",
        "| two | 3.500 | 4.000 | 0.88 | 0.800 | 4.000 | 0.20 |",
        "| mine | 5.000 | 6.000 | 0.83 | 0.500 | 3.000 | 0.17 |",
    ]
    assert lines[5] == "| Spearman |  | 1.00 |  |  | -0.50 |  |"
    with (tmp_path / "per-image.csv").open("a") as file:  # pictures of one image alone
        file.write("tno,02,,Theirs,6.0,0.6\ntno,01,,Theirs,,\ntno,02,,Twos,2.0,0.7\n")
    pairs = ["--pair", "mine=Theirs", "--pair", "two=Twos"]
    done = run("order", tmp_path, "--data", "tno", "--metrics", "MI,VIF", *pairs)
    assert done.stdout.splitlines()[2:4] == [
        "| mine | 5.000 | 6.000 | 0.83 | 0.500 | 0.600 | 0.83 |",
        "| two | 4.000 | 2.000 | 2.00 | 0.700 | 0.700 | 1.00 |",
    ]


def test_every_change_of_the_optimum_raises_the_content_loss() -> None:
    infrared, visible = (image.astype(float) / 255 for image in scene())
    y = visible[..., 1]

    def loss(fused: np.ndarray) -> float:
        bent = cv2.Laplacian(fused - y, cv2.CV_64F, borderType=cv2.BORDER_REPLICATE)
        return float(((fused - infrared) ** 2).mean() + GRADIENTS * (bent**2).mean())

    best = optimum(infrared, y)
    changes = np.random.default_rng(0).normal(0, 1e-3, (20, *y.shape))
    assert all(loss(best + change) > loss(best) for change in changes)
    assert loss(best) < min(loss(infrared), loss(y), loss((infrared + y) / 2))


def test_average_precision_of_detections_by_hand() -> None:
    """Two people; right, wrong, right again (found twice: wrong), right in order of the scores."""
    truth = [np.array([[0, 0, 0, 10, 10.0], [1, 0, 0, 10, 10]]), np.array([[0, 20, 20, 30, 40.0]])]
    answers = [
        np.array([[0, 0, 0, 10, 8, 0.9], [0, 1, 0, 10, 10, 0.6], [0, 50, 50, 60, 60, 0.8]]),
        np.array([[0, 20, 20, 30, 39, 0.5], [1, 20, 20, 30, 39, 0.7]]),
    ]
    people = rank(answers, truth, 0)
    assert people.right.tolist() == [1, 0, 0, 1]
    assert people.precision(np.array([1, 1])) == pytest.approx((1 + 2 / 4) / 2)
    assert people.precision(np.array([1, 0])) == pytest.approx(1)
    assert people.precision(np.array([1, 2])) == pytest.approx((1 + 2 * 3 / 5) / 3)
    assert np.isnan(people.precision(np.array([0, 0])))
    assert rank(answers, truth, 1).precision(np.array([1, 1])) == 0


def test_an_object_counts_once_whichever_camera_shows_it(tmp_path: Path) -> None:
    for part, picture in zip(("ir", "vi"), scene(), strict=True):
        write_image(tmp_path / part / "1D.png", picture)
    lines = {
        "infrared": "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.1 0.1\n",
        "visible": "0 0.5 0.55 0.25 0.5\n2 0.5 0.5 0.25 0.5\n",
    }
    for modality, text in lines.items():
        (tmp_path / "boxes" / modality).mkdir(parents=True)
        (tmp_path / "boxes" / modality / "1D.txt").write_text(text)
    ((_, _, boxes),) = read_split(tmp_path)
    assert boxes.tolist() == [[0, 12, 6, 20, 18], [1, 12, 6, 20, 18]]
    assert overlaps(boxes[:, 1:], boxes[:1, 1:] + [0, 0, 0, 12]).ravel().tolist() == [0.5, 0.5]


def test_a_detector_reads_fused_pictures_and_kept_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """NAME=FOLDER takes its pictures, not a method's; --read needs neither them nor a training."""
    infrared, visible = scene(64, 96)
    for split, stem in (("train", "1D"), ("test", "2N")):
        write_image(tmp_path / "msrs" / split / "ir" / f"{stem}.png", infrared)
        write_image(tmp_path / "msrs" / split / "vi" / f"{stem}.png", visible)
        write_image(tmp_path / "fused" / split / f"{stem}.png", 255 - visible)

    def report(*arguments: object) -> str:
        given = ["detector", tmp_path / "msrs", "--output", tmp_path, "--seeds", 1, *arguments]
        monkeypatch.setattr(sys, "argv", [*map(str, given), "--steps", "0"])
        detector.main()
        return capsys.readouterr().out.partition("\n|")[2]

    seen: list[np.ndarray] = []

    def detect(_: object, picture: np.ndarray) -> np.ndarray:
        seen.append(picture)
        return np.ones((1, 6))

    monkeypatch.setattr(detector, "detect", detect)
    fused = f"mine={tmp_path / 'fused'}"
    trained = report(fused, "--painted-steps", 0)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], detector.half(255 - visible))
    assert "| mine |" in trained
    report(fused, "--painted-steps", 0)  # the same pictures and settings: not trained again
    assert report("mine", "--read") == trained
    assert len(seen) == 1
    with pytest.raises(SystemExit, match=r"absent.0.json: expected kept answers"):
        report("absent", "--read")
    with pytest.raises(SystemExit, match="no painted streets; add --painted-steps 0"):
        report(fused, "--painted", 1)
