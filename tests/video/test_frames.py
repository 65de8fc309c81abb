from pathlib import Path

import av
import numpy as np
import pytest

from piafusion.errors import ImageError
from piafusion.video.frames import scale_to, split_halves, to_infrared, to_visible
from piafusion.video.sources import open_source
from tests.conftest import scene
from tests.video.conftest import write_video


def flat(luminance: int, pixels: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, pixels)
    for plane, level in zip(frame.planes, (luminance, 128, 128), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    return frame


def test_limited_range_becomes_full_range() -> None:
    assert to_infrared()(flat(16)).max() == 0
    assert to_infrared()(flat(235)).min() == 255
    assert to_visible()(flat(235)).min() == 255
    assert to_infrared()(flat(235, "yuvj420p")).min() == 235


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_more_than_eight_bits_fill_sixteen(bits: int) -> None:
    frame = av.VideoFrame(64, 48, f"gray{bits}le")
    levels = np.full(frame.planes[0].buffer_size // 2, 2**bits - 1, "<u2")
    frame.planes[0].update(levels.tobytes())
    image = to_infrared()(frame)
    assert image.dtype == np.uint16
    assert image.min() == 65535


def test_sixteen_bits_are_kept_to_the_last(tmp_path: Path) -> None:
    levels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    path = write_video(tmp_path / "thermal.mkv", [levels], codec="ffv1")
    source = open_source(str(path))
    (frame,) = source.frames(to_infrared())
    source.close()
    np.testing.assert_array_equal(frame.image, levels)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_are_turned_upright(tmp_path: Path, degrees: int) -> None:
    stored = scene()[1]
    path = write_video(tmp_path / "turned.mp4", [stored], rotation=degrees)
    source = open_source(str(path))
    (frame,) = source.frames(to_visible())
    with av.open(str(path)) as container:
        anticlockwise = next(container.decode(video=0)).rotation
    expected = np.rot90(stored, anticlockwise // 90)
    assert degrees in (0, 180) or anticlockwise in (90, -90)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6
    source.close()


def test_a_palette_is_refused() -> None:
    coloured = av.VideoFrame.from_ndarray(np.full((48, 64, 3), (200, 80, 20), np.uint8))
    with pytest.raises(ImageError, match="expected grey infrared frames, found colours"):
        to_infrared()(coloured)


def test_a_coloured_overlay_is_not_a_palette() -> None:
    image = np.repeat(scene()[0][..., None], 3, axis=2)
    image[:8, :20] = (255, 0, 0)
    assert to_infrared()(av.VideoFrame.from_ndarray(image)).shape == (48, 64)


@pytest.mark.parametrize("infrared_first", [True, False])
@pytest.mark.parametrize(("layout", "axis"), [("side-by-side", 1), ("top-bottom", 0)])
@pytest.mark.parametrize("odd", [0, 1])
def test_halves(layout, axis: int, infrared_first: bool, odd: int) -> None:
    infrared, visible = scene()
    grey = np.repeat(infrared[..., None], 3, axis=2)
    halves = [grey, visible] if infrared_first else [visible, grey]
    if odd:
        halves.insert(1, np.zeros_like(grey).take([0], axis))
    both = np.concatenate(halves, axis)
    found = split_halves(both, layout, infrared_first=infrared_first)
    np.testing.assert_array_equal(found[0], infrared)
    np.testing.assert_array_equal(found[1], visible)


def test_the_wrong_half_is_noticed() -> None:
    coloured = np.full((48, 64, 3), (200, 80, 20), np.uint8)
    with pytest.raises(ImageError, match="found colours"):
        split_halves(coloured, "side-by-side", infrared_first=True)


def test_scaling_wants_one_aspect_ratio() -> None:
    visible = np.zeros((96, 128, 3), np.uint8)
    assert scale_to(np.zeros((48, 64), np.uint16), visible).shape == (96, 128)
    assert scale_to(np.zeros((48, 64), np.uint16), visible).dtype == np.uint16
    assert scale_to(np.zeros((192, 256), np.uint8), visible).shape == (96, 128)
    with pytest.raises(ImageError, match="64x64 and visible 128x96; align them"):
        scale_to(np.zeros((64, 64), np.uint8), visible)
