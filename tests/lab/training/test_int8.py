"""The 8-bit copy: a tiny network through the exporter, and the shipped files."""

from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch

from piafusion import Fuser, scenes, weights
from piafusion.engines.onnx import OnnxEngine
from piafusion.errors import UsageError
from piafusion.imaging.arrays import to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair, write_image
from piafusion.lab.models import MixingFusionNet, MixingFusionSizes, load
from piafusion.lab.training import export, int8
from piafusion.weights import load_manifest, read_weights
from tests.conftest import scene

SHIPPED = [name for name, record in load_manifest().items() if "int8" in record.sha256]


FORMATS = ("onnx", "int8")
STREETS = Path(scenes.__file__).parent / "shipped"
STEMS = sorted(path.stem for path in (STREETS / "ir").iterdir())[:3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights of a tiny network in float and in 8 bits, and pairs beside them."""
    root = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = MixingFusionNet(MixingFusionSizes(width=8, residual_layers=2)).eval()
    with torch.no_grad():
        network.head.weight *= 8  # shifts that decide
    export._write("tiny", network, "piafusion-fast", "", {}, root)
    for seed in range(9):
        infrared, visible = scene(40, 52, seed)
        write_image(root / "data" / "ir" / f"{seed}.png", infrared)
        write_image(root / "data" / "vi" / f"{seed}.png", visible)
    export.export_int8(str(root / "tiny.safetensors"), [root / "data"], root, steps=5)
    return root


def planes(height: int, width: int, seed: int) -> list[np.ndarray]:
    infrared, visible = scene(height, width, seed)
    return [np.float32(image)[None, None] / 255 for image in (infrared, visible.mean(axis=2))]


def painted(stem: str) -> list[np.ndarray]:
    """Return a shipped street."""
    infrared, visible = read_pair(*(STREETS / part / f"{stem}.png" for part in ("ir", "vi")))
    return [luminance(to_unit(image))[None, None] for image in (infrared, visible)]


def levels_apart(model: str, pairs: list[list[np.ndarray]]) -> np.ndarray:
    """Return the differences of the pictures of a model's two files, in grey levels."""
    engines = [OnnxEngine(read_weights(model, each, "fusion"), "cpu") for each in FORMATS]
    found = [[engine.run(*pair) for engine in engines] for pair in pairs]
    return 255 * np.concatenate([np.abs(a - b).ravel() for a, b in found])


def test_a_copy_in_8_bits_gives_the_pictures_of_the_float_network(folder: Path) -> None:
    apart = levels_apart(str(folder / "tiny.onnx"), [planes(40, 52, 0), planes(33, 61, 9)])
    assert 0 < apart.mean() < 2  # its weights are noise
    one, two = (
        onnx.load_from_string(read_weights(str(folder / "tiny.onnx"), each, "fusion"))
        for each in FORMATS
    )
    assert one.metadata_props == two.metadata_props
    assert one.graph.input == two.graph.input
    assert sum(node.op_type == "QuantizeLinear" for node in two.graph.node) == 6
    assert load_manifest(folder)["tiny"].training["int8"]["steps"] == 5


def test_a_copy_learns(folder: Path) -> None:
    network = load((folder / "tiny.safetensors").read_bytes()).eval()
    pairs = int8.read_pairs([folder / "data"])
    pair = [torch.from_numpy(plane) for plane in planes(40, 52, 0)]
    copies = [int8.learn(network, pairs, steps=steps) for steps in (0, 100)]
    with torch.no_grad():
        laid, learnt = (float((copied(*pair) - network(*pair)).abs().mean()) for copied in copies)
    assert 0 < learnt < 0.85 * laid


def test_tiles_in_8_bits_are_the_whole(folder: Path) -> None:
    infrared, visible = scene(70, 90, seed=4)
    whole, tiled = (
        Fuser(str(folder / "tiny.onnx"), precision="int8", tile=side)(infrared, visible)
        for side in (None, 24)
    )
    np.testing.assert_array_equal(whole, tiled)


def test_an_8_bit_file_lies_beside_a_float_file_of_a_network_that_mixes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected the model piafusion-fast in its manifest"):
        export.export_int8("piafusion-fast", [], tmp_path)
    with pytest.raises(UsageError, match="paper: expected a network of piafusion, piafusion-fast"):
        export.export_int8("paper", [], weights.SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_in_8_bits_are_near_those_in_float(name: str) -> None:
    apart = levels_apart(name, [painted(stem) for stem in STEMS])
    assert apart.mean() < 0.3
    assert np.quantile(apart, 0.999) < 3


@pytest.mark.parametrize("name", SHIPPED)
def test_sums_of_two_products_fit_16_bits(name: str) -> None:
    graph = onnx.load_from_string(read_weights(name, "int8", "fusion")).graph
    held = [onnx.numpy_helper.to_array(part) for part in graph.initializer]
    layers = [part for part in held if part.dtype == np.int8 and part.ndim == 4]
    assert layers
    for layer in layers:
        largest = np.sort(np.abs(layer.reshape(len(layer), -1).astype(int)), axis=1)[:, -2:]
        assert largest.sum(axis=1).max() <= 129  # 128, and a half for the rounding of each
        assert 255 * largest.sum(axis=1).max() < 2**15 + 255
