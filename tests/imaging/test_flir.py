import struct
import sys

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, MissingExtraError
from piafusion.imaging.flir import is_radiometric
from piafusion.imaging.io import read_image, read_infrared
from tests.imaging.picture_files import encoded


def jpeg(segment: bytes = b"") -> bytes:
    """Return a small grey JPEG with one more segment behind its first marker."""
    done, data = cv2.imencode(".jpg", np.full((16, 16), 90, np.uint8))
    assert done
    return data.tobytes()[:2] + segment + data.tobytes()[2:]


def app1(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def test_a_radiometric_jpeg_is_told_by_its_segment() -> None:
    assert is_radiometric(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF")))
    assert is_radiometric(jpeg(app1(b"Exif\x00\x00rest") + app1(b"FLIR\x00\x01\x00\x00FFF")))
    for other in (
        jpeg(),
        jpeg(app1(b"Exif\x00\x00FLIR\x00")),
        b"\x89PNG",
        b"",
        b"\xff\xd8\xff\xe1",
    ):
        assert not is_radiometric(other)


def test_thermal_data_that_are_broken_say_how_to_export(tmp_path) -> None:
    path = tmp_path / "flir.jpg"
    path.write_bytes(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF" + bytes(40))))
    with pytest.raises(ImageError, match=r"flir\.jpg: .*16-bit TIFF"):
        read_infrared(path)
    assert read_image(path).shape == (16, 16)  # as a visible picture it is what one sees


def thermal(width: int = 4, height: int = 3, counts: bytes = b"", records: int = 4) -> bytes:
    """Return FLIR's data: a header, the entries of two records, and these."""
    camera = bytearray(840)
    constants = {32: 0.95, 36: 1.0, 40: 293.0, 44: 293.0, 48: 293.0, 52: 1.0, 60: 0.5,
                 88: 17000.0, 92: 1430.0, 96: 1.0, 112: 0.0066, 116: 0.0126, 120: -0.0023,
                 124: -0.0067, 128: 1.9}  # fmt: skip
    for place, value in constants.items():
        struct.pack_into("<f", camera, place, value)
    struct.pack_into("<if", camera, 776, -400, 0.012)
    pixels = struct.pack("<HHH", 2, width, height).ljust(32, b"\0") + counts
    entries = [(1, 2, 128, len(pixels)), (32, 1, 128 + len(pixels), len(camera))]
    head = b"FFF\0".ljust(24, b"\0") + struct.pack(">II", 64, records)
    head = head.ljust(64, b"\0") + b"".join(struct.pack(">HH8xII12x", *entry) for entry in entries)
    return head + pixels + bytes(camera)


def flir(content: bytes) -> bytes:
    pieces = [content[place : place + 500] for place in range(0, len(content), 500)]
    last = len(pieces) - 1
    return jpeg(b"".join(app1(bytes([*b"FLIR\0\1", n, last]) + p) for n, p in enumerate(pieces)))


def test_counts_become_degrees_and_everything_else_is_left_out(tmp_path) -> None:
    path = tmp_path / "flir.jpg"
    counts = np.arange(15_000, 15_012, dtype="<u2")
    path.write_bytes(flir(thermal(counts=counts.tobytes())))
    celsius = read_infrared(path, check=lambda image: image)
    assert celsius.shape == (3, 4)
    assert celsius.dtype == np.float32
    assert (np.diff(celsius.ravel()) > 0).all()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (thermal(counts=bytes(24), records=2**32 - 1), "4294967295 records"),
        (thermal(counts=bytes(24), records=257), "257 records"),
        (thermal(60_000, 60_000, bytes(24)), "60000x60000 pixels"),
        (thermal(counts=encoded(".png", np.zeros((900, 800), np.uint16))), "another size"),
        (thermal()[:40], "cannot be read"),
    ],
)
def test_claims_are_checked_before_flyr_believes_them(tmp_path, content: bytes, found: str) -> None:
    path = tmp_path / "flir.jpg"
    path.write_bytes(flir(content))
    with pytest.raises(ImageError, match=rf"flir\.jpg: .*{found}.*16-bit TIFF"):
        read_infrared(path)


def test_messages_tell_no_places_in_memory(tmp_path) -> None:
    path = tmp_path / "flir.jpg"
    header = encoded(".png", np.zeros((3, 4), np.uint16)).replace(b"\r\n\x1a", b"\0\0\0")
    path.write_bytes(flir(thermal(counts=header)))
    with pytest.raises(ImageError, match="cannot identify") as found:
        read_infrared(path)
    assert "0x" not in str(found.value)


def test_without_flyr_the_extra_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flyr", None)
    path = tmp_path / "flir.jpg"
    path.write_bytes(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF")))
    with pytest.raises(MissingExtraError, match=r"pip install 'piafusion\[thermal\]'"):
        read_infrared(path)
