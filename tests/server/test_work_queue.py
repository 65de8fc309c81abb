from __future__ import annotations

import asyncio
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from piafusion.engines import memory_errors
from piafusion.errors import UsageError
from piafusion.run import processes
from piafusion.server import service
from piafusion.server.fusers import FuserCache, FusingSpeed
from piafusion.server.problems import HttpProblem
from piafusion.server.service import FusionService
from piafusion.server.work_queue import ClientGoneError, WorkQueue
from piafusion.weights import SHIPPED
from tests.hanging import DIES, HANGS, decode_or_hang, take_memory
from tests.server.conftest import SMALL, client_of


async def never() -> None:
    await asyncio.sleep(3600)


async def at_once() -> None:
    return


def test_a_full_queue_says_when_to_come_back() -> None:
    async def run() -> None:
        queue, release = WorkQueue(workers=1, queue=1, timeout=60), threading.Event()
        two = [asyncio.ensure_future(queue.run(never, release.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (queue.taken, queue.waiting) == (2, 1)
        with pytest.raises(HttpProblem) as refused:
            await queue.run(never, release.wait)
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        release.set()
        assert [result for result, _ in await asyncio.gather(*two)] == [True, True]
        await asyncio.sleep(0.01)
        assert queue.taken == 0
        queue.close()

    asyncio.run(run())


def test_work_keeps_its_place_until_it_is_through() -> None:
    async def run() -> None:
        queue, begun, release = WorkQueue(workers=1, queue=1, timeout=60), asyncio.Event(), Event()
        loop = asyncio.get_running_loop()

        def work() -> None:
            loop.call_soon_threadsafe(begun.set)
            release.wait()

        async def hang_up() -> None:
            await begun.wait()

        for _ in range(2):  # the second one has not begun when it hangs up
            with pytest.raises(ClientGoneError):
                await queue.run(hang_up, work)
            await asyncio.sleep(0.01)
            assert queue.taken == 1  # nothing can stop a thread
        release.set()
        queue.close()
        await asyncio.sleep(0.01)
        assert queue.taken == 0

    asyncio.run(run())


def test_a_pool_whose_workers_are_stuck_takes_nothing() -> None:
    async def run() -> None:
        queue, release = WorkQueue(workers=1, queue=5, timeout=0.05), Event()
        assert not queue.is_full
        with pytest.raises(HttpProblem, match=r"within 0\.05 seconds"):
            await queue.run(never, release.wait)
        await asyncio.sleep(0.05)
        assert (queue.taken, queue.stuck, queue.is_full) == (1, 1, True)
        with pytest.raises(HttpProblem, match="free place") as refused:
            await queue.run(never, release.wait)
        assert refused.value.status == 503
        release.set()
        queue.close()
        assert (queue.stuck, queue.is_full) == (0, False)

    asyncio.run(run())


def test_errors_come_through() -> None:
    async def run() -> None:
        queue = WorkQueue(workers=1, queue=0, timeout=60)
        with pytest.raises(ZeroDivisionError):
            await queue.run(never, lambda: 1 // 0)
        queue.close()

    asyncio.run(run())


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Fusing waits for this."""
    release, fuse = threading.Event(), FusionService.fuse

    def wait(*arguments: Any) -> Any:
        release.wait(60)
        return fuse(*arguments)

    monkeypatch.setattr(FusionService, "fuse", wait)
    yield release
    release.set()


def test_a_full_server(held: threading.Event, pair: dict[str, bytes]) -> None:
    with client_of(replace(SMALL, workers=1, queue=1)) as client:
        statuses: list[int] = []

        def ask() -> None:
            response = client.post("/v1/fuse", files=pair)
            statuses.append(response.status_code)
            if response.status_code == 503:
                assert int(response.headers["Retry-After"]) >= 1
                if len(statuses) == 2:
                    assert client.get("/readyz").status_code == 503
                    held.set()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(statuses) == [200, 200, 503, 503]
        assert client.get("/readyz").status_code == 200


def test_a_decoder_that_hangs_or_dies_is_replaced(
    pair: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "decode_visible", decode_or_hang)
    monkeypatch.setattr(processes, "_SECONDS", 1.5)
    hostile = {**pair, "visible": pair["visible"] + HANGS}
    with client_of(replace(SMALL, workers=1, queue=1)) as client:
        for end, kind in ((HANGS, "too-slow"), (DIES, "image")):
            refused = client.post("/v1/fuse", files={**pair, "visible": pair["visible"] + end})
            assert refused.status_code == 422
            assert refused.json()["type"].endswith(f":{kind}")
            assert refused.json()["detail"].startswith("visible: expected a file that")
            assert client.post("/v1/fuse", files=pair).status_code == 200
        with zipfile.ZipFile(zipped := BytesIO(), "w") as pairs:
            for name, files in (("a", hostile), ("b", pair)):
                pairs.writestr(f"ir/{name}.png", files["infrared"])
                pairs.writestr(f"vi/{name}.png", files["visible"])
        answer = client.post("/v1/fuse/batch", files={"pairs": zipped.getvalue()})
        assert zipfile.ZipFile(BytesIO(answer.content)).namelist() == ["b.png", "failed.json"]
        assert client.get("/readyz").status_code == 200


def test_a_decoder_without_memory(pair: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    monkeypatch.setattr(service, "decode_visible", take_memory)
    with client_of(replace(SMALL, workers=1)) as client:
        refused = client.post("/v1/fuse", files=pair)
        assert refused.status_code == 422
        assert "fits into the memory of a decoder" in refused.json()["detail"]


def test_a_network_without_memory(pair: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    @memory_errors()
    def fail(*_: object) -> None:
        raise RuntimeError("std::bad_alloc")

    with client_of(replace(SMALL, workers=1)) as client:
        monkeypatch.setattr("piafusion.engines.onnx.OnnxEngine.run", fail)
        refused = client.post("/v1/fuse", files=pair)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        assert "enough memory for this picture" in refused.json()["detail"]


def test_what_would_take_too_long_is_refused_before() -> None:
    fusers = FuserCache("piafusion-fast")
    _, speed = fusers.get("piafusion-fast")
    speed.seconds = 1  # measured while the machine was busy
    fusers.check_time("piafusion-fast", 10**4, 60)
    assert speed.seconds < 1e-3
    with pytest.raises(HttpProblem, match="found 1; send smaller ones") as refused:
        fusers.check_time("piafusion-fast", 10**6, 1e-6)
    assert refused.value.status == 413


def test_pace() -> None:
    speed = FusingSpeed(1e-6)
    for _ in range(500):
        speed.learn(10**6, 100)  # a machine that is busy
    assert speed.seconds == pytest.approx(4e-6)
    speed.learn(64, 100)  # tells nothing
    assert speed.seconds == pytest.approx(4e-6)


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "rig.onnx"
    own.write_bytes((SHIPPED / "piafusion-fast.onnx").read_bytes())
    fusers = FuserCache(str(own))
    assert fusers.check("", "") == fusers.default == "rig"
    assert fusers.get("rig")[0].model == str(own)
    with pytest.raises(UsageError, match="expected a model of"):
        fusers.check(str(own), "")  # requests name no paths
    with pytest.raises(UsageError, match="rename it"):
        FuserCache(str(own.rename(tmp_path / "average.onnx")))


def test_one_fuser_for_each_name() -> None:
    fusers = FuserCache("piafusion-fast")
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(fusers.get("average"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(fuser) for fuser, _ in found}) == 1
