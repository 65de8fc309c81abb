from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.imaging.io import write_image
from piafusion.lab.data.check import (
    ALIKE,
    BITS,
    check_across,
    check_split,
    find_splits,
    near_duplicates,
    pair_hash,
)
from piafusion.scenes.synthetic import labelled_scene
from tests.conftest import scene

SIZE = {"height": 240, "width": 320}


def write_pair(root: Path, stem: str, seed: int, warp: np.ndarray | None = None) -> None:
    scene = labelled_scene(seed, daylight=0.8, misalignment=warp, **SIZE)
    for folder, picture in (
        ("ir", scene.infrared),
        ("vi", scene.visible),
        ("label", scene.labels),
    ):
        write_image(root / folder / f"{stem}.png", picture, overwrite=True)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits with a damage of each kind; the stem says which."""
    root = tmp_path_factory.mktemp("broken")
    train, test = root / "train", root / "test"
    stems = ("good", "lonely", "small", "torn", "mfnet", "deep", "plain", "label", "moved")
    for seed, name in enumerate((*stems, "nolight")):
        stem = name if name == "nolight" else f"{name}D"
        shift = np.array([[1, 0, 8.0], [0, 1, 0], [0, 0, 1]]) if name == "moved" else None
        write_pair(train, stem, seed, shift)
    write_pair(test, "otherD", 50)
    write_pair(test, "copyD", 0)

    (train / "vi/lonelyD.png").unlink()
    (train / "label/lonelyD.png").unlink()
    small = cv2.imread(str(train / "ir/smallD.png"), cv2.IMREAD_UNCHANGED)[:100]
    write_image(train / "ir/smallD.png", small, overwrite=True)
    torn = (train / "vi/tornD.png").read_bytes()
    (train / "vi/tornD.png").write_bytes(torn[: len(torn) // 2])
    colour = cv2.imread(str(train / "vi/mfnetD.png"))
    heat = cv2.imread(str(train / "ir/mfnetD.png"), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(train / "vi/mfnetD.png"), np.dstack([colour, heat]))
    heat = cv2.imread(str(train / "ir/deepD.png"), cv2.IMREAD_UNCHANGED)
    write_image(train / "ir/deepD.png", heat.astype(np.uint16) * 257, overwrite=True)
    write_image(train / "vi/plainD.png", np.full((240, 320, 3), 9, np.uint8), overwrite=True)
    labels = np.full((240, 320), 9, np.uint8)
    write_image(train / "label/labelD.png", labels, overwrite=True)
    brighter = cv2.convertScaleAbs(cv2.imread(str(test / "vi/copyD.png")), alpha=1.05)
    assert cv2.imwrite(str(test / "vi/copyD.png"), brighter)
    return root


DAMAGES = {
    ("unmatched", "lonelyD"),
    ("size", "smallD"),
    ("unreadable", "tornD"),
    ("channels", "mfnetD"),
    ("depth", "deepD"),
    ("blank", "plainD"),
    ("label", "labelD"),
    ("misaligned", "movedD"),
    ("light", "nolight"),
    ("duplicate", "goodD"),
}


def test_each_damage_is_found_and_nothing_else(broken):
    splits = [check_split(root) for root in find_splits([broken])]
    problems = [p for split in splits for p in split.faults] + check_across(splits)
    assert {(problem.kind, problem.file.stem) for problem in problems} == DAMAGES
    assert len(problems) == len(DAMAGES)


def test_statistics(broken):
    split = check_split(broken / "test", alignment=False)
    assert split.pairs == 2
    assert split.sizes == {"320x240": 2}
    assert split.depths == {"uint8 + uint8": 2}
    assert split.lights == {"day": 2}
    assert split.classes.total() == 2 * 240 * 320
    assert set(split.classes) <= {0, 1, 2, 3}
    assert not split.faults


def test_the_command_lists_them_and_exits_with_1(broken, piafusion, tmp_path):
    sheet = tmp_path / "sheet.png"
    done = piafusion("data", "check", broken, "--no-alignment", "--sheet", sheet)
    assert done.code == 1
    for kind, stem in DAMAGES - {("misaligned", "movedD")}:
        assert any(
            line.startswith(f"{kind}: ") and stem in line for line in done.out.splitlines()
        ), kind
    assert "9 problems" in done.out
    assert sheet.exists()


def test_a_sound_set_exits_with_0_and_json(broken, piafusion):
    done = piafusion("data", "check", broken / "test", "--json")
    assert done.code == 0
    assert '"problems": []' in done.out


def test_fewer_classes_make_labels_wrong(broken, piafusion):
    done = piafusion("data", "check", broken / "test", "--no-alignment", "--classes", "1")
    assert done.code == 1
    assert "expected labels from 0 to 0, found 1" in done.out


def test_a_folder_without_pairs_says_what_is_expected(tmp_path, piafusion):
    with pytest.raises(UsageError, match="expected ir and vi, or train, val, test"):
        find_splits([tmp_path])
    assert piafusion("data", "check", tmp_path / "nowhere").code == 2


def test_what_is_copied_brighter_smaller_or_as_jpeg_is_alike():
    infrared, visible = scene(120, 160, seed=1)
    original = pair_hash(infrared, visible)
    assert original.shape == (BITS,)
    encoded = cv2.imencode(".jpg", visible, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    changed = (
        (infrared, cv2.convertScaleAbs(visible, alpha=0.9, beta=10)),
        (cv2.resize(infrared, (80, 60)), cv2.resize(visible, (80, 60))),
        (infrared, cv2.imdecode(encoded, cv2.IMREAD_COLOR)),
        (infrared.astype(np.uint16) * 257, visible),
    )
    for pair in changed:
        assert np.count_nonzero(pair_hash(*pair) != original) <= ALIKE


def test_other_scenes_are_not_alike():
    hashes = [pair_hash(*scene(seed=seed)) for seed in range(8)]
    assert [(i, j) for i, j, _ in near_duplicates(hashes, hashes)] == [(i, i) for i in range(8)]
    assert not list(near_duplicates([], hashes))
