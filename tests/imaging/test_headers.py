import struct
import zlib

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.headers import LIMIT_VARIABLE, check_size, read_header
from piafusion.imaging.io import decode_image, encode_image
from tests.imaging.picture_files import bmp, encoded, jpeg_of_scans, png, png_chunk, webp
from tests.imaging.tiff_files import tiff

IMAGE = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
JPEG = encoded(".jpg", IMAGE)


def size_of(data: bytes) -> tuple[str, int, int]:
    header = read_header(data)
    assert header is not None
    assert header.pixels == header.width * header.height
    return header.format, header.width, header.height


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".webp", ".bmp"])
@pytest.mark.parametrize("shape", [(13, 29), (13, 29, 3)])
def test_what_is_said_is_what_is_decoded(suffix: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    data = bytes(encode_image(image, suffix))
    header = read_header(data)
    assert header is not None
    assert (header.format, header.width, header.height) == (
        {".jpg": "jpeg"}.get(suffix, suffix[1:]),
        29,
        13,
    )
    assert (header.bits, header.end) == (8, len(data))
    if suffix not in (".bmp", ".webp"):  # these have palettes for grey, or always colours
        assert header.channels == (1 if len(shape) == 2 else 3)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_depth(dtype: type) -> None:
    header = read_header(bytes(encode_image(np.zeros((13, 29, 3), dtype), ".tiff")))
    assert header is not None
    assert (header.width, header.height, header.channels) == (29, 13, 3)
    assert header.bits == 8 * np.dtype(dtype).itemsize


def test_lossy_and_progressive() -> None:
    assert size_of(encoded(".webp", IMAGE, cv2.IMWRITE_WEBP_QUALITY, 50)) == ("webp", 128, 96)
    assert size_of(encoded(".jpg", IMAGE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == ("jpeg", 128, 96)


def test_a_jpeg_with_a_preview_tells_its_own_size() -> None:
    preview = encoded(".jpg", np.zeros((16, 16), np.uint8))
    segment = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    assert size_of(JPEG[:2] + segment + JPEG[2:]) == ("jpeg", 128, 96)


def test_big_endian_tiff() -> None:
    assert size_of(tiff(np.zeros((13, 29, 3), np.uint8), order=">")) == ("tiff", 29, 13)


def test_rows_from_the_top_in_bmp() -> None:
    assert size_of(bmp(8, 0, bytes(32 * 13), 29, 13, top=True)) == ("bmp", 29, 13)


def test_other_types_are_unknown() -> None:
    for data in (b"GIF89a", b"", b"P5 8 8 255\n" + bytes(64), b"\xff\xd8"):
        assert read_header(data) is None


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_a_cut_header_is_an_image_error_or_unknown(length: int) -> None:
    for data in (JPEG, tiff(np.zeros((8, 8), np.uint8)), encoded(".webp", IMAGE)):
        try:
            header = read_header(data[:length])
        except ImageError as error:
            assert "check the file" in str(error)  # noqa: PT017 - all outcomes are right
        else:
            assert header is None or header.end is None


def test_a_jpeg_that_ends_in_the_middle_of_a_marker_is_an_image_error() -> None:
    for end in (b"\xff", b"\xff\xff", b"\xff\xe0", b"\xff\xe0\0"):
        with pytest.raises(ImageError, match="check the file"):
            read_header(b"\xff\xd8\xff\xfe\0\x02" + end)
        header = read_header(JPEG[:-2] + end[:1])
        assert header is not None
        assert header.end is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_what_follows_a_picture_is_no_part_of_it(suffix: str) -> None:
    data = encoded(suffix, IMAGE)
    behind = data + b"\0" * (len(data) % 2) + b"ftypmp42" + b"\xff\xda\xff\xd8" * 5000
    header = read_header(behind)
    assert header is not None
    assert header.end is not None
    assert header.end <= len(data) + 1
    np.testing.assert_array_equal(decode_image(behind, "a"), decode_image(data, "a"))


def test_an_end_inside_another_segment_is_none() -> None:
    scan = JPEG.index(b"\xff\xda")
    cut = JPEG[: scan + 11] + b"\xff\xd9\0" + JPEG[scan + 14 : scan + 400]  # in the scan's header
    header = read_header(cut)
    assert header is not None
    assert header.end is None
    with pytest.raises(ImageError, match="too early"):
        decode_image(cut, "a")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (jpeg_of_scans(1000), "more than 64 scans"),
        (b"\xff\xd8" + b"\xff\xe0\0\x02" * 5000 + JPEG[2:], "more than 4096 segments"),
        (b"\xff\xd8" + JPEG[JPEG.index(b"\xff\xc0") :][:19] + JPEG[2:], "several frames"),
        (png(8, 8, bytes(72), extra=png_chunk(b"tEXt", b"") * 2**17), "chunks"),
        (png(8, 8, bytes(72), extra=png_chunk(b"acTL", b"\0\0\0\2\0\0\0\0")), "several frames"),
        (webp((b"VP8X", b"\2\0\0\0" + b"\7\0\0" * 2), *[(b"ANMF", bytes(24))] * 2), "several fra"),
        (webp((b"VP8X", b"\0\0\0\0" + b"\7\0\0" * 2), *[(b"JUNK", b"")] * 300), "256 chunks"),
        (tiff(np.zeros((8, 8), np.uint8), [(277, "H", (5,))]), "found 5"),
        (tiff(np.zeros((8, 8), np.uint8), [(277, "H", (0,))]), "found 0"),
        (tiff(np.zeros((8, 8), np.uint8), [(256, "H", (8, 8))]), "several values"),
    ],
)  # fmt: skip
def test_what_a_file_can_multiply_is_counted(data: bytes, found: str) -> None:
    with pytest.raises(ImageError, match=found):
        read_header(data)


@pytest.mark.parametrize(
    "data",
    [
        png(20_000, 9_000, b""),
        png(20_000, 9_000, bytes(20_001 * 100)),
        JPEG.replace(struct.pack(">HH", 96, 128), struct.pack(">HH", 16_000, 12_000)),
        bmp(24, 0, bytes(300), 20_000, 9_000),
    ],
)
def test_claims_that_the_file_cannot_hold_are_cut_files(data: bytes) -> None:
    header = read_header(data)
    assert header is not None
    assert header.end is None
    with pytest.raises(ImageError, match="too early"):
        decode_image(data, "a")


def test_texts_and_profiles_of_png_are_never_unpacked() -> None:
    image = png(8, 8, bytes(72))
    junk = [png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000)))] * 3
    junk += [png_chunk(b"iCCP", b"a\0\0no profile"), png_chunk(b"gAMA", b"\0\0\0\1")]
    data = png(8, 8, bytes(72), extra=b"".join(junk))
    from piafusion.imaging.headers import png_pixels

    assert png_pixels(data) == image
    np.testing.assert_array_equal(decode_image(data, "a"), decode_image(image, "a"))


