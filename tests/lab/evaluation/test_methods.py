from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from piafusion import methods
from piafusion.errors import UsageError
from piafusion.imaging.io import write_image
from piafusion.lab.evaluation.methods import GivenPictures, Method, read_methods
from piafusion.lab.evaluation.sets import DataSet, read_sets
from piafusion.methods import find_method
from piafusion.weights import SHIPPED, load_manifest
from tests.conftest import scene


@pytest.fixture
def sets(root: Path) -> list[DataSet]:
    return read_sets([f"one={root}", f"two={root}"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_image(tmp_path / "theirs" / "1D.png", scene()[1])
    return tmp_path / "theirs"


def test_baselines_are_always_in(sets: list[DataSet]) -> None:
    found = read_methods(["piafusion-fast", "average"], sets)
    assert [method.name for method in found] == ["average", "maximum", "visible", "piafusion-fast"]
    infrared, visible = scene()
    for method in found:
        assert isinstance(method, Method)
        assert method.load()(infrared, visible).shape == visible.shape


def test_a_model_is_known_by_its_weights(sets: list[DataSet]) -> None:
    by_name, by_file = read_methods(
        ["piafusion-fast", f"mine={SHIPPED / 'piafusion-fast.onnx'}"], sets
    )[3:]
    assert isinstance(by_name, Method)
    assert isinstance(by_file, Method)
    assert by_file.name == "mine"
    assert by_file.settings == by_name.settings
    digest = load_manifest()["piafusion-fast"].sha256["onnx"]
    assert by_name.settings["weights"] == digest
    elsewhere = read_methods(["piafusion-fast"], sets, device="cuda")[3]
    assert isinstance(elsewhere, Method)
    assert elsewhere.settings != by_name.settings


def test_a_comparison_method_is_known_by_what_it_has_learned(sets: list[DataSet]) -> None:
    wavelet, mdlatlrr = read_methods(["wavelet", "mdlatlrr"], sets, device="cuda")[3:]
    assert isinstance(wavelet, Method)
    assert isinstance(mdlatlrr, Method)
    assert set(wavelet.settings) == {"method", "piafusion", "results", "numpy", "cv2", "pywt"}
    assert len(mdlatlrr.settings["weights"]) == 64
    infrared, visible = scene()
    assert wavelet.load()(infrared, visible).shape == visible.shape


def test_a_plug_in_is_known_by_its_distribution(
    sets: list[DataSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(find_method("maximum"), name="theirs")
    monkeypatch.setitem(methods._METHODS, "theirs", spec)
    (registered,) = read_methods(["theirs"], sets)[3:]
    assert isinstance(registered, Method)
    assert registered.settings["plug-in"].startswith("process ")  # never known to another process
    distribution = SimpleNamespace(name="their-package", version="1.2")
    entry = SimpleNamespace(name="theirs", dist=distribution)
    monkeypatch.setattr("piafusion.lab.evaluation.methods.entry_points", lambda group: [entry])
    (installed,) = read_methods(["theirs"], sets)[3:]
    assert isinstance(installed, Method)
    assert installed.settings["plug-in"] == "their-package 1.2"


def test_folders_of_fused_images(sets: list[DataSet], folder: Path) -> None:
    flat = read_methods([f"theirs={folder}"], sets[:1])[3]
    assert flat == GivenPictures("theirs", {"one": folder})
    named = read_methods([f"theirs@two={folder}", f"theirs@one={folder}"], sets)[3]
    assert named == GivenPictures("theirs", {"two": folder, "one": folder})
    write_image(folder / "one" / "1D.png", scene()[1])
    partly = read_methods([f"theirs={folder}"], sets)[3]
    assert isinstance(partly, GivenPictures)
    assert partly.folders == {"one": folder / "one"}
    assert [failure.data for failure in partly.failures] == ["two"]
    assert "expected a sub-folder two, found none" in partly.failures[0].message


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["piafusion", "piafusion"], "found 'piafusion' twice"),
        (["x=FOLDER", "x@one=FOLDER"], "expected a sub-folder for each data set"),
        (["x@one=FOLDER", "x@one=FOLDER"], "found 'x' twice"),
        (["maximum@one=FOLDER"], "found 'maximum' twice"),
        (["x@three=FOLDER"], "expected a data set of one, two, found 'three'"),
        (["x=FOLDER/none"], "found nothing there"),
        (["x=FOLDER/1D.png"], "found a file"),
        (["illumination"], "NAME=FOLDER of fused images, found nothing there"),
        (["FOLDER"], "found a folder"),
        (["a b@one=FOLDER"], "expected a method named by letters"),
        (["x@one=FOLDER/.."], "expected images .* found none"),
    ],
)
def test_wrong_use(sets: list[DataSet], folder: Path, texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_methods([text.replace("FOLDER", str(folder)) for text in texts], sets)
