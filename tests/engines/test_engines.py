import numpy as np
import pytest

from piafusion.engines import create_engine
from piafusion.engines.onnx import OnnxEngine
from piafusion.engines.torch import TorchEngine
from piafusion.errors import DeviceError, UsageError, WeightsError
from piafusion.weights import load_manifest
from tests.conftest import scene
from tests.tolerances import ENGINES

RECORDS = load_manifest().values()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
@pytest.mark.parametrize("size", [(48, 64), (37, 51), (64, 33)])
def test_torch_and_onnx_give_the_same_answer(record, size: tuple[int, int]) -> None:
    infrared, visible = (image.astype(np.float32) / 255 for image in scene(*size))
    inputs = (
        [np.ascontiguousarray(visible.transpose(2, 0, 1))[None]]
        if record.kind == "illumination"
        else [infrared[None, None], visible[None, None, ..., 1]]
    )
    by_onnx, by_torch = (
        create_engine(record.name, kind=record.kind, device="cpu", engine=engine)(*inputs)
        for engine in ("onnx", "torch")
    )
    assert by_onnx.dtype == by_torch.dtype == np.float32
    assert by_onnx.shape == by_torch.shape
    assert np.abs(by_onnx - by_torch).max() < ENGINES
    assert by_onnx.min() >= 0
    assert by_onnx.max() <= 1


def test_batches_are_the_single_pairs() -> None:
    engine = create_engine("piafusion-fast", kind="fusion", device="cpu", engine="onnx")
    pairs = [scene(40, 52, seed=seed) for seed in range(3)]
    infrared = np.stack([pair[0] for pair in pairs])[:, None].astype(np.float32) / 255
    luminance = np.stack([pair[1][..., 1] for pair in pairs])[:, None].astype(np.float32) / 255
    together = engine(infrared, luminance)
    for index in range(3):
        alone = engine(infrared[index : index + 1], luminance[index : index + 1])
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5)


@pytest.mark.parametrize("engine", [OnnxEngine, TorchEngine])
def test_damaged_weights_are_refused(engine: type) -> None:
    for data in (b"", b"no weights"):
        with pytest.raises(WeightsError, match="expected"):
            engine(data)


def test_unknown_devices_and_engines() -> None:
    for arguments, message in (
        ({"device": "tpu", "engine": "onnx"}, "device of auto, cpu, cuda, found 'tpu'"),
        ({"device": "cpu", "engine": "tensorflow"}, "engine of onnx, torch, found 'tensorflow'"),
    ):
        with pytest.raises(UsageError, match=message):
            create_engine("piafusion-fast", kind="fusion", **arguments)


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime
    import torch

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for engine, advice in (("onnx", "onnxruntime-gpu"), ("torch", "use the device cpu")):
        with pytest.raises(DeviceError, match=advice):
            create_engine("piafusion-fast", kind="fusion", device="cuda", engine=engine)
