import math
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from piafusion import Fuser
from piafusion.engines.torch import TorchEngine
from piafusion.errors import UsageError
from piafusion.imaging import tiling
from piafusion.imaging.tiling import plan_tiles
from piafusion.lab.models import MixingFusionNet, MixingFusionSizes, dump
from piafusion.reach import Reach
from piafusion.weights import SHIPPED, fusion_models
from tests.conftest import scene
from tests.tolerances import FLOAT32_SUMS

FUSION = fusion_models()
ENGINES = [("onnx", "cpu"), ("torch", "cpu"), ("onnx", "openvino")]


def floats(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A rough pair, so that every pixel counts; the infrared is brighter on the left."""
    noise = np.random.default_rng(0).random((height, width, 4), dtype=np.float32)
    smooth = np.dstack(scene(height, width)).astype(np.float32) / 255
    image = 0.6 * smooth + 0.3 * noise
    image[..., 0] += np.linspace(0.1, -0.1, width).clip(0)
    return image[..., 0].copy(), image[..., 1:].copy()


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    side=st.integers(1, 100),
    stride=st.sampled_from([1, 2, 4, 8]),
    blocks=st.integers(0, 5),
)
def test_areas_are_the_picture_and_crops_have_the_margin(
    height: int, width: int, side: int, stride: int, blocks: int
) -> None:
    margin = blocks * stride
    picture = np.arange(height * width).reshape(height, width)
    copy = np.zeros_like(picture)
    for tile in plan_tiles(height, width, Reach(stride, margin, width=1), side):
        copy[tile.area] += picture[tile.crop][tile.pixels]
        for area, crop, length in zip(tile.area, tile.crop, (height, width), strict=True):
            assert 0 < area.stop - area.start <= max(side, stride)
            assert area.start % stride == crop.start % stride == 0
            assert crop.start == max(area.start - margin, 0)
            assert crop.stop == length or crop.stop >= area.stop + margin
        rows, columns = (math.ceil((area.stop - area.start) / stride) for area in tile.area)
        blocks_of_crop = np.ones([-(-side // stride) for side in picture[tile.crop].shape])
        assert blocks_of_crop[tile.blocks].shape == (rows, columns)
    np.testing.assert_array_equal(copy, picture)


@pytest.mark.parametrize("model", FUSION)
@pytest.mark.parametrize(("engine", "device"), ENGINES)
def test_tiles_together_are_the_whole(model: str, engine: str, device: str) -> None:
    if device == "openvino":
        pytest.importorskip("openvino")
    fuser = Fuser(model, device, engine, precision="float")  # bf16 rounds each tile on its own
    for height, width, sides in ((41, 53, (16, 30)), (8, 9, (4, 20))):
        pair = floats(height, width)
        fuser.tile = None
        whole = fuser(*pair)
        for side in sides:
            fuser.tile = side
            np.testing.assert_allclose(fuser(*pair), whole, atol=FLOAT32_SUMS)


FAST = Fuser("piafusion-fast")


@given(st.integers(8, 120), st.integers(8, 120), st.integers(12, 130))
@settings(max_examples=15)
def test_any_size_and_any_tile(height: int, width: int, side: int) -> None:
    tiled = Fuser.__new__(Fuser)
    tiled.__dict__.update(FAST.__dict__, tile=side)
    pair = floats(height, width)
    np.testing.assert_allclose(tiled(*pair), FAST(*pair), atol=FLOAT32_SUMS)


@pytest.mark.parametrize(
    "sizes",
    [MixingFusionSizes(2, 4, 8, 1), MixingFusionSizes(8, 24, 8, 0), MixingFusionSizes(4, 4, 8, 2)],
)
def test_a_network_of_any_sizes_says_how_far_it_looks(sizes: MixingFusionSizes) -> None:
    torch.manual_seed(0)
    network = MixingFusionNet(sizes)
    for parameter in network.parameters():  # large ones, so that what spoils a border shows
        parameter.data.mul_(3)
    fuser = Fuser.__new__(Fuser)
    fuser.__dict__.update(FAST.__dict__, engine=TorchEngine(dump("piafusion", network), "cpu"))
    pair = floats(53, 41)
    whole = fuser(*pair)
    fuser.tile = 16
    np.testing.assert_allclose(fuser(*pair), whole, atol=FLOAT32_SUMS)
    # A block less of margin would not do, and neither would tiles with their own shares.
    reach = fuser.engine.reach
    assert reach is not None
    found = np.empty_like(whole)
    short = Reach(reach.stride, reach.margin - reach.stride, reach.width)
    fuser.fuse_tiles(*pair, found, plan_tiles(53, 41, short, 16))
    assert np.abs(found - whole).max() > 1e-4
    fuser.tile = None
    for tile in plan_tiles(53, 41, reach, 16):
        found[tile.area] = fuser(pair[0][tile.crop], pair[1][tile.crop])[tile.pixels]
    assert np.abs(found - whole).max() > 1e-4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
@pytest.mark.parametrize("channels", [0, 1, 3])
def test_dtype_and_shape_are_those_of_the_whole(dtype: type, channels: int) -> None:
    infrared, visible = floats(50, 70)
    scale = 1 if dtype is np.float64 else np.iinfo(dtype).max
    infrared, visible = ((image * scale).astype(dtype) for image in (infrared, visible))
    visible = {0: visible[..., 0], 1: visible[..., :1], 3: visible}[channels]
    whole = FAST(infrared, visible)
    found = Fuser("piafusion-fast", tile=24)(infrared, visible)
    assert (found.dtype, found.shape) == (visible.dtype, visible.shape)
    np.testing.assert_allclose(found / scale, whole / scale, atol=max(1 / scale, FLOAT32_SUMS))


def test_the_network_never_sees_more_than_a_tile_and_its_margin(tmp_path: Path) -> None:
    infrared, visible = (
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.uint8, shape)
        for name, shape in (("ir", (150, 210)), ("vi", (150, 210, 3)))
    )
    infrared[:], visible[:] = scene(150, 210)
    fuser = Fuser("piafusion-fast", tile=32)
    engine, largest = fuser.engine, []

    class Spy:
        reach = engine.reach
        context_side = engine.context_side
        judge = staticmethod(engine.judge)  # which sees a small copy of the whole

        def encode(self, *inputs: np.ndarray) -> np.ndarray:
            largest.append(max(inputs[0].shape))
            return engine.encode(*inputs)

        def fuse(self, *inputs: np.ndarray) -> np.ndarray:
            largest.append(max(inputs[0].shape))
            return engine.fuse(*inputs)

    fuser.engine = Spy()
    fuser(infrared, visible)
    assert len(largest) == 2 * len(fuser.plan(150, 210)) == 70
    assert max(largest) == 32 + 2 * engine.reach.margin


def test_large_pictures_are_tiled_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(FAST.plan(2000, 2000)) == 1
    assert [tile.area[1].stop for tile in FAST.plan(1000, 4001)] == [1024, 2048, 3072, 4001]
    assert FAST.plan(1000, 4001)[0].area[0].stop == 1000
    paper = Reach(stride=1, margin=8, width=256)  # five layers of that are 5 KiB for each pixel
    assert len(plan_tiles(400, 500, paper)) == 1
    assert plan_tiles(480, 640, paper)[0].area == (slice(0, 256), slice(0, 256))
    monkeypatch.setattr(tiling, "_WHOLE_PIXELS", 1000)
    monkeypatch.setattr(tiling, "_TILE_SIDE", 64)
    pair = floats(70, 90)
    assert len(FAST.plan(70, 90)) == 4
    tiled = FAST(*pair)
    monkeypatch.undo()
    np.testing.assert_allclose(tiled, FAST(*pair), atol=FLOAT32_SUMS)


def test_a_network_that_does_not_say_how_far_it_looks_fuses_the_whole(tmp_path: Path) -> None:
    model = onnx.load(SHIPPED / "piafusion-fast.onnx")
    context = {each.key: each.value for each in model.metadata_props if "context" in each.key}
    onnx.helper.set_model_props(model, context)
    path = tmp_path / "mine.onnx"
    onnx.save(model, path)
    fuser = Fuser(str(path))
    assert len(fuser.plan(5000, 5000)) == 1
    pair = floats(40, 50)
    np.testing.assert_array_equal(fuser(*pair), FAST(*pair))
    with pytest.raises(
        UsageError, match=r"mine\.onnx: .* says how far it looks.*export the network again"
    ):
        Fuser(str(path), tile=512)


def test_a_tile_has_pixels() -> None:
    with pytest.raises(UsageError, match="at least 1 pixel, found 0"):
        Fuser(tile=0)
