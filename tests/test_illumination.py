import numpy as np
import pytest

from piafusion import Illumination
from piafusion.errors import ImageError
from piafusion.imaging.io import read_image
from piafusion.scenes.synthetic import demo_scenes_root

ESTIMATE = Illumination()


def test_our_own_street_by_day_and_by_night() -> None:
    folder = demo_scenes_root() / "vi"
    day, night = (ESTIMATE(read_image(folder / f"street_{light}.png")) for light in "DN")
    assert day.label == "day"
    assert night.label == "night"
    assert day.day + day.night == pytest.approx(1)


def test_grey_is_three_equal_channels_and_16_bits_are_8() -> None:
    grey = read_image(demo_scenes_root() / "vi" / "street_N.png")[..., 1]
    light = ESTIMATE(grey)
    assert ESTIMATE(np.stack([grey] * 3, axis=2)) == light
    assert ESTIMATE(grey.astype(np.uint16) * 257).day == pytest.approx(light.day, abs=1e-4)


def test_pictures_too_small_to_judge() -> None:
    ESTIMATE(np.zeros((16, 16), np.uint8))
    with pytest.raises(ImageError, match="at least 16x16 pixels, found 15x40"):
        ESTIMATE(np.zeros((40, 15), np.uint8))