def test_checksums_of_png_are_compared(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(".png", IMAGE)
    for place in (data.index(b"IDAT") + 90, data.index(b"IDAT") - 6, len(data) - 2):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ImageError, match=r"^a: expected a whole PNG file, found a wrong check"):
            decode_image(bytes(changed), "a")
    assert capfd.readouterr().err == ""


def test_the_limit_of_a_picture_names_what_raises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)
    check_size(20_000, 10_000)
    with pytest.raises(
        ImageError, match=r"at most 200 megapixels, found 20000x10001; allow more with --max"
    ):
        check_size(20_000, 10_001)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.01")
    with pytest.raises(ImageError, match=r"a: expected at most 0\.01 megapixels, found 128x96"):
        decode_image(JPEG, "a")
    monkeypatch.setenv(LIMIT_VARIABLE, "0")
    check_size(10**6, 10**6)
    for wrong in ("many", "-1", "nan"):
        monkeypatch.setenv(LIMIT_VARIABLE, wrong)
        with pytest.raises(UsageError, match=f"{LIMIT_VARIABLE}: expected megapixels"):
            check_size(1, 1)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp"])
def test_the_decoders_answer_is_compared_with_the_header(
    monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    data = encoded(suffix, IMAGE)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: IMAGE[:90])
    with pytest.raises(ImageError, match="a: expected 128x96 pixels, as the header says"):
        decode_image(data, "a")
