"""False-colour palettes: the tables, and the way back through JPEG and video compression."""

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.false_colour import FrameLevels, to_levels
from piafusion.imaging.palettes import NAMES, palette
from piafusion.imaging.tone import parse_tone
from tests.conftest import scene
from tests.imaging.flir_files import street, thermal_scene


def compressed(image: np.ndarray, quality: int = 90) -> np.ndarray:
    """Return an RGB picture after JPEG with half of the chroma, 4:2:0."""
    settings = (
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    )
    done, data = cv2.imencode(".jpg", image[..., ::-1], settings)
    assert done
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("name", NAMES)
def test_each_level_has_a_colour_of_its_own_and_comes_back(name: str) -> None:
    table = palette(name)
    assert table.shape == (256, 3)
    assert len(np.unique(table, axis=0)) >= 252
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    levels = cv2.GaussianBlur(thermal_scene(), (0, 0), 1.2)  # as sharp as thermal optics
    for grey in (ramp, levels):
        assert np.abs(to_levels(table[grey], name).astype(int) - grey).max() <= 2
        found = to_levels(compressed(table[grey]), name).astype(int)
        off = np.abs(found - grey)
        assert off.mean() < 0.75
        assert (off <= 2).mean() >= 0.95
    if name != "black-hot":
        np.testing.assert_array_equal(to_levels(compressed(table[levels])), found)  # by auto


@pytest.mark.parametrize(("name", "least"), [("ironbow", 0.745), ("rainbow", 0.62)])
def test_chroma_that_neighbours_share_is_told_apart(name: str, least: float) -> None:
    noise = np.random.default_rng(0).normal(0, 60, (96, 128)).astype(np.float32)
    levels = np.linspace(40, 200, 128) + cv2.GaussianBlur(noise, (0, 0), 0.8)
    levels = np.clip(levels, 0, 255).astype(np.uint8)
    found = to_levels(compressed(palette(name)[levels], 95), name).astype(int)
    assert (np.abs(found - levels) <= 2).mean() > least  # 0.71 and 0.60 pixel by pixel


def test_what_lies_over_the_picture_is_taken_out() -> None:
    levels = cv2.resize(scene(96, 128)[0], (320, 240), interpolation=cv2.INTER_CUBIC)
    painted = palette("ironbow")[levels].copy()
    bar = np.linspace(255, 0, 160).astype(np.uint8)
    painted[40:200, 304:312] = palette("ironbow")[bar][:, None]
    cv2.rectangle(painted, (303, 39), (312, 200), (10, 10, 10))
    cv2.putText(painted, "36.6 C", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4)
    cv2.putText(painted, "36.6 C", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    cv2.drawMarker(painted, (160, 120), (0, 255, 0), cv2.MARKER_CROSS, 21, 2)
    found = to_levels(compressed(painted), "ironbow").astype(int)
    off = np.abs(found - levels)
    for area in (np.s_[105:136, 145:176], np.s_[38:202, 300:316], np.s_[4:30, 4:110]):
        assert off[area].mean() < 12
    assert (off <= 2).mean() > 0.85
    assert np.abs(to_levels(palette("ironbow")[levels]).astype(int) - levels).max() <= 2


def test_other_pictures_and_names_are_refused() -> None:
    levels = thermal_scene()
    with pytest.raises(ImageError, match=r"the palette rainbow, found colours .* known are"):
        to_levels(palette("ironbow")[levels], "rainbow")
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    with pytest.raises(ImageError, match=r"a known palette, found colours .* the nearest one"):
        to_levels(noise)
    visible = street()[1]
    with pytest.raises(ImageError, match=r"a known palette, found colours .* the nearest one, w"):
        to_levels(visible)
    with pytest.raises(ImageError, match="colour picture of 8 bits for --palette, found uint16"):
        to_levels(noise.astype(np.uint16))
    with pytest.raises(UsageError, match=r"expected a palette of auto, white-hot, .* found 'pink'"):
        parse_tone("full", palette="pink")


def test_a_tone_takes_pictures_in_false_colours() -> None:
    levels = thermal_scene()
    tone = parse_tone("full", palette="auto")
    for picture in (palette("lava")[levels], np.dstack([levels] * 3), levels):
        assert np.abs(tone.check(picture).astype(int) - levels).max() <= 2
    inverted = parse_tone("full", "black-hot", "lava")
    np.testing.assert_allclose(inverted(levels)[0], 1 - levels / 255, atol=1e-6)


def test_the_palette_of_a_video_is_found_anew_where_it_changes() -> None:
    levels, frames = thermal_scene(), FrameLevels("auto")
    for name in ("ironbow", "ironbow", "rainbow"):
        assert np.abs(frames(palette(name)[levels]).astype(int) - levels).mean() < 1
