import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from piafusion.errors import ImageError
from piafusion.imaging.io import decode_image

GENERATOR = np.random.default_rng(5)
COLOUR = cv2.resize(GENERATOR.integers(0, 256, (24, 32, 3), np.uint8), (320, 240))
COLOUR += GENERATOR.integers(0, 20, COLOUR.shape, np.uint8)


def jpeg(picture: Any, **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).convert(settings.pop("mode", None)).save(file, "JPEG", **settings)
    return file.getvalue()


@pytest.mark.parametrize("coding", [{}, {"optimize": True}, {"progressive": True}])
@pytest.mark.parametrize("picture", [COLOUR, COLOUR[..., 0]])
def test_damage_inside_is_noticed(picture: np.ndarray, coding: dict[str, Any]) -> None:
    data = jpeg(picture, quality=90, **coding)
    start = data.index(b"\xff\xda") + 20
    size = 700
    for place in GENERATOR.integers(start, len(data) - size - 2, 12):
        before, after = data[:place], data[place + size :]
        damage = [GENERATOR.bytes(size) + after, b"\xff" * size + after, b"\xff\xd9"]
        if "progressive" not in coding:  # its later scans hold bits without a code too
            damage += [bytes(size) + after, after]
        for rest in damage:
            with pytest.raises(ImageError, match=r"^a: expected a .*; "):
                decode_image(before + rest, "a")


def test_zeros_in_the_middle_are_noticed_where_the_codes_go_on_as_if_nothing_were() -> None:
    data = jpeg(COLOUR, quality=90)
    start = data.index(b"\xff\xda") + 14
    zeros = data[:start] + bytes(3000) + b"\xff\xd9"  # whole blocks that the decoder takes
    with pytest.raises(ImageError, match="a run of zeros in place of pixels"):
        decode_image(zeros, "a")


@pytest.mark.parametrize("coding", [{}, {"optimize": True}, {"progressive": True}])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_are_whole(level: int, coding: dict[str, Any]) -> None:
    flat = np.full((800, 1200, 3), level, np.uint8)  # optimised, its codes are nothing but zeros
    for picture in (flat, flat[..., 0]):
        data = jpeg(picture, **coding)
        np.testing.assert_array_equal(decode_image(data, "a"), picture)


def test_cmyk_is_named() -> None:
    with pytest.raises(ImageError, match=r"^a: expected a JPEG file that is grey or RGB.*CMYK"):
        decode_image(jpeg(COLOUR, mode="CMYK"), "a")
