import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.imaging.align import Alignment, Quality, read_alignment, search
from piafusion.imaging.align.geometry import corner_error
from piafusion.imaging.io import read_image, write_image
from piafusion.scenes.synthetic import demo_scenes_root
from tests.conftest import scene
from tests.imaging import flir_files

QUALITY = Quality(score=0.5, likeness=0.3, disagreement=1.0, residual=0.8, pairs=1)
SHIFT = np.array([[1.0, 0, 12], [0, 1, 8], [0, 0, 1]])


@pytest.fixture(autouse=True)
def near_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at few scales and rotations; tests/imaging/align looks at all."""
    monkeypatch.setattr(search, "SCALES", (0.95, 1.0, 1.05))
    monkeypatch.setattr(search, "ROTATIONS", (-2.0, 0.0, 2.0))
    monkeypatch.setattr(search, "ALL_SCALES", np.array([0.5, 1.0]))
    monkeypatch.setattr(search, "ALL_ROTATIONS", (0.0, 90.0))


@pytest.fixture
def rig(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of a day and a night scene, the infrared shifted by 12 and 8 pixels and cropped."""
    for light in "DN":
        infrared = read_image(demo_scenes_root() / "ir" / f"street_{light}.png")
        write_image(tmp_path / "ir" / f"{light}.png", np.roll(infrared, (8, 12), (0, 1))[8:-4, 12:])
    shutil.copytree(demo_scenes_root() / "vi", tmp_path / "vi")
    for light in "DN":
        (tmp_path / "vi" / f"street_{light}.png").rename(tmp_path / "vi" / f"{light}.png")
    return tmp_path / "ir", tmp_path / "vi"


@pytest.fixture
def aligned(tmp_path: Path) -> tuple[Path, Path]:
    root = tmp_path / "aligned"
    shutil.copytree(demo_scenes_root(), root)
    return root / "ir", root / "vi"


def test_counts_and_degrees_are_aligned_with_a_tone(
    rig: tuple[Path, Path], tmp_path: Path, piafusion
) -> None:
    """A tone is what makes raw values comparable, for the estimate as for the fusion."""
    ir, vi = tmp_path / "degrees.tiff", rig[1] / "D.png"
    write_image(ir, read_image(rig[0] / "D.png").astype(np.float32) / 4 - 20)
    for tone in ((), ("--tone", "percentile:0,100")):
        aligned = piafusion(
            "align", ir, vi, "-o", tmp_path / "rig.json", "--kind", "similarity", *tone
        )
        fused = piafusion("fuse", ir, vi, "-o", tmp_path / "out.png", "--align", "auto", *tone)
        assert (aligned.code, fused.code) == ((0, 0) if tone else (1, 1)), aligned.err + fused.err
    assert corner_error(read_alignment(tmp_path / "rig.json").matrix, np.eye(3), (480, 640)) < 2


def test_rig_is_estimated_saved_and_used(rig: tuple[Path, Path], tmp_path: Path, piafusion) -> None:
    output = tmp_path / "rig.json"
    preview = ("--preview", tmp_path / "preview.png", "--view", "checker:60")
    done = piafusion("align", *rig, "--output", output, "--kind", "similarity", *preview)
    assert (done.code, done.err) == (0, "")
    seen = read_image(preview[1])
    np.testing.assert_array_equal(seen[:60, :60], read_image(rig[1] / "D.png")[:60, :60])
    assert (seen[:60, 60:120] == seen[:60, 60:120, :1]).all()
    assert seen.shape == (480, 3 * 640, 3)  # before, after, and where both agree
    assert done.out.startswith("similarity from 2 pairs: score 0.")
    found = read_alignment(output)
    assert found.infrared_size == (468, 628)
    assert corner_error(found.matrix, np.eye(3), found.visible_size) < 1

    fused = tmp_path / "fused"
    done = piafusion("fuse", *rig, "--output", fused, "--alignment", output)
    assert done.code == 0, done.err
    assert read_image(fused / "D.png").shape == (480, 640, 3)

    again = piafusion("align", *rig, "--output", output)
    assert again.code == 2
    assert "--overwrite" in again.err


def test_auto_estimates_before_it_fuses(rig: tuple[Path, Path], tmp_path: Path, piafusion) -> None:
    files = [folder / "D.png" for folder in rig]
    refused = piafusion("fuse", *files, "--output", tmp_path / "no.png")
    assert refused.code == 1
    assert "piafusion align" in refused.err
    done = piafusion("fuse", *files, "--output", tmp_path / "fused.png", "--align", "auto")
    assert done.code == 0
    assert read_image(tmp_path / "fused.png").shape == (480, 640, 3)


