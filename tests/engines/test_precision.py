"""What a network computes in, and where, on machines of several kinds."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from piafusion import Fuser, engines
from piafusion.engines import resolve
from piafusion.errors import DeviceError, UsageError
from piafusion.machine import has_bf16, has_dot_products
from piafusion.weights import SHIPPED
from tests.conftest import scene


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that makes this a machine of a kind, and a model on it."""

    def make(openvino=True, bf16=False, dots=False, int8=True, cuda=False):
        model = tmp_path / "model.onnx"
        for file in ("model.onnx", "model-int8.onnx")[: 1 + int8]:
            shutil.copy(SHIPPED / "piafusion-fast.onnx", tmp_path / file)
        fake = SimpleNamespace(has_bf16=lambda: bf16)
        monkeypatch.setitem(sys.modules, "piafusion.engines.openvino", fake)
        monkeypatch.setattr(engines, "find_spec", lambda _: openvino or None)
        monkeypatch.setattr(engines, "has_dot_products", lambda: dots)
        providers = [*["CUDAExecutionProvider"] * cuda, "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
        return str(model)

    return make


@pytest.mark.parametrize(
    ("kind", "precision", "device", "expected"),
    [
        ({"bf16": True, "dots": True}, "auto", "openvino", "bf16"),
        ({"dots": True}, "auto", "openvino", "int8"),
        ({"dots": True, "int8": False}, "auto", "auto", "float"),
        ({}, "auto", "auto", "float"),
        ({"openvino": False, "dots": True}, "auto", "auto", "float"),
        ({"openvino": False}, "int8", "auto", "int8"),
        ({"bf16": True}, "float", "auto", "float"),
        ({"bf16": True}, "int8", "openvino", "int8"),
        ({"bf16": True, "cuda": True}, "auto", "auto", "float"),
    ],
)
def test_auto_is_what_the_machine_is_fast_at(machine, kind, precision, device, expected):
    model = machine(**kind)
    found = resolve("auto", model, precision)
    assert found == device
    assert engines._choose(precision, model, found, "onnx") == expected


def test_what_a_machine_has_not_is_refused_with_what_it_has(machine):
    model = machine(openvino=False, int8=False)
    with pytest.raises(DeviceError, match=r"of float or auto, which ONNX Runtime has.*openvino"):
        Fuser(model, precision="bf16")
    with pytest.raises(DeviceError, match=r"of float or auto, which torch has .* found 'int8'"):
        Fuser(model, precision="int8", engine="torch")
    model = machine(int8=False)
    with pytest.raises(DeviceError, match=r"of float or auto, which OpenVINO has .* found 'bf16'"):
        Fuser(model, "openvino", precision="bf16")
    with pytest.raises(UsageError, match="precision of auto, float, bf16, int8, found 'half'"):
        Fuser(precision="half")
    with pytest.raises(UsageError, match="auto or float for the method 'average', found 'int8'"):
        Fuser(method="average", precision="int8")


def test_int8_is_a_file_of_its_own(machine):
    model = machine(openvino=False)
    shutil.copy(SHIPPED / "piafusion.onnx", Path(model).with_name("model-int8.onnx"))
    infrared, visible = scene()
    whole, small = (Fuser(model, precision=precision) for precision in ("float", "int8"))
    assert (whole.engine.precision, small.engine.precision) == ("float", "int8")
    np.testing.assert_array_equal(whole(infrared, visible), Fuser("piafusion-fast")(*scene()))
    np.testing.assert_array_equal(small(infrared, visible), Fuser("piafusion")(*scene()))


@pytest.mark.parametrize(
    ("text", "bytes_", "bf16"),
    [
        ("flags\t\t: fpu sse avx2 avx512_vnni\n", True, False),
        ("flags\t\t: fpu avx_vnni amx_bf16\n", True, True),
        ("flags\t\t: fpu avx512_vnni avx512_bf16\n", True, True),
        ("Features\t: fp asimd asimddp bf16\n", True, True),
        ("flags\t\t: fpu avx2 avx512f\n", False, False),
        ("model name\t: VNNI avx512_vnni avx512_bf16\n", False, False),
    ],
)
def test_instructions_are_read_from_the_flags(tmp_path, text, bytes_, bf16):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert (has_dot_products(path), has_bf16(path)) == (bytes_, bf16)
    assert not has_dot_products(tmp_path / "none")
    assert not has_bf16(tmp_path / "none")


def test_bf16_changes_pictures_little():
    pytest.importorskip("openvino")
    from piafusion.engines.openvino import has_bf16

    if not has_bf16():
        pytest.skip("this processor has no bf16")
    infrared, visible = (image.astype(np.float32)[None, None] / 255 for image in scene(96, 128))
    planes = infrared, np.ascontiguousarray(visible[..., 1])
    whole, half = (
        Fuser("piafusion-fast", "openvino", precision=precision).engine
        for precision in ("float", "bf16")
    )
    for _ in range(2):
        difference = 255 * np.abs(whole.fuse(*planes) - half.fuse(*planes))
        assert 0 < difference.mean() < 0.2
        assert difference.max() < 8
    # Places are judged in float, so that a threshold moves no region.
    thumbnails = np.concatenate(planes, axis=1)
    np.testing.assert_array_equal(half.judge(thumbnails), whole.judge(thumbnails))
