import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, OutputError, UsageError
from piafusion.files import write_bytes
from piafusion.imaging.arrays import as_infrared
from piafusion.imaging.io import read_image, write_image

GENERATOR = np.random.default_rng(0)
GREY8 = GENERATOR.integers(0, 256, (21, 34), dtype=np.uint8)
RGB8 = GENERATOR.integers(0, 256, (21, 34, 3), dtype=np.uint8)
GREY16 = GENERATOR.integers(0, 65536, (21, 34), dtype=np.uint16)
RGB16 = GENERATOR.integers(0, 65536, (21, 34, 3), dtype=np.uint16)
RGB64 = GENERATOR.random((21, 34, 3))
GREY32, RGB32 = (GENERATOR.random(shape, dtype=np.float32) for shape in ((21, 34), (21, 34, 3)))
SUFFIXES = [".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".webp"]


@pytest.mark.parametrize("image", [GREY8, RGB8, GREY16, RGB16, GREY32, RGB32, RGB64])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp", ".webp"])
def test_lossless_formats_keep_every_value(tmp_path: Path, image: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    holds_float, holds_16 = suffix in (".tif", ".tiff"), suffix in (".png", ".tif", ".tiff")
    if (image.dtype == np.uint16 and not holds_16) or (image.dtype.kind == "f" and not holds_float):
        with pytest.raises(UsageError, match=rf"found {image.dtype}; write .*\.tif"):
            write_image(path, image)
        assert list(tmp_path.iterdir()) == []
        return
    write_image(path, image)
    found = read_image(path)
    assert found.dtype == image.dtype
    if suffix == ".webp" and image.ndim == 2:  # WebP knows no grey
        found = as_infrared(found)
    np.testing.assert_array_equal(found, image)


def test_jpeg_comes_back_nearly(tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(RGB8, (0, 0), 4)
    write_image(tmp_path / "image.jpg", smooth)
    found = read_image(tmp_path / "image.jpg")
    assert np.abs(found.astype(int) - smooth).mean() < 2
    with pytest.raises(UsageError, match="expected uint8"):
        write_image(tmp_path / "deep.jpg", RGB16)


def test_red_is_red(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    for suffix in SUFFIXES:
        path = tmp_path / f"red{suffix}"
        write_image(path, red)
        assert read_image(path)[4, 4, 0] > 250
        assert read_image(path)[4, 4, 2] < 5


def test_rgba_keeps_its_order_for_the_checks(tmp_path: Path) -> None:
    bgra = np.dstack([GREY8 // 2, GREY8, GREY8, np.full_like(GREY8, 255)])
    cv2.imwrite(str(tmp_path / "image.png"), bgra)
    found = read_image(tmp_path / "image.png")
    np.testing.assert_array_equal(found, bgra[..., [2, 1, 0, 3]])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.98])
def test_truncated_files_are_noticed(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"image{suffix}"
    write_image(path, RGB8)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ImageError, match=rf"image\{suffix}: expected .*, found .*; "):
        read_image(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_something_else_under_an_images_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    path.write_bytes(b"these are not the pixels you are looking for" * 10)
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_image(path)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png.*no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a directory"):
        read_image(tmp_path)


def test_the_checks_error_names_the_file(tmp_path: Path) -> None:
    write_image(tmp_path / "false.png", RGB8)
    with pytest.raises(ImageError, match=r"false\.png: expected a grey infrared image"):
        read_image(tmp_path / "false.png", check=as_infrared)


def test_existing_files_are_kept_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    write_image(path, GREY8)
    with pytest.raises(UsageError, match="exists already"):
        write_image(path, RGB8)
    np.testing.assert_array_equal(read_image(path), GREY8)
    write_image(path, RGB8, overwrite=True)
    np.testing.assert_array_equal(read_image(path), RGB8)


def test_unknown_formats_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a suffix of \.png"):
        write_image(tmp_path / "image.gif", GREY8)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="found a folder"):
        write_image(tmp_path / "folder.png", GREY8, overwrite=True)


def test_folders_are_made(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "b" / "image.png", GREY8)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["image.png"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="could not be written"):
        write_image(tmp_path / "file" / "image.png", GREY8)


def test_running_out_of_space_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    write_bytes(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a disk with 1000 bytes left
    try:
        with pytest.raises(OutputError, match=r"could not be written.*nothing partial"):
            write_bytes(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