def test_pairs_of_other_sizes_are_left_out_or_get_maps_of_their_own(
    rig: tuple[Path, Path], tmp_path: Path, piafusion
) -> None:
    ir, vi = rig
    for folder, cut in ((ir, 560), (vi, 640)):
        (folder / "N.png").unlink()
        for name in ("E.png", "F.png"):
            write_image(folder / name, read_image(folder / "D.png")[:, :cut])
    each = ("--output", tmp_path / "each", "--align", "each", "--fov", "45,45")
    done = piafusion("fuse", *rig, *each)
    assert done.code == 0, done.err
    assert {path.name for path in (tmp_path / "each").glob("*.png")} == {"D.png", "E.png", "F.png"}

    done = piafusion("fuse", *rig, "--output", tmp_path / "auto", "--align", "auto")
    assert done.code == 1
    assert "D: 628x468 and 640x480, other sizes than most" in done.err
    assert {path.name for path in (tmp_path / "auto").glob("*.png")} == {"E.png", "F.png"}


def test_a_prior_needs_an_estimate(rig: tuple[Path, Path], tmp_path: Path, piafusion) -> None:
    for option in (("--fov", "20,45"), ("--mirrored",)):
        done = piafusion("fuse", *rig, "--output", tmp_path / "fused", *option)
        assert done.code == 2
        assert "--align auto" in done.err


def test_pictures_of_nothing_in_common_are_refused(tmp_path: Path, piafusion) -> None:
    infrared = read_image(demo_scenes_root() / "ir" / "street_D.png")
    write_image(tmp_path / "ir.png", cv2.resize(infrared, (160, 120)))
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    write_image(tmp_path / "vi.png", cv2.GaussianBlur(noise, (0, 0), 5))
    files = (tmp_path / "ir.png", tmp_path / "vi.png")
    for arguments in (
        ("align", *files, "--output", tmp_path / "rig.json"),
        ("fuse", *files, "--output", tmp_path / "fused.png", "--align", "auto"),
    ):
        done = piafusion(*arguments)
        assert done.code == 1
        assert "this pair" in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"ir.png", "vi.png"}


def test_check_lists_the_pairs_that_are_not_aligned(aligned: tuple[Path, Path], piafusion) -> None:
    fine = piafusion("align", *aligned, "--check")
    assert fine.code == 0
    assert fine.out.startswith("0 of 2 pairs are shifted, 0 unlike; the median shift is 0.")

    day = aligned[0] / "street_D.png"
    write_image(day, np.roll(read_image(day), 14, axis=1), overwrite=True)
    done = piafusion("align", *aligned, "--check")
    assert done.code == 1
    assert done.out.splitlines()[1].split()[::5] == ["street_D", "shifted"]
    assert "1 of 2 pairs are shifted, 0 unlike" in done.out

    rows = json.loads(piafusion("align", *aligned, "--check", "--json").out)["pairs"]
    assert [row["verdict"] for row in rows] == ["shifted", "aligned"]
    assert rows[0]["x"] == pytest.approx(14, abs=1)
    assert piafusion("align", *aligned, "--check", "--limit", "16").code == 0


def test_check_goes_on_after_bad_files(aligned: tuple[Path, Path], piafusion) -> None:
    (aligned[0] / "street_D.png").write_bytes(b"no picture")
    write_image(aligned[0] / "street_N.png", scene(64, 64)[0], overwrite=True)
    done = piafusion("align", *aligned, "--check", "--json")
    assert done.code == 1
    assert "street_D.png: expected" in done.err
    assert "street_N: expected two pictures of one size" in done.err
    assert [each["pair"] for each in json.loads(done.out)["failed"]] == ["street_D", "street_N"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["align", "ir", "vi"], "either --output FILE or --check"),
        (["align", "ir", "vi", "--check", "--output", "rig.json"], "either --output"),
        (["align", "ir", "vi", "--output", "a", "--alignment", "b"], "are for --check"),
        (["align", "ir", "nowhere", "--output", "rig.json"], "nowhere: expected an image"),
        (["align", "ir", "vi/D.png", "--output", "rig.json"], "two files or two folders"),
        (["align", "ir", "vi", "--output", "rig.json", "--kind", "rigid"], "found 'rigid'"),
        (["align", "ir", "vi", "--output", "rig.json", "--fov", "20"], "expected two angles"),
        (["align", "ir", "vi", "--output", "rig.json", "--fov", "20,190"], "20,190"),
        (["align", "ir", "vi", "--check", "--fov", "20,45"], "found --check"),
        (["align", "ir", "vi", "-o", "a", "--visible-crop", "9x9"], "expected FILE.json"),
        (["align", "a.json", "-o", "b"], "expected FILE.json of an alignment alone, a part"),
        (["fuse", "ir", "vi", "--output", "o", "--align", "yes"], "expected auto"),
        (["fuse", "ir", "vi", "--output", "o", "--align", "auto", "--alignment", "x"], "drop one"),
    ],
)
def test_wrong_use_exits_with_2(
    arguments: list[str],
    words: str,
    rig: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    piafusion,
) -> None:
    monkeypatch.chdir(rig[0].parent)
    done = piafusion(*arguments)
    assert done.code == 2
    assert words in done.err


