import hashlib
import json
import shutil
from pathlib import Path

import pytest

from piafusion.errors import UsageError, WeightsError
from piafusion.weights import DEFAULT_MODEL, MANIFEST, SHIPPED, load_manifest, read_weights

SHIPPED_MODELS = sorted(load_manifest())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the default model with its manifest."""
    for name in (MANIFEST, f"{DEFAULT_MODEL}.onnx", f"{DEFAULT_MODEL}.safetensors"):
        shutil.copy(SHIPPED / name, tmp_path / name)
    return tmp_path


def test_the_models_are_shipped() -> None:
    ours = ["piafusion", "piafusion-fast", "piafusion-nano"]
    assert ["illumination", "paper", "paper-released", *ours] == SHIPPED_MODELS


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_shipped_files_are_those_of_the_manifest(name: str) -> None:
    record = load_manifest()[name]
    for suffix in ("onnx", "safetensors"):
        data = read_weights(name, suffix, record.kind)
        assert hashlib.sha256(data).hexdigest() == record.sha256[suffix]


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_the_manifest_says_where_weights_come_from(name: str) -> None:
    record = load_manifest()[name]
    assert record.summary
    assert record.training["command"].startswith("piafusion train ")
    assert len(record.training["data_sha256"]) == 64
    assert 1000 < record.training["steps"] <= record.training["settings"]["steps"]
    assert record.training["seed"] == record.training["settings"]["seed"]
    assert record.training["pairs"] > 100
    assert record.scores
    legs = [record.training[leg] for leg in ("start", "light") if leg in record.training]
    assert all(leg["training"]["command"].startswith("piafusion train ") for leg in legs)


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_one_changed_bit_is_an_error(folder: Path, suffix: str) -> None:
    path = folder / f"{DEFAULT_MODEL}.{suffix}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for model in (DEFAULT_MODEL, str(path)):  # by name, and by path with its manifest beside it
        with pytest.raises(WeightsError, match=r"expected sha256 .*damaged or altered"):
            read_weights(model, suffix, "fusion", folder)


def test_missing_weights_are_an_error(folder: Path) -> None:
    (folder / f"{DEFAULT_MODEL}.onnx").unlink()
    with pytest.raises(
        WeightsError, match=rf"{DEFAULT_MODEL}\.onnx: expected the weights.*No such file"
    ):
        read_weights(DEFAULT_MODEL, "onnx", "fusion", folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"kind": "fusion"}}'])
def test_a_damaged_manifest_is_an_error(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(WeightsError, match=r"manifest\.json: expected the manifest"):
        load_manifest(folder)


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"manifest\.json: expected .*, found no such file"):
        read_weights(DEFAULT_MODEL, "onnx", "fusion", tmp_path)


def test_a_file_of_ones_own_needs_no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    path = folder / f"{DEFAULT_MODEL}.onnx"
    assert read_weights(str(path), "onnx", "fusion") == path.read_bytes()
    assert read_weights(str(path), "safetensors", "fusion") == (
        path.with_suffix(".safetensors").read_bytes()
    )


def test_unknown_models_and_models_for_something_else() -> None:
    with pytest.raises(UsageError, match=r"expected a model of .*piafusion-fast.*found 'best'"):
        read_weights("best", "onnx", "fusion")
    with pytest.raises(UsageError, match="for fusion, found 'illumination' for illumination"):
        read_weights("illumination", "onnx", "fusion")


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_shipped_networks_hold_no_path_of_a_machine(name: str) -> None:
    data = (SHIPPED / f"{name}.onnx").read_bytes()
    for word in (b".py", b"site-packages", b"/tmp/", b"/home/"):
        assert word not in data


def test_the_manifest_holds_no_path_of_a_machine() -> None:
    text = json.dumps(json.loads((SHIPPED / MANIFEST).read_text()))
    assert '"/' not in text
    assert ".." not in text
