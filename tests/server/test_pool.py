from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from piafusion.errors import UsageError
from piafusion.server.pool import HungUpError, Pool
from piafusion.server.problems import Problem
from piafusion.server.shelf import Pace, Shelf
from piafusion.server.work import Workshop
from piafusion.weights import SHIPPED
from tests.server.conftest import SMALL, client_of


async def never() -> None:
    await asyncio.sleep(3600)


async def at_once() -> None:
    return


def test_a_full_queue_says_when_to_come_back() -> None:
    async def run() -> None:
        pool, release = Pool(workers=1, queue=1, timeout=10), threading.Event()
        two = [asyncio.ensure_future(pool.run(never, release.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (pool.taken, pool.waiting) == (2, 1)
        with pytest.raises(Problem) as refused:
            await pool.run(never, release.wait)
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        release.set()
        assert [result for result, _ in await asyncio.gather(*two)] == [True, True]
        await asyncio.sleep(0.01)
        assert pool.taken == 0
        pool.close()

    asyncio.run(run())


def test_work_keeps_its_place_until_it_is_through() -> None:
    async def run() -> None:
        pool, release = Pool(workers=1, queue=1, timeout=0.05), threading.Event()
        with pytest.raises(Problem, match=r"within 0\.05 seconds"):
            await pool.run(never, release.wait)
        assert pool.taken == 1  # nothing can stop a thread
        with pytest.raises(HungUpError):
            await pool.run(at_once, release.wait)
        await asyncio.sleep(0.01)
        assert pool.taken == 1  # the one that had not begun is out of the queue
        release.set()
        pool.close()
        await asyncio.sleep(0.01)
        assert pool.taken == 0

    asyncio.run(run())


def test_errors_come_through() -> None:
    async def run() -> None:
        pool = Pool(workers=1, queue=0, timeout=10)
        with pytest.raises(ZeroDivisionError):
            await pool.run(never, lambda: 1 // 0)
        pool.close()

    asyncio.run(run())


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Fusing waits for this."""
    release, fuse = threading.Event(), Workshop.fuse

    def wait(*arguments: Any) -> Any:
        release.wait(10)
        return fuse(*arguments)

    monkeypatch.setattr(Workshop, "fuse", wait)
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


def test_what_would_take_too_long_is_refused_before() -> None:
    shelf = Shelf("piafusion-fast")
    _, pace = shelf.get("piafusion-fast")
    pace.seconds = 1  # measured while the machine was busy
    shelf.check_time("piafusion-fast", 10**4, 60)
    assert pace.seconds < 1e-3
    with pytest.raises(Problem, match="found 1; send smaller ones") as refused:
        shelf.check_time("piafusion-fast", 10**6, 1e-6)
    assert refused.value.status == 413


def test_pace() -> None:
    pace = Pace(1e-6)
    for _ in range(500):
        pace.learn(10**6, 100)  # a machine that is busy
    assert pace.seconds == pytest.approx(4e-6)
    pace.learn(64, 100)  # tells nothing
    assert pace.seconds == pytest.approx(4e-6)


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "rig.onnx"
    own.write_bytes((SHIPPED / "piafusion-fast.onnx").read_bytes())
    shelf = Shelf(str(own))
    assert shelf.check("", "") == shelf.default == "rig"
    assert shelf.get("rig")[0].model == str(own)
    with pytest.raises(UsageError, match="expected a model of"):
        shelf.check(str(own), "")  # requests name no paths
    with pytest.raises(UsageError, match="rename it"):
        Shelf(str(own.rename(tmp_path / "average.onnx")))


def test_one_fuser_for_each_name() -> None:
    shelf = Shelf("piafusion-fast")
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(shelf.get("average"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(fuser) for fuser, _ in found}) == 1
