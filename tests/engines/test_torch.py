"""The torch engine, and the others: arrays as users have them."""

from __future__ import annotations

import numpy as np
import pytest

from piafusion import Fuser
from tests.conftest import scene

ENGINES = {
    "onnx": {"engine": "onnx", "device": "cpu"},
    "torch": {"engine": "torch", "device": "cpu"},
    "openvino": {"engine": "onnx", "device": "openvino"},
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
    np.testing.assert_array_equal(fuser(*pictures), fuser(*copies))


def test_engines_take_planes_with_negative_strides(fuser):
    planes = [np.random.default_rng(i).random((1, 1, 48, 64), np.float32) for i in range(2)]
    turned = [plane[:, :, ::-1, ::-1] for plane in planes]
    copies = [np.ascontiguousarray(plane) for plane in turned]
    np.testing.assert_array_equal(fuser.engine.fuse(*turned), fuser.engine.fuse(*copies))
    np.testing.assert_array_equal(fuser.engine.encode(*turned), fuser.engine.encode(*copies))
