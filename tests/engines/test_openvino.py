import sys

import numpy as np
import pytest

from piafusion.engines import create_engine
from piafusion.errors import MissingExtraError, WeightsError
from piafusion.weights import fusion_models
from tests.conftest import scene
from tests.tolerances import ENGINES

FUSION = fusion_models()


@pytest.mark.parametrize("model", FUSION)
def test_it_gives_the_answers_of_onnx_runtime_at_every_size(model: str) -> None:
    pytest.importorskip("openvino")
    by_onnx, by_openvino = (
        create_engine(model, kind="fusion", device=device, engine="onnx")
        for device in ("cpu", "openvino")
    )
    assert by_openvino.device == "openvino"
    # Once, again, and back: the network for all sizes, and those made for one size.
    for size in ((48, 64), (48, 64), (37, 51), (64, 33), (64, 33), (48, 64)):
        infrared, visible = (image.astype(np.float32) / 255 for image in scene(*size))
        inputs = infrared[None, None], np.ascontiguousarray(visible[None, None, ..., 1])
        expected, found = by_onnx.fuse(*inputs), by_openvino.fuse(*inputs)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < ENGINES
        by_openvino.fuse(*(1 - plane for plane in inputs))  # must leave the last result alone
        assert np.abs(found - expected).max() < ENGINES


def test_damaged_weights_are_refused() -> None:
    pytest.importorskip("openvino")
    from piafusion.engines.openvino import OpenVinoEngine

    for data in (b"", b"no weights"):
        with pytest.raises(WeightsError, match="expected an ONNX network"):
            OpenVinoEngine(data)


def test_without_it_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "piafusion.engines.openvino", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'piafusion\[openvino\]'"):
        create_engine("piafusion-fast", kind="fusion", device="openvino", engine="onnx")
