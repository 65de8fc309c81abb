import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.imaging.io import read_image
from piafusion.lab.data.msrs import MANIFEST, BuildSettings, build_msrs
from piafusion.scenes.synthetic import labelled_scene

MOVED = "00100D"


@pytest.fixture(scope="module")
def mfnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight scenes in four channels; one is misaligned, one has no letter."""
    root = tmp_path_factory.mktemp("mfnet")
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    stems = ["00000D", MOVED, "00200D", "00300D", "00000N", "00100N", "00200N", "00300N"]
    for seed, stem in enumerate([*stems, "00400"]):
        shift = np.array([[1, 0, 8.0], [0, 1, 0], [0, 0, 1]]) if stem == MOVED else None
        day = float("N" not in stem)
        scene = labelled_scene(seed, daylight=day, misalignment=shift, height=240, width=320)
        picture = np.dstack([scene.visible[..., ::-1], scene.infrared])
        assert cv2.imwrite(str(root / "images" / f"{stem}.png"), picture)
        assert cv2.imwrite(str(root / "labels" / f"{stem}.png"), scene.labels)
    return root


@pytest.fixture(scope="module")
def built(mfnet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("built") / "msrs"
    build_msrs(mfnet, output, BuildSettings())
    return output


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_what_is_kept_and_dropped(mfnet, built):
    result = build_msrs(mfnet, built, BuildSettings())
    assert result.dropped == {
        MOVED: "misaligned",
        "00400": "the name ends in neither D nor N",
    }
    assert {stem for stem, split in result.kept.items() if split == "test"} == {"00300D", "00300N"}
    assert len(result.kept) == 7
    assert not list(built.parent.glob("*.partial"))


def test_channels_labels_and_enhancement(mfnet, built):
    source = read_image(mfnet / "images/00000N.png")
    np.testing.assert_array_equal(read_image(built / "train/vi/00000N.png"), source[..., :3])
    infrared = read_image(built / "train/ir/00000N.png")
    assert infrared.shape == source.shape[:2]
    assert not np.array_equal(infrared, source[..., 3])
    labels = read_image(built / "train/label/00000N.png")
    np.testing.assert_array_equal(labels, read_image(mfnet / "labels/00000N.png"))


def test_a_rerun_gives_identical_bytes(mfnet, built, tmp_path):
    build_msrs(mfnet, tmp_path / "again", BuildSettings())
    assert content(tmp_path / "again") == content(built)


def test_an_interrupted_build_looks_unfinished_and_goes_on(mfnet, built, tmp_path):
    output = tmp_path / "msrs"

    def stop_after_four(label, done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_msrs(mfnet, output, BuildSettings(), stop_after_four)
    assert not output.exists()
    journal = tmp_path / "msrs.partial/journal.jsonl"
    with journal.open("a") as file:
        file.write('["00200D", {"inp')
    damaged = next((tmp_path / "msrs.partial").rglob("ir/*.png"))
    damaged.write_bytes(b"half a picture")
    result = build_msrs(mfnet, output, BuildSettings())
    assert 1 <= result.resumed < 4
    assert content(output) == content(built)


def test_other_settings_do_not_mix(mfnet, built):
    with pytest.raises(UsageError, match="built from other images or with other settings"):
        build_msrs(mfnet, built, BuildSettings(enhanced=False))


def test_a_changed_file_is_noticed(mfnet, tmp_path):
    stems = ["00000D", "00200D", "00300D", "00000N", "00100N", "00200N", "00300N", "00400"]
    settings = BuildSettings(drop=stems[1:])
    build_msrs(mfnet, tmp_path / "one", settings)
    (tmp_path / "one/train/vi/00000D.png").write_bytes(b"other")
    with pytest.raises(UsageError, match=f"is not what .*{MANIFEST} says"):
        build_msrs(mfnet, tmp_path / "one", settings)


def test_command_with_lists(mfnet, piafusion, tmp_path):
    (tmp_path / "drop.txt").write_text("00200D.png\n00200N\n")
    (tmp_path / "test.txt").write_text("00000D\n")
    arguments = ["--drop", tmp_path / "drop.txt", "--test", tmp_path / "test.txt", "--no-enhance"]
    done = piafusion("data", "build-msrs", mfnet, tmp_path / "out", *arguments)
    assert done.code == 0, done.err
    assert "6 pairs (test D 1, train D 2, train N 3), 3 dropped" in done.out
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    entry = manifest["pairs"]["00000D"]
    assert set(entry["outputs"]) == {f"test/{k}/00000D.png" for k in ("ir", "vi", "label")}
    source = read_image(mfnet / "images/00000D.png")
    np.testing.assert_array_equal(read_image(tmp_path / "out/test/ir/00000D.png"), source[..., 3])


def test_a_picture_with_three_channels_is_reported_and_left_out(mfnet, piafusion, tmp_path):
    (tmp_path / "images").mkdir()
    for name, channels in (("1D", 3), ("2D", 4)):
        picture = read_image(mfnet / "images/00000D.png")[..., :channels]
        assert cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), picture)
    done = piafusion("data", "build-msrs", tmp_path, tmp_path / "out")
    assert done.code == 1
    assert "1D.png: expected 4 channels, RGB and thermal, found 3" in done.err
    assert (tmp_path / "out/train/vi/2D.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "0"], "--limit: expected more than 0"),
        (["--drop", "nowhere.txt"], "expected a text file, one stem a line"),
    ],
)
def test_wrong_options(mfnet, piafusion, tmp_path, options, message):
    done = piafusion("data", "build-msrs", mfnet, tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.err
