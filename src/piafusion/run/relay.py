"""Hand something from each item to the next one, in order, while threads work on several items."""

from __future__ import annotations

from concurrent.futures import Future
from types import TracebackType
from typing import Generic, TypeVar

State = TypeVar("State")


class Relay(Generic[State]):
    """The turns of a sequence of items: call `turn` for each item, in their order.

    >>> relay = Relay[int]()
    >>> with relay.turn() as first, relay.turn() as second:
    ...     first.give(7)
    ...     second.take()
    7
    """

    def __init__(self) -> None:
        self._last: Future[State | None] = Future()
        self._last.set_result(None)

    def turn(self) -> Turn[State]:
        """Return the turn of the next item."""
        turn = Turn(self._last)
        self._last = turn.given
        return turn


class Turn(Generic[State]):
    """The turn of one item; use it in a `with`, so that an item that fails stops no other.

    A thread that takes waits for the item before. Start the items in their order: then that item
    is done or at work, and nobody waits for ever.
    """

    def __init__(self, before: Future[State | None]) -> None:
        self._before = before
        self.given: Future[State | None] = Future()

    def take(self) -> State | None:
        """Wait for what the item before gave, and return it; None for the first item."""
        return self._before.result()

    def give(self, state: State) -> None:
        """Give something to the next item."""
        self.given.set_result(state)

    def __enter__(self) -> Turn[State]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Pass on what the item before gave, if this one gave nothing."""
        if not self.given.done():
            self.given.set_result(self.take())
