"""Work on many items at a time, in bounded memory, in the order of the items.

The results come in that order, and an item can hand something to the next one (`Turn`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")


def futures_in_order(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], ahead: int
) -> Generator[Future[Result], None, None]:
    """Yield the future of each item, in the order of the items.

    The next items are submitted while the caller waits for a result. Closing the generator
    cancels the futures that have not begun.

    Args:
        submit: Starts the work on an item, such as a method of a pool.
        items: Taken one at a time. If they end with an error, it is raised after the futures of
            the items before it.
        ahead: The most futures that are submitted beyond the one that is yielded.
    """
    submitted: deque[Future[Result]] = deque()
    try:
        try:
            for item in items:
                submitted.append(submit(item))
                if len(submitted) > ahead:
                    yield submitted.popleft()
        except Exception:
            while submitted:
                yield submitted.popleft()
            raise
        while submitted:
            yield submitted.popleft()
    finally:
        for future in submitted:
            future.cancel()


def map_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int,
    pool: Executor | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of a function for each item, in the order of the items.

    The function runs in threads; the items are taken in the thread of the caller. An error of the
    function is raised in place of its result and ends the work. When the generator is closed,
    running calls finish and the rest is dropped.

    Args:
        function: Called in several threads at the same time.
        items: The arguments of the calls.
        workers: Threads.
        ahead: The most items that are taken beyond the one whose result is yielded.
        pool: A pool of processes in the place of threads; it is shut down at the end.

    >>> list(map_in_order(abs, [3, -1, 2], workers=2, ahead=2))
    [3, 1, 2]
    """
    with pool or ThreadPoolExecutor(workers, thread_name_prefix="piafusion") as pool:
        futures = futures_in_order(lambda item: pool.submit(function, item), items, ahead)
        try:
            for future in futures:
                yield future.result()
        finally:
            futures.close()


class Turn(Generic[State]):
    """The turn of one item, after that of another; in a `with`, an item that fails stops no other.

    >>> with Turn[int]() as first, Turn(first) as second:
    ...     first.give(7)
    ...     second.take()
    7

    A thread that takes waits for the item before. Start the items in their order: then that item
    is done or at work, and nobody waits for ever.
    """

    def __init__(self, before: Turn[State] | None = None) -> None:
        self._before = before and before._given
        self._given: Future[State | None] = Future()

    def take(self) -> State | None:
        """Wait for what the item before gave, and return it; None for the first item."""
        return self._before.result() if self._before else None

    def give(self, state: State) -> None:
        """Give something to the next item."""
        self._given.set_result(state)

    def __enter__(self) -> Turn[State]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Pass on what the item before gave, if this one gave nothing."""
        if not self._given.done():
            self._given.set_result(self.take())
