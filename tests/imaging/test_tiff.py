import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError
from piafusion.imaging.io import read_image
from piafusion.imaging.tiff import count_pages, is_tiff, read_tags, wants_windows


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_pages_are_counted_and_several_refused(tmp_path, pages: int) -> None:
    path = tmp_path / "pages.tiff"
    assert cv2.imwritemulti(str(path), [np.full((9, 12), 40 * k, np.uint8) for k in range(pages)])
    data = path.read_bytes()
    assert is_tiff(data)
    assert count_pages(data) == pages
    if pages == 1:
        assert read_image(path).shape == (9, 12)
    else:
        with pytest.raises(ImageError, match=f"found a TIFF file of {pages} pages"):
            read_image(path)


def test_damaged_directories_end(tmp_path) -> None:
    path = tmp_path / "one.tiff"
    assert cv2.imwrite(str(path), np.zeros((9, 12), np.uint8))
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        count_pages(data[:length] + bytes(8))
    loop = bytearray(b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00")
    assert count_pages(bytes(loop)) == 1  # a directory that names itself as the next


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_raw_values_are_read_as_they_are(tmp_path, dtype: type) -> None:
    values = np.arange(-60, 60, dtype=dtype).reshape(10, 12)
    path = tmp_path / "raw.tiff"
    assert cv2.imwrite(str(path), values)
    image = read_image(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, values)


def test_tags_are_read_without_the_pixels(tmp_path) -> None:
    path = tmp_path / "one.tiff"
    assert cv2.imwrite(str(path), np.zeros((9, 12), np.uint8))
    tags = read_tags(path)
    assert (tags[256], tags[257]) == (12, 9)
    assert read_tags(tmp_path / "none.tiff") == {}
    (tmp_path / "text.tiff").write_text("II")
    assert read_tags(tmp_path / "text.tiff") == {}
    assert not wants_windows(path, tmp_path / "out.tiff")
    assert not wants_windows(path, tmp_path / "out.png")
