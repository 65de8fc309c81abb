from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError
from piafusion.imaging.tiff_directory import check_for_windows, find_picture, is_tiff, wants_windows
from tests.imaging.tiff_files import chain, tiff


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_several_pages_are_refused(tmp_path: Path, pages: int) -> None:
    path = tmp_path / "pages.tiff"
    assert cv2.imwritemulti(str(path), [np.full((9, 12), 40 * k, np.uint8) for k in range(pages)])
    data = path.read_bytes()
    assert is_tiff(data)
    if pages == 1:
        assert find_picture(data).number(257) == 9
        check_for_windows(path)
        return
    with pytest.raises(ImageError, match="found a TIFF file of two pages or more"):
        find_picture(data)
    with pytest.raises(ImageError, match=r"pages\.tiff: .* two pages or more"):
        check_for_windows(path)


@pytest.mark.parametrize(
    ("entry", "found"), [((262, "H", (0,)), "white that"), ((274, "H", (3,)), "an or")]
)
def test_windows_show_what_the_file_shows(
    tmp_path: Path, entry: tuple[int, str, tuple[int, ...]], found: str
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(np.zeros((8, 8), np.uint8), [entry]))
    with pytest.raises(ImageError, match=rf"a\.tif: expected .* shown, found {found}"):
        check_for_windows(path)


def test_the_walk_along_pages_stops_at_the_second() -> None:
    places: list[int] = []
    data = chain(1000)

    class Counted(bytes):
        def __getitem__(self, index):
            places.append(index.start)
            return super().__getitem__(index)

    with pytest.raises(ImageError, match="two pages or more"):
        find_picture(Counted(data))
    assert len(places) < 12


@pytest.mark.parametrize("count", [40, 1000])
def test_overviews_and_masks_are_no_pages_but_their_number_is_bounded(count: int) -> None:
    data = chain(count, subfile=1)
    if count == 40:
        assert find_picture(data).number(256) == 8
    else:
        with pytest.raises(ImageError, match="more than 64 directories"):
            find_picture(data)


def test_the_page_is_found_behind_its_thumbnail() -> None:
    data = tiff(np.zeros((8, 8), np.uint8), [(254, "I", (1,))], behind=np.ones((16, 24), np.uint8))
    assert find_picture(data).number(256) == 24


def test_a_loop_of_directories_ends() -> None:
    data = bytearray(tiff(np.zeros((8, 8), np.uint8), [(254, "I", (1,))]))
    count = int.from_bytes(data[8:10], "little")
    data[10 + 12 * count : 14 + 12 * count] = (8).to_bytes(4, "little")
    with pytest.raises(ImageError, match="more than 64 directories"):
        find_picture(bytes(data))


def test_cut_directories_are_image_errors() -> None:
    data = tiff(np.zeros((9, 12), np.uint8))
    for length in range(4, 8 + 2 + 12 * 8, 3):
        with pytest.raises(ImageError, match="TIFF file"):
            find_picture(data[:length])


@pytest.mark.parametrize("big", [False, True])
def test_counts_that_lie_are_not_believed(big: bool) -> None:
    claimed = bytearray(tiff(np.zeros((8, 8), np.uint8), big=big))
    place = 16 if big else 8
    claimed[place : place + 2] = b"\xff\xff"
    with pytest.raises(ImageError, match="a directory of 65535 entries"):
        find_picture(bytes(claimed))
    many = tiff(np.zeros((8, 8), np.uint8), [(258, "H", (8,) * 5000)], big=big)
    assert find_picture(many).numbers(258, most=3) == (8, 8, 8)


def test_windows_are_for_georeferenced_files(tmp_path: Path) -> None:
    plain, placed = tmp_path / "plain.tiff", tmp_path / "placed.tif"
    plain.write_bytes(tiff(np.zeros((9, 12), np.uint8)))
    placed.write_bytes(tiff(np.zeros((9, 12), np.uint8), [(34735, "H", (1, 1, 0, 0))]))
    (tmp_path / "text.tiff").write_text("II")
    far = tiff(np.zeros((9, 12), np.uint8), [(256, "Q", (12, 12))], big=True)
    (tmp_path / "values elsewhere.tiff").write_bytes(far)
    (tmp_path / "directory far away.tiff").write_bytes(far[:8] + b"\xff" * 7 + b"\x7f" + far[16:])
    assert wants_windows(placed, tmp_path / "out.tiff")
    assert not wants_windows(placed, tmp_path / "out.png")
    others = {"none.tiff", *(path.name for path in tmp_path.iterdir())} - {placed.name}
    assert len(others) == 5
    for name in others:
        assert not wants_windows(tmp_path / name, tmp_path / "out.tiff")


def test_a_directory_that_lies_nowhere_is_an_image_error(tmp_path: Path) -> None:
    data = tiff(np.zeros((9, 12), np.uint8), big=True)
    for place in (2**62, 2**63 - 1, 2**64 - 1):
        (tmp_path / "far.tif").write_bytes(data[:8] + place.to_bytes(8, "little") + data[16:])
        with pytest.raises(ImageError, match="expected a TIFF file that can be followed"):
            check_for_windows(tmp_path / "far.tif")
    with pytest.raises(ImageError, match="expected a readable image file, found: is a directory"):
        check_for_windows(tmp_path)