def test_a_file_is_cropped(tmp_path: Path, piafusion) -> None:
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    Alignment.of("homography", SHIFT, (480, 640), (960, 1280), QUALITY).save(whole)
    crops = ("--infrared-crop", "320x240+10+20", "--visible-crop", "1280x720")
    done = piafusion("align", whole, "-o", part, *crops)
    assert (done.code, done.out) == (0, f"for pictures of 320x240 and 1280x720: {part}\n"), done.err
    found = read_alignment(part)
    np.testing.assert_allclose(found.place(np.zeros((1, 2))), [[12 - 10, 120 + 8 - 20]])
    done = piafusion("align", whole, "-o", tmp_path / "no.json", "--visible-crop", "1281x720")
    assert (done.code, "a part of 1280x960" in done.err) == (2, True)


def test_damaged_alignment_is_named(rig: tuple[Path, Path], tmp_path: Path, piafusion) -> None:
    (tmp_path / "rig.json").write_text("{}")
    done = piafusion(
        "fuse", *rig, "--output", tmp_path / "out", "--alignment", tmp_path / "rig.json"
    )
    assert done.code == 1
    assert "rig.json: expected an alignment of version 2" in done.err
    alignment = Alignment.of("affine", SHIFT, (480, 640), (64, 64), QUALITY)
    alignment.save(tmp_path / "other.json")
    done = piafusion(
        "fuse", *rig, "--output", tmp_path / "out", "--alignment", tmp_path / "other.json"
    )
    assert done.code == 1
    assert "estimate one for this rig" in done.err


def test_a_photo_that_holds_both(
    piafusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SCALES", (0.57, 0.6, 0.63))
    (tmp_path / "photo.jpg").write_bytes(flir_files.both())
    done = piafusion(
        "align", tmp_path / "photo.jpg", "-o", tmp_path / "rig.json", "--kind", "similarity"
    )
    assert done.code == 0
    found = read_alignment(tmp_path / "rig.json")
    centre = np.linalg.inv(found.matrix) @ [47.5, 35.5, 1]
    np.testing.assert_allclose(
        centre[:2], [159.5 + flir_files.SHIFT[0], 119.5 + flir_files.SHIFT[1]], atol=2
    )


def test_videos_of_a_rig(rig: tuple[Path, Path], tmp_path, piafusion, monkeypatch) -> None:
    pytest.importorskip("av")
    from tests.video.conftest import read_video, write_video

    videos = [
        write_video(tmp_path / f"{folder.name}.mp4", [read_image(folder / "D.png")] * 2)
        for folder in rig
    ]
    output = tmp_path / "rig.json"
    options = ("--kind", "similarity", "--pairs", 1, "--preview", tmp_path / "preview.png")
    done = piafusion("align", *videos, "-o", output, *options)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("similarity from 1 pair")
    found = read_alignment(output)
    assert corner_error(found.matrix, np.eye(3), found.visible_size) < 1.5
    assert read_image(tmp_path / "preview.png").shape == (480, 3 * 640, 3)
    checked = piafusion("align", *videos, "--check", "--alignment", output, "--pairs", 2)
    assert checked.code == 0, checked.err
    assert "0 of 2 pairs are shifted" in checked.out

    read_pairs = []

    def estimate(pairs, read, prior) -> Alignment:
        assert prior == {"fov": None, "mirrored": False}
        read_pairs.extend(read(pair) for pair in pairs)
        return found

    monkeypatch.setattr("piafusion.cli.align._estimate", estimate)
    for name, how in (("file", ("--alignment", output)), ("auto", ("--align", "auto"))):
        done = piafusion("video", *videos, "-o", tmp_path / f"{name}.mp4", *how)
        assert done.code == 0, (name, done.err)
    assert [pair[1].shape for pair in read_pairs] == [(480, 640, 3)] * 2
    pictures = [read_video(tmp_path / f"{name}.mp4")[0] for name in ("file", "auto")]
    np.testing.assert_array_equal(*pictures)
    for wrong in (("--align", "none"), ("--align", "auto", "--resize")):
        done = piafusion("video", *videos, "-o", tmp_path / "no.mp4", *wrong)
        assert done.code == 2
        assert "--align: expected auto" in done.err
