import struct

import numpy as np
import pytest

from piafusion.errors import ImageError
from piafusion.imaging.io import encode_image
from piafusion.server.headers import Header, read_header
from tests.server.bad_files import JPEG, encoded, grey_tiff


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".webp", ".bmp"])
@pytest.mark.parametrize("shape", [(13, 29), (13, 29, 3)])
def test_the_size_is_the_one_that_is_decoded(suffix: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    name = {".jpg": "jpeg"}.get(suffix, suffix[1:])
    assert read_header(bytes(encode_image(image, suffix))) == Header(name, 29, 13)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_tiff(dtype: type) -> None:
    image = np.zeros((13, 29, 3), dtype)
    header = read_header(bytes(encode_image(image, ".tiff")))
    assert header is not None
    assert (header.width, header.height, header.pixels) == (29, 13, 377)


def test_lossy_and_progressive() -> None:
    import cv2

    image = np.zeros((13, 29, 3), np.uint8)
    lossy = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 50])[1].tobytes()
    assert read_header(lossy) == Header("webp", 29, 13)
    progressive = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert read_header(progressive) == Header("jpeg", 29, 13)


def test_a_jpeg_with_a_preview_tells_its_own_size() -> None:
    preview = encoded(".jpg", np.zeros((16, 16), np.uint8))
    segment = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    assert read_header(JPEG[:2] + segment + JPEG[2:]) == Header("jpeg", 128, 96)


def test_big_endian_tiff() -> None:
    entries = ((256, 3, 1, 29 << 16), (257, 4, 1, 13), (258, 3, 3, 46))
    data = b"MM\0*\0\0\0\x08\0\x03" + b"".join(struct.pack(">HHII", *each) for each in entries)
    data += struct.pack(">3H", 8, 8, 8)
    assert read_header(data) == Header("tiff", 29, 13)


def test_rows_from_the_top_in_bmp() -> None:
    data = b"BM" + bytes(12) + struct.pack("<Iii", 40, 29, -13) + bytes(20)
    assert read_header(data) == Header("bmp", 29, 13)


def test_other_types_are_unknown() -> None:
    assert read_header(b"GIF89a") is None
    assert read_header(b"") is None


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_a_cut_header_is_an_image_error_or_unknown(length: int) -> None:
    for data in (JPEG, grey_tiff(64, 64), encoded(".webp", np.zeros((9, 9), np.uint8))):
        try:
            read_header(data[:length])
        except ImageError as error:
            assert "check the file" in str(error)  # noqa: PT017 - both outcomes are right
