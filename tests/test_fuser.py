import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piafusion import Fuser
from piafusion.errors import ImageError, SizeMismatchError, UsageError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.arrays import from_unit, to_unit
from piafusion.imaging.colour import luminance, replace_luminance
from piafusion.imaging.io import read_image, write_image
from tests.conftest import scene

FUSER = Fuser()
DTYPES = [np.uint8, np.uint16, np.float32, np.float64]


def convert(image: np.ndarray, dtype: type) -> np.ndarray:
    if dtype is np.uint8:
        return image
    return image.astype(np.uint16) * 257 if dtype is np.uint16 else (image / 255).astype(dtype)


@pytest.mark.parametrize("visible_dtype", DTYPES)
@pytest.mark.parametrize("infrared_dtype", DTYPES)
def test_output_has_the_visible_dtype_and_any_dtype_means_the_same_picture(
    infrared_dtype: type, visible_dtype: type
) -> None:
    infrared, visible = scene()
    expected = FUSER(infrared, visible) / 255
    fused = FUSER(convert(infrared, infrared_dtype), convert(visible, visible_dtype))
    assert fused.dtype == visible_dtype
    scale = np.iinfo(visible_dtype).max if np.issubdtype(visible_dtype, np.integer) else 1
    np.testing.assert_allclose(fused / scale, expected, atol=0.5 / 255 + 1e-5)


