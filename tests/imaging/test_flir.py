import struct
import sys

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, MissingExtraError
from piafusion.imaging.flir import is_radiometric
from piafusion.imaging.io import read_image, read_infrared


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


def test_without_flyr_the_extra_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flyr", None)
    path = tmp_path / "flir.jpg"
    path.write_bytes(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF")))
    with pytest.raises(MissingExtraError, match=r"pip install 'piafusion\[thermal\]'"):
        read_infrared(path)
