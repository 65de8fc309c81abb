import threading

import numpy as np
import onnxruntime
import pytest

from piafusion.engines import create_engine, memory_errors
from piafusion.engines.onnx import OnnxEngine
from piafusion.engines.torch import TorchEngine
from piafusion.errors import DeviceError, UsageError, WeightsError
from piafusion.weights import load_manifest
from tests.conftest import scene
from tests.tolerances import ENGINES, FLOAT32_SUMS

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
        create_engine(record.name, kind=record.kind, device="cpu", engine=engine).run(*inputs)
        for engine in ("onnx", "torch")
    )
    assert by_onnx.dtype == by_torch.dtype == np.float32
    assert by_onnx.shape == by_torch.shape
    assert np.abs(by_onnx - by_torch).max() < ENGINES
    assert by_onnx.min() >= 0
    assert by_onnx.max() <= 1


@pytest.mark.parametrize(
    "words",
    [
        "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer",
        "Status Message: std::bad_alloc",
        "Failed to allocate 3843586048 bytes of memory",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1536000000 bytes",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
    ],
)
def test_every_library_without_memory_is_a_memory_error(words: str) -> None:
    with pytest.raises(MemoryError, match="enough memory for the network"), memory_errors():
        raise RuntimeError(words)


def test_other_errors_of_a_network_stay() -> None:
    engine = create_engine("piafusion-fast", kind="fusion", device="cpu", engine="onnx")
    with pytest.raises(Exception, match="Invalid rank"):
        engine.run(np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32))


def test_batches_are_the_single_pairs() -> None:
    engine = create_engine("piafusion-fast", kind="fusion", device="cpu", engine="onnx")
    pairs = [scene(40, 52, seed=seed) for seed in range(3)]
    infrared = np.stack([pair[0] for pair in pairs])[:, None].astype(np.float32) / 255
    luminance = np.stack([pair[1][..., 1] for pair in pairs])[:, None].astype(np.float32) / 255
    together = engine.fuse(infrared, luminance)
    for index in range(3):
        alone = engine.fuse(infrared[index : index + 1], luminance[index : index + 1])
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5)


@pytest.mark.parametrize("engine", [OnnxEngine, TorchEngine])
def test_damaged_weights_are_refused(engine: type) -> None:
    for data in (b"", b"no weights"):
        with pytest.raises(WeightsError, match="expected"):
            engine(data)


def test_unknown_devices_and_engines() -> None:
    known = "auto, cpu, cuda, tensorrt, openvino"
    for arguments, message in (
        ({"device": "tpu", "engine": "onnx"}, f"device of {known}, found 'tpu'"),
        ({"device": "cpu", "engine": "tensorflow"}, "engine of onnx, torch, found 'tensorflow'"),
        ({"device": "tensorrt", "engine": "torch"}, "cuda for the engine torch, found 'tensorrt'"),
        ({"device": "cpu", "engine": "onnx", "threads": 0}, "at least 1 thread, found 0"),
    ):
        with pytest.raises(UsageError, match=message):
            create_engine("piafusion-fast", kind="fusion", **arguments)


@pytest.mark.parametrize(
    ("engine", "device", "advice"),
    [
        ("onnx", "cuda", "onnxruntime-gpu in place of onnxruntime, or"),
        ("onnx", "tensorrt", "onnxruntime and TensorRT's libraries, or"),
        ("torch", "cuda", "use the device cpu"),
    ],
)
def test_gpu_where_there_is_none(
    engine: str, device: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=advice):
        create_engine("piafusion-fast", kind="fusion", device=device, engine=engine)


def test_a_provider_that_is_installed_but_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As onnxruntime-gpu on a machine with no card: it drops the provider without an error."""
    start = onnxruntime.InferenceSession

    def drop_cuda(weights, options, providers):
        return start(weights, options, providers=providers[-1:])

    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "InferenceSession", drop_cuda)
    engine = create_engine("piafusion-fast", kind="fusion", device="auto", engine="onnx")
    assert engine.device == "cpu"
    with pytest.raises(DeviceError, match="CUDAExecutionProvider at work, found CPUExecution"):
        create_engine("piafusion-fast", kind="fusion", device="cuda", engine="onnx")


def test_threads_are_as_many_as_asked_for_and_change_nothing() -> None:
    image = scene(40, 52)[0].astype(np.float32)[None, None] / 255
    one, two = (
        create_engine("piafusion-fast", kind="fusion", device="cpu", engine="onnx", threads=threads)
        for threads in (1, 2)
    )
    assert (one.threads, two.threads) == (1, 2)
    np.testing.assert_allclose(one.fuse(image, image), two.fuse(image, image), atol=FLOAT32_SUMS)


@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_threads_share_an_engine(device: str) -> None:
    if device == "openvino":
        pytest.importorskip("openvino")
    engine = create_engine("piafusion-fast", kind="fusion", device=device, engine="onnx")
    images = [
        scene(40, 52 + seed % 2, seed)[0].astype(np.float32)[None, None] / 255 for seed in range(4)
    ]
    expected = [engine.fuse(image, image) for image in images]
    found: dict[int, list[np.ndarray]] = {}

    def work(index: int) -> None:
        found[index] = [engine.fuse(images[index], images[index]) for _ in range(5)]

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for index in range(4):
        for answer in found[index]:
            np.testing.assert_allclose(answer, expected[index], atol=FLOAT32_SUMS)
