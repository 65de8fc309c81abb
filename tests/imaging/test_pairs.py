from pathlib import Path

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


def test_empty_missing_or_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        list_images(fill(tmp_path / "empty", "readme.txt"))
    with pytest.raises(UsageError, match="found nothing"):
        list_images(tmp_path / "missing")
    fill(tmp_path, "file.png")
    with pytest.raises(UsageError, match="found a file"):
        list_images(tmp_path / "file.png")
