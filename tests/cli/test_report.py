import re
from pathlib import Path

import numpy as np
import pytest

from piafusion.imaging.io import read_image, read_photo, write_image
from tests.imaging.flir_files import both


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of a photo that holds both pictures, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(both())
    (folder / "b.jpg").write_bytes(both()[:3000])
    return folder


def test_a_page_about_the_photos_of_a_folder(piafusion, photos: Path, tmp_path: Path) -> None:
    page, text = tmp_path / "out.html", tmp_path / "out.md"
    fast = ("--model", "piafusion-fast")
    done = piafusion(
        "report", photos, "-o", page, "--measure", "160,120", "--view-palette", "inferno", *fast
    )
    assert done.code == 1  # one of the two
    assert "1 of 2 photos" in done.out
    assert "b.jpg" in done.err
    written = page.read_text()
    assert written.count("data:image/webp;base64,") == 3
    assert "emissivity" in written
    assert "http" not in re.sub(r"http-equiv", "", written)
    assert piafusion("report", photos / "a.jpg", "-o", text, *fast).code == 0
    found = re.search(r"all of it \|  \| ([-.\d]+) \| ([-.\d]+) \| ([-.\d]+)", text.read_text())
    celsius = read_photo(photos / "a.jpg").infrared
    ends = [float(celsius.min()), float(celsius.max()), float(celsius.mean())]
    np.testing.assert_allclose([float(each) for each in found.groups()], ends, atol=0.051)
    hottest = re.search(r"hottest, at [\d,]+ \| ([-.\d]+)", text.read_text())
    assert float(hottest[1]) == pytest.approx(ends[1], abs=0.051)
    for wrong in (("-o", page), ("-o", tmp_path / "out.pdf"), ("-o", text, "--measure", "x")):
        assert piafusion("report", photos, *wrong).code == 2


def test_pairs_are_reported_in_the_values_of_their_files(
    piafusion, pair_folders, tmp_path: Path
) -> None:
    ir, vi = (folder / "1D.png" for folder in pair_folders)
    counts = tmp_path / "counts.tiff"
    write_image(counts, read_image(ir).astype(np.uint16) + 7000)
    out = tmp_path / "out.md"
    span = ("--tone", "span:7000,7255", "--model", "piafusion-fast", "--measure", "3,4")
    assert piafusion("report", counts, vi, "-o", out, *span).code == 0
    assert "Values of the infrared" in out.read_text()
    value = int(read_image(ir)[4, 3]) + 7000
    assert f"| 1: 3,4 | {value}.0 |" in out.read_text()