@pytest.mark.parametrize(("dtype", "share"), [(np.uint8, 0.999), (np.uint16, 0.99)])
def test_levels_are_those_of_the_formula_in_floats(dtype: type, share: float) -> None:
    infrared, visible = (convert(image, dtype) for image in scene(240, 320))
    visible[:40], visible[40:80, :, 0], visible[80:120, :, 2] = 0, np.iinfo(dtype).max, 0
    fuser = Fuser("paper")  # which judges nothing
    fused = fuser(infrared, visible)
    colours = to_unit(visible)
    y = luminance(colours)
    fused_y = fuser.engine.fuse(to_unit(infrared)[None, None], y[None, None])[0, 0]
    expected = from_unit(replace_luminance(colours, y, fused_y), np.dtype(dtype))
    difference = np.abs(fused.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > share


@given(st.integers(8, 70), st.integers(8, 70), st.booleans())
@settings(max_examples=20)
def test_any_size_comes_back_in_the_visible_shape(height: int, width: int, grey: bool) -> None:
    infrared, visible = scene(height, width)
    visible = visible[..., 0] if grey else visible
    assert FUSER(infrared, visible).shape == visible.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_grey_visible_comes_out_grey_however_it_is_stored(dtype: type) -> None:
    infrared, visible = scene()
    grey = convert(visible[..., 1], dtype)
    fused = FUSER(infrared, grey)
    assert fused.shape == grey.shape
    np.testing.assert_array_equal(FUSER(infrared, grey[..., None])[..., 0], fused)
    for_three = FUSER(infrared, np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(for_three, np.stack([fused] * 3, axis=2))


def test_colour_is_kept_within_a_grey_level_where_nothing_clips() -> None:
    infrared, visible = scene()
    visible = (96 + visible // 4).astype(np.uint8)  # muted colours, far from black and white
    fused = FUSER((64 + infrared // 2).astype(np.uint8), visible)
    unclipped = ((fused > 0) & (fused < 255)).all(axis=2)
    assert unclipped.mean() > 0.9
    for first, scale in ((2, 1.772), (0, 1.402)):  # Cb, Cr
        before, after = (
            (image[..., first] - image @ np.array([0.299, 0.587, 0.114])) / scale
            for image in (visible.astype(float), fused.astype(float))
        )
        assert np.abs(after - before)[unclipped].max() <= 1


def test_a_hot_target_in_the_dark_shows_and_so_does_visible_texture() -> None:
    infrared, visible = np.full((64, 64), 20, np.uint8), np.full((64, 64, 3), 10, np.uint8)
    infrared[20:40, 10:20] = 230  # somebody in the dark
    visible[20:40, 40:60:4] = 200  # lines that infrared does not see
    fused = FUSER(infrared, visible).astype(int)
    assert fused[24:36, 12:18].mean() > fused[:10, :10].mean() + 120
    assert fused[24:36, 40:60:4].mean() > fused[24:36, 42:60:4].mean() + 120


def test_same_input_same_output_and_sources_are_left_alone() -> None:
    infrared, visible = scene()
    copies = infrared.copy(), visible.copy()
    infrared.flags.writeable = visible.flags.writeable = False
    np.testing.assert_array_equal(FUSER(infrared, visible), FUSER(infrared, visible))
    np.testing.assert_array_equal(infrared, copies[0])
    np.testing.assert_array_equal(visible, copies[1])


def test_slices_and_flips_are_as_good_as_copies() -> None:
    infrared, visible = scene(60, 80)
    views = infrared[::-1, 4:44], visible[::-1, 4:44]
    np.testing.assert_array_equal(FUSER(*views), FUSER(*(view.copy() for view in views)))


def test_every_result_is_a_fresh_array() -> None:
    infrared, visible = scene()
    first = FUSER(infrared, visible)
    kept = first.copy()
    second = FUSER(infrared[::-1], visible[::-1])
    np.testing.assert_array_equal(first, kept)
    for other in (second, infrared, visible):
        assert not np.shares_memory(first, other)


def test_threads_share_a_fuser() -> None:
    pairs = [scene(40 + 8 * (seed % 2), 52, seed) for seed in range(4)]
    expected = [FUSER(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: [FUSER(*pair) for pair in pairs], range(8)):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_bad_pairs_are_refused() -> None:
    infrared, visible = scene()
    with pytest.raises(SizeMismatchError, match="infrared with 63x48 and visible with 64x48"):
        FUSER(infrared[:, 1:], visible)
    with pytest.raises(ImageError, match="at least 8x8 pixels, found 7x48"):
        FUSER(infrared[:, :7], visible[:, :7])
    broken = infrared / 255
    broken[3, 3] = np.nan
    with pytest.raises(ImageError, match="found 1 NaN"):
        FUSER(broken, visible)


def test_files_in_file_out(tmp_path: Path) -> None:
    infrared, visible = scene(45, 61)
    paths = tmp_path / "ir.tiff", tmp_path / "vi.png", tmp_path / "out" / "fused.png"
    write_image(paths[0], infrared.astype(np.uint16) * 257)
    write_image(paths[1], visible)
    fused = FUSER.fuse_files(*paths)
    np.testing.assert_array_equal(read_image(paths[2]), fused.image)
    np.testing.assert_array_equal(fused.image, FUSER(infrared, visible))
    with pytest.raises(UsageError, match="exists already"):
        FUSER.fuse_files(*paths)
    for path, image in zip(paths, (infrared[:5], visible[:5]), strict=False):
        write_image(path, image, overwrite=True)
    with pytest.raises(ImageError, match=r"vi\.png: expected at least 8x8 pixels, found 61x5"):
        FUSER.fuse_files(*paths, overwrite=True)
    write_image(paths[0], infrared, overwrite=True)
    write_image(paths[1], visible[1:], overwrite=True)
    with pytest.raises(SizeMismatchError, match=r"ir\.tiff with 61x45 and .*vi\.png with 61x44"):
        FUSER.fuse_files(*paths, overwrite=True)


@pytest.mark.parametrize("model", ["piafusion-fast", "paper"])
@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_models_and_engines_can_be_chosen(model: str, engine: str) -> None:
    infrared, visible = scene(33, 42)
    fused = Fuser(model=model, engine=engine, device="cpu")(infrared, visible)
    expected = Fuser(model=model)(infrared, visible).astype(int)
    assert np.abs(fused.astype(int) - expected).max() <= 1


def test_alignment_lets_sizes_differ_and_keeps_the_visible_where_infrared_shows_nothing(
    tmp_path: Path,
) -> None:
    infrared, visible = scene(96, 128)
    infrared = infrared[::2, ::2]
    half = np.array([[0.5, 0, -16], [0, 0.5, 0], [0, 0, 1]])  # nothing in the left quarter
    quality = Quality(score=0.5, likeness=0.3, disagreement=1.0, residual=0.8, pairs=1)
    alignment = Alignment.of("affine", half, (48, 64), (96, 128), quality)
    alignment.save(tmp_path / "rig.json")
    with pytest.raises(SizeMismatchError, match="piafusion align"):
        FUSER(infrared, visible)
    fused = Fuser(alignment=tmp_path / "rig.json", strength=1)(infrared, visible)
    outside = np.abs(fused[:, :24].astype(int) - visible[:, :24])
    inside = np.abs(fused[:, 48:].astype(int) - visible[:, 48:])
    assert outside.mean() < 5
    assert inside.mean() > 10


@pytest.mark.parametrize("model", ["piafusion", "piafusion-fast"])
@pytest.mark.parametrize("level", [20, 80, 118, 125, 200])
def test_no_frame_shows_where_an_aligned_infrared_picture_ends(model: str, level: int) -> None:
    place = np.array([[1, 0, -40], [0, 1, -30], [0, 0, 1.0]])
    quality = Quality(score=1, likeness=1, disagreement=0, residual=0, pairs=1)
    alignment = Alignment.of("similarity", place, (60, 80), (120, 160), quality)
    visible = np.full((120, 160, 3), 120, np.uint8)
    infrared = np.full((60, 80), level, np.uint8)
    fuser = Fuser(model, alignment=alignment, strength=1)
    row = fuser(infrared, visible)[60, :, 0].astype(int)
    inside = row[70:90]
    least, most = min(120, inside.min()), max(120, inside.max())
    assert least - 1 <= row.min() <= row.max() <= most + 1
    assert (row[:40] == 120).all()


def test_strength_leads_from_the_visible_picture_to_all_of_the_infrared() -> None:
    infrared, visible = scene(96, 128)
    fuser = Fuser()
    assert fuser.strength == 0.5
    fused = [
        fuser.adjusted(strength=step / 10)(infrared, visible).astype(int) for step in range(11)
    ]
    np.testing.assert_array_equal(fused[0], visible)
    np.testing.assert_array_equal(fused[5], fuser(infrared, visible))
    change = [np.abs(each - visible).mean() for each in fused]
    assert change == sorted(change)
    steps = np.diff(np.stack(fused), axis=0)
    assert np.minimum((steps > 0).sum(0), (steps < 0).sum(0)).max() == 0  # no pixel turns back
    assert pickle.loads(pickle.dumps(fuser.adjusted(strength=0.7))).strength == 0.7  # noqa: S301


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": 1.5}, "from 0"),
        ({"strength": float("nan")}, "from 0"),
        ({"strength": 0.5, "model": "paper"}, "judges places"),
        ({"strength": 0.5, "method": "average"}, "judges places"),
    ],
)
def test_a_strength_that_cannot_be_used_is_refused(settings: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Fuser(**settings)


def test_tiles_of_an_aligned_pair_are_those_of_the_whole() -> None:
    infrared, visible = scene(64, 80)
    quality = Quality(score=0.5, likeness=0.3, disagreement=0.0, residual=0.0, pairs=1)
    half = np.array([[0.5, 0, 3.25], [0, 0.5, -2.0], [0, 0, 1]])
    rig = Alignment.of("affine", half, (64, 80), (128, 160), quality)
    visible = cv2.resize(visible, (160, 128))
    whole, tiled = (Fuser(alignment=rig, tile=side)(infrared, visible) for side in (None, 96))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


@pytest.mark.parametrize("tile", [None, 64])
def test_a_view_is_drawn_in_place_of_the_fused_picture(tile: int | None) -> None:
    infrared, visible = scene(96, 120)
    fuser = Fuser("piafusion-fast", tile=tile, color_order="bgr", view="hot:200")
    drawn = fuser(infrared, visible)
    fused = Fuser("piafusion-fast", color_order="bgr")(infrared, visible)
    hot = infrared >= 200
    assert hot.any()
    changed = np.abs(drawn.astype(int) - fused).max(axis=2) > 1  # tiles may differ by a level
    assert not changed[~hot].any()
    assert changed[hot].mean() > 0.9
    copy = pickle.loads(pickle.dumps(fuser))  # noqa: S301
    np.testing.assert_array_equal(copy(infrared, visible), drawn)
    loop = Fuser("piafusion-fast", color_order="bgr", view="flicker")(infrared, visible)
    np.testing.assert_array_equal(loop[2], fused)
    assert Fuser("piafusion-fast", view="edges")(infrared, visible[..., 0]).shape == (96, 120, 3)
