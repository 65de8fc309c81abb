"""The torch engine, and the others: arrays as users have them."""

from __future__ import annotations

import numpy as np
import pytest

from piafusion import Fuser
from tests.conftest import scene

ENGINES = {
    "onnx": {"engine": "onnx", "device": "cpu"},
    "torch": {"engine": "torch", "device": "cpu"},
    "openvino": {"engine": "onnx", "device": "openvino", "precision": "float"},
}


@pytest.fixture(params=ENGINES)
def fuser(request):
    if request.param == "openvino":
        pytest.importorskip("openvino")
    return Fuser("piafusion-fast", threads=1, **ENGINES[request.param])


VIEWS = {
    "turned over": lambda image: image[::-1],
    "mirrored": lambda image: image[:, ::-1],
    "every second": lambda image: image[::2, ::2],
    "columns first": np.asfortranarray,
    "read only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
    "other byte order": lambda image: image.astype(image.dtype.newbyteorder()),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_views_give_what_their_copies_give(fuser, name, dtype):
    scale = dtype(255) if dtype is np.float32 else dtype(1)
    pictures = [VIEWS[name]((each / scale).astype(dtype)) for each in scene(64, 96)]
    copies = [np.ascontiguousarray(each, dtype) for each in pictures]
    assert_same(fuser, fuser(*pictures), fuser(*copies))


def test_engines_take_planes_with_negative_strides(fuser):
    planes = [np.random.default_rng(i).random((1, 1, 48, 64), np.float32) for i in range(2)]
    turned = [plane[:, :, ::-1, ::-1] for plane in planes]
    copies = [np.ascontiguousarray(plane) for plane in turned]
    for run in (fuser.engine.fuse, fuser.engine.encode):
        assert_same(fuser, run(*turned), run(*copies))


def assert_same(fuser, found, expected):
    # OpenVINO runs a size that comes again with other kernels than one that comes once.
    other = fuser.engine.device == "openvino" and found.dtype.kind == "f"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if other else 0)
