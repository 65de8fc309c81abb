import re
from pathlib import Path
from unicodedata import normalize

import pytest

from piafusion.errors import UsageError
from piafusion.imaging.pairs import list_images, list_pairs


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def test_pairs_match_by_stem_whatever_the_suffix(tmp_path: Path) -> None:
    ir = fill(tmp_path / "ir", "b.png", "a.TIFF", "c.jpeg", "notes.txt", ".hidden.png")
    vi = fill(tmp_path / "vi", "a.jpg", "b.png", "c.webp", "Thumbs.db")
    (ir / "folder.png").mkdir()
    found = list_pairs(ir, vi)
    assert [(p.stem, p.infrared.name, p.visible.name) for p in found.pairs] == [
        ("a", "a.TIFF", "a.jpg"),
        ("b", "b.png", "b.png"),
        ("c", "c.jpeg", "c.webp"),
    ]
    assert found.problems == {}


def test_files_without_a_partner_or_twice_are_told(tmp_path: Path) -> None:
    ir = fill(tmp_path / "ir", "a.png", "b.png", "c.png", "c.jpg")
    vi = fill(tmp_path / "vi", "a.png", "c.png", "d.png")
    found = list_pairs(ir, vi)
    assert [pair.stem for pair in found.pairs] == ["a"]
    problems = {path.name: why for path, why in found.problems.items()}
    assert sorted(problems) == ["b.png", "c.jpg", "c.png", "d.png"]
    assert "no counterpart: expected b.* in" in problems["b.png"]
    assert f"expected one file per stem in {ir}, found c.jpg, c.png" in problems["c.png"]


def test_no_pairs_at_all(tmp_path: Path) -> None:
    ir, vi = fill(tmp_path / "ir", "a_ir.png"), fill(tmp_path / "vi", "a_vi.png")
    with pytest.raises(UsageError, match=r"share a stem, found none \(for example a_ir\.png, a_vi"):
        list_pairs(ir, vi)
    with pytest.raises(UsageError, match=r"that fit \*i=\*v, found none .* --match '\*_ir=\*_vi'"):
        list_pairs(ir, vi, "*i=*v")
    fill(tmp_path / "other", "b.png")
    with pytest.raises(UsageError, match="or say how they differ with --match IR=VI"):
        list_pairs(tmp_path / "other", vi)


@pytest.mark.parametrize(
    ("infrared", "visible", "pattern"),
    [
        ("00001i", "00001v", "*i=*v"),  # GTOT, RGBT234
        ("i000001", "v000001", "i*=v*"),  # LasHeR
        ("IR1", "VIS1", "IR*=VIS*"),  # TNO
        ("scene_ir", "scene_vi", "*_ir=*_vi"),
        ("scene-IR", "scene-VIS", "*-IR=*-VIS"),
        ("DJI_20230312101011_0001_T", "DJI_20230312101011_0001_V", "*_T=*_V"),
        ("DJI_20230312101011_0001_T", "DJI_20230312101011_0001_W", "*_T=*_W"),
        ("FLIR_00001", "FLIR_00001_RGB", "*=*_RGB"),
        ("thermal 7", "visible 7", "thermal *=visible *"),
        ("ir_\u00e9", "vi_e\u0301", "ir_*=vi_*"),
    ],
)
@pytest.mark.parametrize("folders", [1, 2])
def test_usual_marks_are_offered_and_pair(
    infrared: str, visible: str, pattern: str, folders: int, tmp_path: Path
) -> None:
    ir = fill(tmp_path / "a", f"{infrared}.PNG")
    vi = fill(tmp_path / ("a" if folders == 1 else "b"), f"{visible}.jpg")
    wanted = "one for both" if folders == 1 else "share a stem"
    with pytest.raises(UsageError, match=f"{wanted}.*--match '{re.escape(pattern)}'"):
        list_pairs(ir, vi)
    found = list_pairs(ir, vi, pattern)
    (pair,) = found.pairs
    assert (pair.infrared.stem, pair.visible.stem) == (infrared, visible)
    assert pair.stem == normalize("NFC", visible)
    assert found.problems == {}


def test_with_a_pattern_other_files_are_passed_over_and_strays_told(tmp_path: Path) -> None:
    flight = fill(tmp_path, "1_T.jpg", "1_V.jpg", "1_Z.jpg", "2_t.jpg", "3_V.jpg", "3_V.png")
    with pytest.raises(UsageError, match=r"expected IR=VI, such as \*_ir=\*_vi"):
        list_pairs(flight, flight, "_T=_V")
    found = list_pairs(flight, flight, "*_T=*_V")
    assert [pair.stem for pair in found.pairs] == ["1_V"]
    assert sorted(path.name for path in found.problems) == ["2_t.jpg", "3_V.jpg", "3_V.png"]
    assert f"expected 2_V.* in {flight}, found none" in found.problems[flight / "2_t.jpg"]


def test_accents_are_letters_however_a_system_writes_them(tmp_path: Path) -> None:
    ir, vi = fill(tmp_path / "ir", "caf\u00e9.png"), fill(tmp_path / "vi", "cafe\u0301.png")
    assert [pair.stem for pair in list_pairs(ir, vi).pairs] == ["caf\u00e9"]


def test_a_picture_is_no_pair_with_itself(tmp_path: Path) -> None:
    ir, vi = fill(tmp_path / "ir", "a.png", "b.png"), fill(tmp_path / "vi", "b.png")
    (vi / "a.png").symlink_to(ir / "a.png")
    (tmp_path / "again").symlink_to(ir)
    found = list_pairs(ir, vi)
    assert [pair.stem for pair in found.pairs] == ["b"]
    assert "is the infrared and the visible picture of a" in found.problems[ir / "a.png"]
    with pytest.raises(UsageError, match="found one for both"):
        list_pairs(ir, tmp_path / "again")


def test_empty_missing_or_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        list_images(fill(tmp_path / "empty", "readme.txt"))
    with pytest.raises(UsageError, match="found nothing"):
        list_images(tmp_path / "missing")
    fill(tmp_path, "file.png")
    with pytest.raises(UsageError, match="found a file"):
        list_images(tmp_path / "file.png")
