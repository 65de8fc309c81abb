from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.data.patches import corners, iter_illumination, iter_patches
from tests.conftest import scene


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, stem in enumerate(("7D", "8N")):
        infrared, visible = scene(130, 200, seed=seed)
        write_image(tmp_path / "ir" / f"{stem}.png", infrared)
        write_image(tmp_path / "vi" / f"{stem}.png", visible)
    return tmp_path


def test_a_pair_of_the_paper_gives_seventy():
    places = corners(480, 640)
    assert len(places) == 70
    assert places[0] == (0, 0)
    assert places[-1] == (384, 576)


def test_patches_are_where_their_names_say(root):
    patches = list(iter_patches(root))
    assert len(patches) == 2 * 6
    assert [p.day for p in patches] == [True] * 6 + [False] * 6
    visible = read_image(root / "vi/8N.png")
    wanted = next(p for p in patches if p.name == "8_0064_0128N")
    np.testing.assert_array_equal(wanted.visible, visible[64:128, 128:192])


def test_they_are_streamed(root):
    stream = iter_patches(root)
    next(stream)
    (root / "vi/8N.png").unlink()
    with pytest.raises(ImageError, match=r"8N\.png"):
        list(stream)


def test_illumination_set_by_folder_and_by_letter(root):
    by_letter = list(iter_illumination(root))
    assert [tuple(p.target) for p in by_letter] == [(1, 0)] * 6 + [(0, 1)] * 6
    for light, stem in (("day", "7D"), ("night", "8N")):
        write_image(root / "sorted" / light / "x.png", read_image(root / f"vi/{stem}.png"))
    by_folder = list(iter_illumination(root / "sorted"))
    for one, other in zip(by_letter, by_folder, strict=True):
        np.testing.assert_array_equal(one.visible, other.visible)
        np.testing.assert_array_equal(one.target, other.target)
    assert by_folder[-1].name == "x_0064_0128N"


def test_the_command_counts_or_writes(root, piafusion):
    done = piafusion("data", "patches", root)
    assert done.code == 0
    assert "12 patches of 64x64 (day 6, night 6)" in done.out
    assert sorted(p.name for p in root.iterdir()) == ["ir", "vi"]
    done = piafusion("data", "patches", root, "--output", root / "cut", "--size", "32")
    assert done.code == 0
    assert len(list((root / "cut/vi").iterdir())) == len(list((root / "cut/ir").iterdir())) == 12
    done = piafusion("data", "patches", root, "--illumination", "--output", root / "light")
    assert done.code == 0
    assert len(list((root / "light/night").iterdir())) == 6
    assert piafusion("data", "patches", root, "--output", root / "cut").code == 2


def test_too_small_or_nonsense(root, tmp_path):
    with pytest.raises(ImageError, match="at least 256x256 pixels, found 200x130"):
        next(iter_patches(root, size=256))
    with pytest.raises(UsageError, match="size and stride of 1 or more"):
        next(iter_patches(root, stride=0))
    with pytest.raises(UsageError, match="expected day and night, or vi"):
        next(iter_illumination(tmp_path / "nothing"))
