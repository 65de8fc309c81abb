import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion import Fuser, pair_files
from piafusion.imaging.io import read_image, write_image
from piafusion.imaging.palettes import palette
from piafusion.imaging.places import sha256
from piafusion.manifest import NAME, read_manifest
from tests.conftest import scene
from tests.imaging.flir_files import both, container, flir


def names(folder: Path) -> list[str]:
    """Return the files of a folder, without the manifest."""
    return sorted({path.name for path in folder.iterdir()} - {NAME})


def test_one_pair(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    done = piafusion("fuse", ir, vi, "--output", tmp_path / "fused.png")
    assert done.code == 0
    assert "fused 1 pair in" in done.out
    assert str(tmp_path / "fused.png") in done.out
    expected = Fuser()(read_image(ir), read_image(vi))
    np.testing.assert_array_equal(read_image(tmp_path / "fused.png"), expected)


def test_one_pair_into_a_folder(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    assert piafusion("fuse", ir, vi, "-o", tmp_path / "new", "--format", "tiff").code == 0
    assert (tmp_path / "new" / "1D.tiff").exists()


def test_folders(piafusion, pair_folders, tmp_path: Path) -> None:
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out")
    assert done.code == 0
    assert "fused 3 pairs" in done.out
    assert names(tmp_path / "out") == ["1D.png", "2N.png", "3N.png"]


def test_json(piafusion, pair_folders, tmp_path: Path) -> None:
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--json")
    report = json.loads(done.out)
    assert report["model"] == "piafusion"
    assert report["failed"] == []
    assert [Path(item["output"]).name for item in report["fused"]] == ["1D.png", "2N.png", "3N.png"]
    assert report["fused"][0]["width"] == 64
    assert report["fused"][0]["seconds"] > 0


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp", "webp"])
def test_every_format_in_and_out(piafusion, tmp_path: Path, suffix: str) -> None:
    infrared, visible = scene(31, 45)
    ir, vi = tmp_path / f"ir.{suffix}", tmp_path / f"vi.{suffix}"
    write_image(ir, infrared)
    write_image(vi, visible)
    assert piafusion("fuse", ir, vi, "-o", tmp_path / f"out.{suffix}").code == 0
    assert read_image(tmp_path / f"out.{suffix}").shape == (31, 45, 3)


def test_the_model_can_be_chosen(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "2N.png" for folder in pair_folders)
    for model in ("paper", "piafusion-fast"):
        out = tmp_path / f"{model}.png"
        assert piafusion("fuse", ir, vi, "-o", out, "--model", model).code == 0
    assert not np.array_equal(
        read_image(tmp_path / "paper.png"), read_image(tmp_path / "piafusion-fast.png")
    )


def test_a_method_in_place_of_the_model(piafusion, pair_folders, tmp_path: Path) -> None:
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--method", "gtf", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["model"], report["device"]) == ("gtf", "cpu")
    expected = Fuser(method="gtf")(*(read_image(folder / "2N.png") for folder in pair_folders))
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "2N.png"), expected)


def test_bad_items_are_listed_and_the_good_ones_written(
    piafusion, pair_folders, tmp_path: Path
) -> None:
    ir, vi = pair_folders
    (ir / "1D.png").write_bytes((ir / "1D.png").read_bytes()[:100])
    write_image(ir / "4N.png", scene()[0])  # without a partner
    cv2.imwrite(str(vi / "3N.png"), np.zeros((40, 64, 3), np.uint8))  # of another size
    done = piafusion("fuse", ir, vi, "-o", tmp_path / "out", "--json")
    assert done.code == 1
    assert names(tmp_path / "out") == ["2N.png"]
    failed = json.loads(done.out)["failed"]
    assert len(failed) == 3
    for word in ("1D.png: expected a whole image", "3N.png with 64x40", "4N.png: no counterpart"):
        assert word in done.err


