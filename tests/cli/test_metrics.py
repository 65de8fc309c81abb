import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from piafusion.imaging.io import read_image, write_image
from piafusion.metrics import SPECS, evaluate
from tests.conftest import scene


@pytest.fixture
def folders(pair_folders: tuple[Path, Path], tmp_path: Path) -> list[Path]:
    """Infrared, visible and fused folders with 1D, 2N and 3N."""
    infrared, visible = pair_folders
    for path in visible.iterdir():
        write_image(tmp_path / "fused" / path.name, read_image(path) // 2)
    return [infrared, visible, tmp_path / "fused"]


def expected(folders: list[Path], name: str, **options: object) -> dict[str, float]:
    infrared, visible, fused = (read_image(folder / name) for folder in folders)
    return evaluate(infrared, visible, fused, **options)  # type: ignore[arg-type]


def test_one_triple(piafusion, folders: list[Path]) -> None:
    done = piafusion("metrics", *(folder / "1D.png" for folder in folders))
    assert done.code == 0
    assert done.err == ""
    head, row = done.out.splitlines()
    assert head.split() == ["MI", "↑", "SD", "↑", "VIF", "↑", "Qabf", "↑"]
    values = expected(folders, "1D.png").values()
    assert row.split() == ["1D", *(f"{value:.4f}" for value in values)]


@pytest.mark.parametrize("convention", ["float", "uint8"])
def test_json(piafusion, folders: list[Path], convention: str) -> None:
    files = [folder / "2N.png" for folder in folders]
    options = ("--metrics", "SD, Qcv", "--convention", convention, "--json")
    report = json.loads(piafusion("metrics", *files, *options).out)
    values = expected(folders, "2N.png", metrics=["SD", "Qcv"], convention=convention)
    assert report["convention"] == convention
    assert report["scored"] == [
        {
            "infrared": str(files[0]),
            "visible": str(files[1]),
            "fused": str(files[2]),
            "values": values,
        }
    ]
    assert report["metrics"]["SD"]["unit"] == "grey level"
    assert report["metrics"]["Qcv"]["direction"] == "lower"
    assert report["metrics"]["Qcv"]["mean"] == values["Qcv"]
    assert report["failed"] == []


def test_folders(piafusion, folders: list[Path]) -> None:
    done = piafusion("metrics", *folders, "--metrics", "EN")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[0] for line in lines[1:6]] == ["1D", "2N", "3N", "mean", "std"]
    values = [expected(folders, f"{stem}.png", metrics=["EN"])["EN"] for stem in ("1D", "2N", "3N")]
    assert float(lines[4][1]) == pytest.approx(np.mean(values), abs=1e-4)
    assert float(lines[5][1]) == pytest.approx(np.std(values), abs=1e-4)
    assert lines[6][:4] == ["scored", "3", "of", "3"]


def test_all_metrics_and_an_infinite_one(piafusion, tmp_path: Path) -> None:
    image = scene(176, 180)[0]
    write_image(tmp_path / "a.png", image)
    done = piafusion("metrics", *[tmp_path / "a.png"] * 3, "--metrics", "all", "--json")
    values = json.loads(done.out)["scored"][0]["values"]
    assert list(values) == list(SPECS)
    assert values["PSNR"] == "inf"
    assert values["targets"] is None


def test_boxes_beside_the_infrared_folder(piafusion, folders: list[Path]) -> None:
    boxes = folders[0].parent / "boxes" / "infrared" / "1D.txt"
    boxes.parent.mkdir(parents=True)
    boxes.write_text("0 0.5 0.5 0.9 0.9\n")
    asked = ("metrics", *folders, "--metrics", "SD,targets", "--json")
    done = piafusion(*asked)
    values = {Path(e["fused"]).stem: e["values"] for e in json.loads(done.out)["scored"]}
    assert done.code == 0
    assert values["1D"]["targets"] is not None
    assert values["2N"]["targets"] is None
    boxes.write_text("0 0.5\n")
    done = piafusion(*asked)
    assert done.code == 1
    assert done.err.startswith(f"piafusion: {boxes}, line 1: expected a class and centre")
    assert done.err.count("\n") == 1


def test_three_videos_are_measured_in_time(piafusion, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from tests.video.conftest import write_video

    greys = [scene(48, 64, seed)[0] for seed in range(6)]
    films = [tmp_path / f"{name}.mp4" for name in ("ir", "vi", "fused")]
    for path, part in zip(films, (greys[:3], greys[3:], greys[3:]), strict=True):
        write_video(path, part)
    done = piafusion("metrics", *films)
    assert (done.code, done.err) == (0, "")
    assert "restless ↓ jumps ↓ pumping ↓" in " ".join(done.out.splitlines()[0].split())
    report = json.loads(piafusion("metrics", *films, "--metrics", "pumping,EN", "--json").out)
    levels = [grey.mean() for grey in greys[3:]]
    expected = np.abs(np.diff(levels)).mean()
    assert report["scored"][0]["values"]["pumping"] == pytest.approx(expected, abs=0.5)
    assert report["metrics"]["pumping"]["unit"] == "grey level"
    write_video(films[2], greys[:2])
    done = piafusion("metrics", *films)
    assert done.code == 1
    assert done.err.startswith(f"piafusion: {films[2]}: expected a frame for each of {films[1]}")
    assert done.err.count("\n") == 1


def test_bad_items_are_listed_and_the_good_ones_scored(piafusion, folders: list[Path]) -> None:
    infrared, visible, fused = folders
    (infrared / "1D.png").write_bytes(b"")
    (visible / "2N.png").unlink()
    (fused / "notes.txt").write_text("stray")
    shutil.copy(fused / "1D.png", fused / "4N.png")
    done = piafusion("metrics", *folders, "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert [Path(item["fused"]).stem for item in report["scored"]] == ["3N"]
    assert len(report["failed"]) == 4
    assert done.err.count("\n") == 4
    for word in (
        "1D.png: expected a whole image file",
        f"expected 2N.* in {visible}, found none",
        f"expected 4N.* in {infrared} and {visible}, found none",
    ):
        assert word in done.err


def test_pictures_that_do_not_fit(piafusion, folders: list[Path]) -> None:
    files = [folder / "1D.png" for folder in folders]
    write_image(files[2], scene(40, 64)[1], overwrite=True)
    done = piafusion("metrics", *files)
    assert done.code == 1
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert f"{files[2]}: expected three pictures of one size" in done.err


def test_colour_grey_and_16_bit_mix(piafusion, folders: list[Path]) -> None:
    files = [folder / "1D.png" for folder in folders]
    write_image(files[2], read_image(files[2]).astype(np.uint16) * 257, overwrite=True)
    assert piafusion("metrics", *files).code == 0


def test_wrong_use_exits_with_2_and_one_line(
    piafusion, folders: list[Path], tmp_path: Path
) -> None:
    infrared, visible, fused = folders
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((infrared, visible, tmp_path / "none"), "found nothing there"),
        ((infrared, visible, fused / "1D.png"), "three files or three folders"),
        ((infrared, visible, tmp_path / "empty"), "expected images"),
        ((infrared, visible, visible), "found a folder of sources"),
        ((*folders, "--metrics", "MI,none"), "found 'none'"),
        ((*folders, "--metrics", ""), "found ''"),
        ((*folders, "--convention", "matlab"), "found 'matlab'"),
    ):
        done = piafusion("metrics", *arguments)
        assert done.code == 2, arguments
        assert message in done.err
        assert done.err.count("\n") == 1
