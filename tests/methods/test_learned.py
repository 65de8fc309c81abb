"""The shipped networks of the comparison methods."""

import hashlib
from collections.abc import Iterator
from functools import cache

import numpy as np
import onnx
import pytest

from piafusion import Fuser
from piafusion.errors import WeightsError
from piafusion.imaging.arrays import from_unit, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair
from piafusion.lab.data.folders import dataset_pairs
from piafusion.methods import WEIGHTS, find_method, learned
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.weights import load_manifest
from tests.conftest import scene

NETWORKS = [spec.name for spec in learned.LEARNED]
LIMIT = 12_000_000  # bytes of all weights
BLIND_TO_BRIGHTNESS = ("fusiongan", "pmgi")  # they normalise a picture by itself


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_those_of_the_manifest(name: str) -> None:
    record = load_manifest(WEIGHTS)[name]
    data = (WEIGHTS / f"{name}.onnx").read_bytes()
    assert hashlib.sha256(data).hexdigest() == record.sha256["onnx"]
    trained_as = find_method(name).trained_as
    leg = record.training
    while leg:
        command = f"piafusion train method {trained_as} {leg['data']}"
        assert leg["command"].startswith(command)
        assert leg["data"] in ("msrs/train", "roadscene/train")
        assert leg["settings"]["model"] == trained_as
        leg = leg.get("start", {}).get("training")


def test_weights_are_small_and_in_half_precision() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < LIMIT
    for name in NETWORKS:
        for tensor in onnx.load(WEIGHTS / f"{name}.onnx").graph.initializer:
            is_single = tensor.data_type == onnx.TensorProto.FLOAT
            assert not is_single or np.prod(tensor.dims) < 16, (name, tensor.name)


@cache
def fuser_of(name: str) -> Fuser:
    return Fuser(method=name)


def crops() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Our two scenes, infrared and luminance of 128x160 pixels."""
    for pair in dataset_pairs(demo_scenes_root()).pairs:
        infrared, visible = (
            image[176:304, 240:400] for image in read_pair(pair.infrared, pair.visible)
        )
        yield infrared, from_unit(luminance(to_unit(visible)), np.dtype(np.uint8))


@pytest.mark.parametrize("name", NETWORKS)
def test_both_sources_show(name: str) -> None:
    """A network that has learned nothing gives a flat, an inverted or a blown-out picture."""
    for infrared, grey in crops():
        fused = fuser_of(name)(infrared, grey).astype(float)
        mean = (infrared.astype(float) + grey) / 2
        sources = np.stack([infrared.ravel(), grey.ravel(), np.ones(grey.size)], axis=1)
        of_ir, of_y, _ = np.linalg.lstsq(sources, fused.ravel(), rcond=None)[0]
        most = 1.3 if name in BLIND_TO_BRIGHTNESS else 1.2
        assert 0.1 < of_ir < most
        assert 0.1 < of_y < most
        assert fused.std() > 0.6 * mean.std()
        low, high = sorted((infrared.mean(), grey.mean()))
        if name not in BLIND_TO_BRIGHTNESS:
            assert low - 20 < fused.mean() < high + 20


@pytest.mark.parametrize("name", NETWORKS)
def test_a_scene_fused_with_itself_is_about_itself(name: str) -> None:
    for picture in next(crops()):
        fused = fuser_of(name)(picture, picture)
        if name not in BLIND_TO_BRIGHTNESS:
            assert np.abs(fused.astype(float) - picture).mean() < 20
        assert np.corrcoef(fused.ravel(), picture.ravel())[0, 1] > 0.9  # but for its brightness


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_are_stretched_where_the_authors_did(name: str) -> None:
    infrared, grey = (picture // 2 + 50 for picture in next(crops()))
    fused = fuser_of(name)(infrared, grey)
    is_full = (fused.min(), fused.max()) == (0, 255)
    assert is_full == (name != "ifcnn")
    flat = np.full((24, 24), 90, np.uint8)
    assert np.ptp(fuser_of(name)(flat, flat)) < 90


def test_damaged_or_missing_weights_are_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "WEIGHTS", tmp_path)
    manifest = (WEIGHTS / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(WeightsError, match=r"pmgi\.onnx: expected the weights of 'pmgi'"):
        Fuser(method="pmgi")
    (tmp_path / "pmgi.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="damaged or altered"):
        Fuser(method="pmgi")


def test_the_rules_of_densefuse_differ() -> None:
    infrared, visible = scene(40, 50)
    one, other = (Fuser(method=name)(infrared, visible) for name in ("densefuse", "densefuse-l1"))
    assert np.abs(one.astype(int) - other).max() > 2