def test_nothing_is_overwritten_unless_asked(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    out = tmp_path / "fused.png"
    out.write_text("precious")
    done = piafusion("fuse", ir, vi, "-o", out)
    assert done.code == 2
    assert "exists already" in done.err
    assert out.read_text() == "precious"
    assert piafusion("fuse", ir, vi, "-o", out, "--overwrite").code == 0
    assert read_image(out).shape == (48, 64, 3)


def test_a_folder_with_results_is_refused_before_any_work(
    piafusion, pair_folders, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "2N.png").write_text("precious")
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out")
    assert done.code == 2
    assert names(tmp_path / "out") == ["2N.png"]


def test_a_source_is_never_overwritten(piafusion, pair_folders) -> None:
    ir, vi = pair_folders
    before = (vi / "1D.png").read_bytes()
    for arguments in ((ir / "1D.png", vi / "1D.png", "-o", vi / "1D.png"), (ir, vi, "-o", vi)):
        done = piafusion("fuse", *arguments, "--overwrite")
        assert done.code == 2
        assert "is one of the sources" in done.err
    assert (vi / "1D.png").read_bytes() == before


def test_wrong_use_exits_with_2_and_one_line(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = pair_folders
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    write_image(tmp_path / "other" / "x.png", scene()[0])
    out = tmp_path / "out"
    for arguments, message in (
        ((ir / "none.png", vi / "1D.png", "-o", out), "found nothing there"),
        ((ir, vi / "1D.png", "-o", out), "two files or two folders"),
        ((ir, tmp_path / "empty", "-o", out), "expected images"),
        ((ir, tmp_path / "other", "-o", out), "share a stem, found none"),
        ((ir, vi, "-o", ir / "1D.png"), "expected a folder for the fused images, found a file"),
        ((ir, vi, "-o", out, "--format", "gif"), "found 'gif'"),
        ((ir, vi, "-o", out, "--model", "none"), "found 'none'"),
        ((ir, vi, "-o", out, "--device", "tpu"), "found 'tpu'"),
        ((ir, vi, "-o", out, "--method", "none"), "expected a method of average, maximum"),
        ((ir, vi, "-o", out, "--method", "gtf", "-m", "paper"), "--model or --method, found both"),
        ((ir, vi, "-o", out, "--method", "gtf", "--device", "cuda"), "expected auto or cpu"),
        ((ir, vi, "-o", out, "--method", "gtf", "--tile", "64"), "leave the tiles out"),
        ((ir / "1D.png", vi / "1D.png", "-o", tmp_path / "out.gif"), "expected a suffix"),
        ((ir, vi, "-o", out, "--engine", "onnx"), "expected local or ray, found 'onnx'"),
        ((ir, vi, "-o", out, "--address", "auto"), "--address: expected it with --engine ray"),
    ):
        done = piafusion("fuse", *arguments)
        assert done.code == 2, arguments
        assert message in done.err
        assert done.err.count("\n") == 1
        assert not out.exists()


def test_no_output_folder_can_be_made(piafusion, pair_folders, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    done = piafusion("fuse", ir, vi, "-o", tmp_path / "file" / "out.png")
    assert done.code == 1
    assert "could not be written" in done.err


def test_corrupt_weights_stop_everything(piafusion, pair_folders, tmp_path: Path) -> None:
    weights = tmp_path / "mine.onnx"
    weights.write_bytes(b"broken")
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--model", weights)
    assert done.code == 1
    assert "expected an ONNX network" in done.err
    assert not (tmp_path / "out").exists()


def test_a_run_that_stopped_is_gone_on_with(piafusion, pair_folders, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = ("fuse", *pair_folders, "-o", out)
    assert piafusion(*first).code == 0
    (out / "2N.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    refused = piafusion(*first)
    assert refused.code == 2
    done = piafusion(*first, "--skip-existing")
    assert done.code == 0
    assert "fused 1 of 3 pairs" in done.out
    assert "2 existed already" in done.out
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert names(out) == ["1D.png", "2N.png", "3N.png"]
    assert all(after[name] == time for name, time in before.items())
    nothing = piafusion(*first, "--skip-existing")
    assert nothing.code == 0
    assert "3 existed already" in nothing.out
    both = piafusion(*first, "--skip-existing", "--overwrite")
    assert both.code == 2
    assert "--skip-existing or --overwrite" in both.err


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_workers_give_the_same_pictures(
    piafusion, pair_folders, tmp_path: Path, workers: int
) -> None:
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--workers", workers, "--json")
    report = json.loads(done.out)
    assert report["workers"] == min(workers, 3)
    assert [Path(entry["output"]).stem for entry in report["fused"]] == ["1D", "2N", "3N"]
    for stem in ("1D", "2N", "3N"):
        expected = Fuser()(*(read_image(folder / f"{stem}.png") for folder in pair_folders))
        np.testing.assert_array_equal(read_image(tmp_path / "out" / f"{stem}.png"), expected)


def test_the_manifest_tells_what_every_picture_is_made_of(
    piafusion, pair_folders, tmp_path: Path
) -> None:
    ir, vi = pair_folders
    out = tmp_path / "out"
    (ir / "2N.png").write_bytes(b"broken")
    done = piafusion("fuse", ir, vi, "-o", out, "--tone", "percentile:1,99", "--json")
    assert done.code == 1
    assert json.loads(done.out)["manifest"] == str(out / NAME)
    first, failed, third = read_manifest(out / NAME)
    assert (first["output"], first["error"], first["model"]) == ("1D.png", None, "piafusion")
    assert (first["width"], first["height"], first["tone"]) == (64, 48, "percentile:1,99")
    assert first["infrared"] == str(ir / "1D.png")
    for name, path in (("infrared", ir), ("visible", vi), ("output", out)):
        assert first[f"{name}_sha256"] == sha256(path / "1D.png")
    assert "2N.png" in failed["error"]
    assert failed["output_sha256"] is None
    assert first.keys() == failed.keys() == third.keys()
    (ir / "2N.png").write_bytes((ir / "1D.png").read_bytes())
    assert piafusion("fuse", ir, vi, "-o", out, "--skip-existing").code == 0
    again = read_manifest(out / NAME)
    assert [entry["error"] for entry in again] == [None] * 3
    assert (again[0], again[2]) == (first, third)
    assert again[1]["tone"] == "full"
    (out / NAME).unlink()
    assert piafusion("fuse", ir, vi, "-o", out, "--skip-existing").code == 0
    assert [entry["output_sha256"] for entry in read_manifest(out / NAME)] == [None] * 3


def test_another_file_in_place_of_the_manifest_is_not_replaced(
    piafusion, pair_folders, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).write_text("precious")
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out")
    assert done.code == 2
    assert "expected a manifest of piafusion, found no" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]


def test_files_behind_urls(piafusion, pair_folders, tmp_path: Path) -> None:
    pytest.importorskip("upath")
    ir, vi = (f"local://{folder}" for folder in pair_folders)
    (pair_folders[1] / "2N.png").write_bytes(b"broken")
    done = piafusion("fuse", ir, vi, "-o", f"local://{tmp_path}/out")
    assert done.code == 1
    assert f"piafusion: {vi}/2N.png: expected PNG" in done.err
    assert names(tmp_path / "out") == ["1D.png", "3N.png"]
    assert piafusion("fuse", *pair_folders, "-o", tmp_path / "here").code == 1
    for name in ("1D.png", "3N.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert read_manifest(tmp_path / "out" / NAME)[0]["infrared"] == f"{ir}/1D.png"


def test_ctrl_c_says_how_to_go_on(
    piafusion, pair_folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuse = pair_files.fuse_files

    def interrupt(self: Fuser, infrared: Path, *others: Path, **options: object):
        if infrared.stem == "2N":
            raise KeyboardInterrupt
        return fuse(self, infrared, *others, **options)

    monkeypatch.setattr("piafusion.batch.fuse_files", interrupt)
    done = piafusion("fuse", *pair_folders, "-o", tmp_path / "out", "--workers", 1)
    assert done.code == 130
    assert "stopped with 2 of 3 pairs not fused; continue with the same command" in done.err
    assert {"1D.png"} <= set(names(tmp_path / "out")) <= {"1D.png", "3N.png"}


def test_the_tone_is_reported(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    celsius = read_image(ir).astype(np.float32) / 4 - 20
    celsius[5, 6] = np.nan
    write_image(tmp_path / "celsius.tiff", celsius)
    plain = piafusion("fuse", tmp_path / "celsius.tiff", vi, "-o", tmp_path / "plain.png")
    assert plain.code == 1
    assert "--tone percentile" in plain.err
    run = ("fuse", tmp_path / "celsius.tiff", vi, "--tone", "span:-20,43.75")
    done = piafusion(*run, "-o", tmp_path / "one.png")
    assert done.code == 0, done.err
    assert "tone span:-20,43.75: -20 is black, 43.75 white, 1 dead pixels filled" in done.out
    report = json.loads(piafusion(*run, "-o", tmp_path / "two.png", "--json").out)
    assert report["tone"] == "span:-20,43.75"
    assert report["fused"][0]["tone"] == {"low": -20, "high": 43.75, "filled": 1}
    expected = Fuser()(read_image(ir), read_image(vi)).astype(int)
    difference = np.abs(read_image(tmp_path / "one.png") - expected)
    assert np.median(difference) <= 1
    wrong = piafusion(*run[:-1], "loud", "-o", tmp_path / "three.png")
    assert wrong.code == 2
    assert "expected a tone of full" in wrong.err


def test_names_that_differ_are_paired_by_a_pattern(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = pair_folders
    both = tmp_path / "both"
    both.mkdir()
    for path in ir.iterdir():
        shutil.copy(path, both / f"{path.stem}_ir.png")
        shutil.copy(vi / path.name, both / f"{path.stem}_vi.png")
    run = ("fuse", both, both, "-o", tmp_path / "out")
    refused = piafusion(*run)
    assert refused.code == 2
    assert "found one for both; pair them with --match '*_ir=*_vi'" in refused.err
    done = piafusion(*run, "--match", "*_ir=*_vi", "--json")
    assert done.code == 0, done.err
    assert "1D_vi.png" in names(tmp_path / "out")
    expected = Fuser()(read_image(ir / "1D.png"), read_image(vi / "1D.png"))
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "1D_vi.png"), expected)
    scores = piafusion("metrics", both, both, tmp_path / "out", "--match", "*_ir=*_vi")
    assert (scores.code, scores.err) == (0, "")
    for one in (("fuse", "-o", tmp_path / "one.png"), ("align", "-o", tmp_path / "one.json")):
        twice = piafusion(one[0], both / "1D_ir.png", both / "1D_ir.png", *one[1:])
        assert twice.code == 2
        assert "found one file for both" in twice.err
    assert not (tmp_path / "one.png").exists()


def test_raw_counts_without_a_tone_are_warned_of_once(
    piafusion, pair_folders, tmp_path: Path
) -> None:
    ir, vi = pair_folders
    for path in ir.iterdir():
        write_image(path, read_image(path).astype(np.uint16) + 7000, overwrite=True)
    done = piafusion("fuse", ir, vi, "-o", tmp_path / "out", "--json")
    assert done.code == 0
    assert done.err.count("--tone percentile") == 1
    assert "1D.png: the infrared values, 7" in done.err
    assert done.err.strip().endswith("(3 of 3 pairs)")
    assert "--tone percentile" in json.loads(done.out)["fused"][0]["advice"]


def test_polarity_and_the_range_of_the_visible(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    write_image(tmp_path / "black.png", 255 - read_image(ir))
    write_image(tmp_path / "twelve.png", read_image(vi).astype(np.uint16) * 16)
    run = ("fuse", tmp_path / "black.png", tmp_path / "twelve.png", "-o", tmp_path / "out.png")
    done = piafusion(*run, "--polarity", "black-hot", "--visible-tone", "span:0,4080")
    assert done.code == 0, done.err
    assert "tone full black-hot: 0 is black" in done.out
    expected = Fuser()(read_image(ir), read_image(vi))
    assert np.abs(read_image(tmp_path / "out.png") / 257 - expected).max() < 1.5
    for option in ("--polarity", "--visible-tone"):
        assert piafusion(*run, option, "hot").code == 2


def test_strength(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    run = ("fuse", ir, vi, "--overwrite", "-o", tmp_path / "out.png")
    assert piafusion(*run, "--strength", "0").code == 0
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), read_image(vi))
    for bad in ("1.01", "nan", "-0.1"):
        done = piafusion(*run, f"--strength={bad}")
        assert done.code == 2
        assert "expected a number" in done.err
    assert piafusion(*run, "--strength", "1", "--method", "average").code == 2


def test_a_picture_larger_than_allowed_is_refused_and_the_option_named(
    piafusion, pair_folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "PIAFUSION_MAX_MEGAPIXELS", ""
    )  # the command sets it: here it ends with the test
    files = [folder / "1D.png" for folder in pair_folders]
    done = piafusion("fuse", *files, "-o", tmp_path / "out.png", "--max-megapixels", "0.001")
    assert done.code == 1
    assert "1D.png: expected at most 0.001 megapixels" in done.err
    assert "--max-megapixels" in done.err
    done = piafusion("fuse", *files, "-o", tmp_path / "out.png", "--max-megapixels", "0")
    assert done.code == 0


def test_a_photo_that_holds_both_or_a_folder_of_them(piafusion, tmp_path: Path) -> None:
    folder, out, degrees = (tmp_path / name for name in ("photos", "out", "degrees"))
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.jpg").write_bytes(both())
    (folder / "c.jpg").write_bytes(flir(container(counts=np.full(12, 15_000, "<u2").tobytes())))
    options = ("--method", "average", "--json")
    done = piafusion("fuse", folder / "a.jpg", "--output", tmp_path / "fused.jpg", *options)
    assert done.code == 0
    assert json.loads(done.out)["tone"] == "plateau:3"
    assert read_image(tmp_path / "fused.jpg").shape == (240, 320, 3)
    done = piafusion("fuse", folder, "-o", out, "--temperature", degrees, *options)
    assert done.code == 1
    assert "c.jpg: expected a photo that holds its visible picture too" in done.err
    assert names(out) == ["a.png", "b.png"]
    assert names(degrees) == ["a.tif", "b.tif"]


def test_a_folder_without_photos_is_one_line(piafusion, pair_folders, tmp_path: Path) -> None:
    done = piafusion("fuse", pair_folders[0], "-o", tmp_path / "out")
    assert done.code == 2
    assert "expected photos of a thermal camera that hold both pictures, found none" in done.err
    assert done.err.count("\n") == 1


def test_levels_are_no_temperatures(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    command = ("fuse", ir, vi, "-o", tmp_path / "fused.png", "--method", "average")
    for name, wanted in (("t.tif", "found levels or counts"), ("t.png", "expected .tif for temp")):
        done = piafusion(*command, "--temperature", tmp_path / name)
        assert done.code
        assert wanted in done.err
        assert not (tmp_path / name).exists()


def test_views_and_what_is_measured(piafusion, pair_folders, tmp_path: Path) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    view = ("--view", "palette", "--view-palette", "inferno", "--bar")
    measured = ("--measure", "3,4", "--measure", "all")
    done = piafusion("fuse", ir, vi, "-o", tmp_path / "a.png", *view, *measured, "--json")
    (item,) = json.loads(done.out)["fused"]
    levels = read_image(ir).astype(float)
    assert item["measured"]["3,4"]["value"] == levels[4, 3]
    assert item["measured"]["all"]["mean"] == pytest.approx(levels.mean())
    drawn = read_image(tmp_path / "a.png")
    assert drawn.shape[0] == 48
    assert drawn.shape[1] > 64
    np.testing.assert_array_equal(drawn[:, :64], palette("inferno")[read_image(ir)])
    told = piafusion("fuse", ir, vi, "-o", tmp_path / "a.webp", "--view", "flicker", *measured)
    assert f"3,4: value {levels[4, 3]:.1f}\n" in told.out
    _, frames = cv2.imreadanimation(str(tmp_path / "a.webp"))
    assert len(frames.frames) == 3
    for wrong, reason in (
        (("--view", "msx"), "expected a view of fused, edges"),
        (("--view", "palette", "--view-palette", "green"), "colours of white-hot"),
        (("--measure", "0,99"), "1D.png: expected a place in its 64x48 pixels"),
    ):
        done = piafusion("fuse", ir, vi, "-o", tmp_path / "b.png", *wrong)
        assert done.code != 0
        assert reason in done.err
    done = piafusion("fuse", ir, vi, "-o", tmp_path / "b.jpg", "--view", "flicker")
    assert "expected .webp or .png for a loop" in done.err
