"""What `Fuser` takes beside NumPy arrays, and what it says of what it cannot take."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image as Pil

from piafusion import Fuser
from piafusion.errors import ImageError, UsageError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.io import write_image
from tests.conftest import scene

FUSER = Fuser("piafusion-fast")
BGR = Fuser("piafusion-fast", color_order="bgr")
INFRARED, VISIBLE = scene(40, 52)
FUSED = FUSER(INFRARED, VISIBLE)


def test_paths_are_read(tmp_path: Path) -> None:
    ir, vi = tmp_path / "ir.png", tmp_path / "vi.png"
    write_image(ir, INFRARED)
    write_image(vi, VISIBLE)
    np.testing.assert_array_equal(FUSER(ir, str(vi)), FUSED)
    np.testing.assert_array_equal(FUSER(ir, VISIBLE), FUSED)
    with pytest.raises(ImageError, match=r"gone\.png: expected a readable image file"):
        FUSER(tmp_path / "gone.png", vi)


def test_opencv_users_keep_their_channel_order(tmp_path: Path) -> None:
    np.testing.assert_array_equal(BGR(INFRARED, VISIBLE[..., ::-1]), FUSED[..., ::-1])
    np.testing.assert_array_equal(BGR(INFRARED, VISIBLE[..., 1]), FUSER(INFRARED, VISIBLE[..., 1]))
    write_image(tmp_path / "ir.png", INFRARED)
    write_image(tmp_path / "vi.png", VISIBLE)
    paths = tmp_path / "ir.png", tmp_path / "vi.png"
    np.testing.assert_array_equal(BGR(*paths), FUSED[..., ::-1])
    done = BGR.fuse_files(*paths, tmp_path / "out.png")
    np.testing.assert_array_equal(done.image, FUSED[..., ::-1])
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out.png")), FUSED[..., ::-1])


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "I;16"])
def test_pil_pictures(mode: str) -> None:
    visible = Pil.fromarray(VISIBLE)
    if mode == "I;16":
        deep = VISIBLE[..., 1].astype(np.uint16) * 257
        given, expected = Pil.fromarray(deep), deep
    else:
        given = visible.convert(mode)
        back = {"1": "L", "L": "L"}.get(mode, "RGB")
        expected = np.asarray(given.convert(back))
    assert given.mode == mode
    np.testing.assert_array_equal(FUSER(Pil.fromarray(INFRARED), given), FUSER(INFRARED, expected))


def test_alpha_is_left_out_where_it_is_opaque_and_refused_elsewhere() -> None:
    right = FUSER(INFRARED, VISIBLE)
    rgba = np.dstack([VISIBLE, np.full_like(INFRARED, 255)])
    for given in (rgba, Pil.fromarray(rgba)):
        np.testing.assert_array_equal(FUSER(INFRARED, given), right)
    np.testing.assert_array_equal(BGR(INFRARED, rgba[..., [2, 1, 0, 3]])[..., ::-1], right)
    rgba[3, 4, 3] = 0
    with pytest.raises(ImageError, match="transparent pixels"):
        FUSER(INFRARED, Pil.fromarray(rgba))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16])
def test_tensors(dtype: torch.dtype) -> None:
    infrared, visible = torch.from_numpy(INFRARED), torch.from_numpy(VISIBLE).permute(2, 0, 1)
    if dtype.is_floating_point:
        infrared, visible = (t.to(dtype) / 255 for t in (infrared, visible))
    fused = FUSER(infrared[None], visible.requires_grad_(dtype.is_floating_point))
    assert fused.shape == VISIBLE.shape
    scale = 255 if dtype.is_floating_point else 1
    np.testing.assert_allclose(fused * scale, FUSED, atol=8 if dtype.itemsize == 2 else 1)
    assert FUSER(infrared, visible[:1]).shape == (40, 52, 1)


def test_big_endian_arrays_stay_big_endian() -> None:
    infrared, visible = (image.astype("u2") * 257 for image in (INFRARED, VISIBLE))
    fused = FUSER(infrared.astype(">u2"), visible.astype(">u2"))
    assert fused.dtype == np.dtype(">u2")
    np.testing.assert_array_equal(fused, FUSER(infrared, visible))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_masked_pixels_have_no_value(dtype: type) -> None:
    scale = 1 if dtype is np.uint8 else 255
    infrared, visible = ((image / scale).astype(dtype) for image in (INFRARED, VISIBLE))
    infrared[4:20, 14:30] = infrared[5, 15]  # flat around the hole, so that all neighbours agree
    hole = np.zeros((40, 52), bool)
    hole[10:14, 20:24] = True
    spoilt = infrared.copy()
    spoilt[hole] = 255 if dtype is np.uint8 else np.nan
    fused = FUSER(np.ma.masked_array(spoilt, hole), visible)
    assert not isinstance(fused, np.ma.MaskedArray)
    np.testing.assert_array_equal(fused, FUSER(infrared, visible))
    masked = np.ma.masked_array(visible, np.repeat(hole[..., None], 3, axis=2))
    result = FUSER(infrared, masked)
    np.testing.assert_array_equal(result.mask, masked.mask)
    assert result.dtype == dtype
    with pytest.raises(ImageError, match="infrared: expected values, found a picture masked as"):
        FUSER(np.ma.masked_all_like(infrared), visible)


def test_none_tells_where_it_comes_from() -> None:
    with pytest.raises(ImageError, match="visible: expected a picture, found None; OpenCV's imr"):
        FUSER(INFRARED, cv2.imread("/no/such/file.png"))


def test_other_things_are_refused_by_name() -> None:
    for bad, found in (([[1, 2]], "list"), (3, "int"), (b"", "bytes")):
        with pytest.raises(ImageError, match=f"infrared: expected a NumPy array.* found {found}"):
            FUSER(bad, VISIBLE)
    with pytest.raises(ImageError, match=r"found the shape \(2, 3, 8, 8\); pass one picture"):
        FUSER(INFRARED, torch.zeros(2, 3, 8, 8))
    with pytest.raises(ImageError, match=r"channels first"):
        FUSER(INFRARED, torch.zeros(40, 52, 3))
    with pytest.raises(ImageError, match=r"found one on meta; pass tensor\.cpu"):
        FUSER(INFRARED, torch.zeros(3, 40, 52, device="meta"))
    with pytest.raises(UsageError, match="color_order of rgb or bgr, found 'gbr'"):
        Fuser(color_order="gbr")


def test_a_fuser_can_be_pickled() -> None:
    quality = Quality(score=0.5, likeness=0.3, disagreement=0.0, residual=0.0, pairs=1)
    rig = Alignment.of("affine", np.eye(3), (40, 52), (40, 52), quality)
    fuser = Fuser("piafusion-fast", threads=1, tone="percentile", tile=32, color_order="bgr")
    fuser = fuser.adjusted("span:10,200", rig)
    data = pickle.dumps(fuser)
    assert len(data) < 4000  # settings, no weights
    other = pickle.loads(data)  # noqa: S301 - our own
    assert (other.model, other.tile, str(other.tone)) == ("piafusion-fast", 32, "span:10,200")
    assert other.alignment == rig
    np.testing.assert_array_equal(other(INFRARED, VISIBLE), fuser(INFRARED, VISIBLE))
