"""A few workers and a short queue before them; a full queue answers when to try again."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from piafusion.server.problems import HttpProblem

Result = TypeVar("Result")


class ClientGoneError(Exception):
    """The client has closed the connection; nobody waits for the result."""


class WorkQueue:
    """Calls functions in threads, so that the event loop stays free; used by the loop alone."""

    def __init__(self, workers: int, queue: int, timeout: float) -> None:
        """Start the threads.

        `queue` requests may wait for a worker; `timeout` is the time from request to result, in
        seconds.
        """
        self.workers = workers
        self.executor = ThreadPoolExecutor(workers, thread_name_prefix="fuse")
        self.taken = 0
        self._places = workers + queue
        self._timeout = timeout
        self._mean = 0.1  # seconds of a request, on average over the last ones
        self._begun: dict[object, float] = {}  # when each running call began

    @property
    def is_full(self) -> bool:
        """Whether the next request would be refused: no free place, or every worker is stuck."""
        return self.taken >= self._places or self.stuck >= self.workers

    @property
    def stuck(self) -> int:
        """How many workers take longer for one pair than a request may take."""
        limit = time.monotonic() - self._timeout
        return sum(begun < limit for begun in list(self._begun.values()))

    @property
    def waiting(self) -> int:
        """How many requests wait for a worker."""
        return max(0, self.taken - self.workers)

    def busy(self) -> HttpProblem:
        """Return the refusal for a request that finds the queue full."""
        return HttpProblem(
            503,
            "busy",
            "expected a free place in the queue, found none; try again after the seconds of "
            "Retry-After",
            {"Retry-After": str(max(1, math.ceil(self.taken * self._mean / self.workers)))},
        )

    def take(self) -> Callable[[], None]:
        """Take a place and return a function that gives it back.

        Raises:
            HttpProblem: If all are taken.
        """
        if self.is_full:
            raise self.busy()
        self.taken += 1
        given = False

        def give() -> None:
            nonlocal given
            if not given:
                given = True
                self.taken -= 1

        return give

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block runs."""
        give = self.take()
        try:
            yield
        finally:
            give()

    def submit(
        self, work: Callable[[], Result], begun: list[float] | None = None
    ) -> Future[Result]:
        """Call a function in a worker, after those that were submitted before.

        `begun` receives the time, on `time.monotonic`, when it begins.
        """

        def noted() -> Result:
            piece = object()
            self._begun[piece] = time.monotonic()
            if begun is not None:
                begun.append(self._begun[piece])
            try:
                return work()
            finally:
                del self._begun[piece]

        return self.executor.submit(noted)

    async def run(
        self, gone: Callable[[], Coroutine[Any, Any, None]], work: Callable[[], Result]
    ) -> tuple[Result, float]:
        """Call a function in a worker; return its result and the seconds that it waited.

        Args:
            gone: Returns when the client closes the connection.
            work: The function; it keeps its place until it ends, even if nobody waits for it.

        Raises:
            HttpProblem: If the queue is full, or the result is not there in time.
            ClientGoneError: If the client has closed the connection.
        """
        give, loop = self.take(), asyncio.get_running_loop()
        asked = time.monotonic()
        begun: list[float] = []

        def finished(_: Future[Result]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(give)

        future = self.submit(work, begun)
        future.add_done_callback(finished)
        wrapped, left = asyncio.wrap_future(future), asyncio.ensure_future(gone())
        both: set[asyncio.Future[Any]] = {wrapped, left}
        try:
            await asyncio.wait(both, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if wrapped.done():
                self._mean = 0.9 * self._mean + 0.1 * (time.monotonic() - begun[0])
                return wrapped.result(), begun[0] - asked
        finally:
            left.cancel()
            if not wrapped.done():
                wrapped.cancel()  # takes it out of the queue, unless it has begun
        if left.done() and not left.cancelled():
            raise ClientGoneError
        raise HttpProblem(
            503,
            "timeout",
            f"expected a result within {self._timeout:g} seconds, found none; try again later "
            "or send a smaller picture",
            {"Retry-After": "10"},
        )

    def close(self) -> None:
        """Let the running calls finish and drop the rest."""
        self.executor.shutdown(wait=True, cancel_futures=True)
