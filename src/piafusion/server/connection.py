"""Connections with time limits: for the head of a request, and for a client that reads slowly."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def limited_connection(seconds: float) -> type[asyncio.Protocol]:
    """Return a protocol that closes a connection after so many seconds of waiting.

    uvicorn limits the time between requests. This class also limits the time for the head of a
    request, and the time for which a client may leave an answer unread. `Guard` limits the body.
    """

    class LimitedConnection(H11Protocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - asyncio's
            super().__init__(*arguments, **options)
            self._timers: dict[str, asyncio.TimerHandle] = {}

        def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
            super().connection_made(transport)
            self._wait("head")

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is None or self.cycle.response_complete:
                self._wait("head")  # a part of the next request

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.cycle is not before:
                self._stop("head")

        def pause_writing(self) -> None:
            self.flow.pause_writing()
            self._wait("reader")

        def resume_writing(self) -> None:
            self.flow.resume_writing()
            self._stop("reader")

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop("head")
            self._stop("reader")
            super().connection_lost(exc)

        def _wait(self, what: str) -> None:
            if what not in self._timers:
                self._timers[what] = self.loop.call_later(seconds, self.transport.abort)

        def _stop(self, what: str) -> None:
            if what in self._timers:
                self._timers.pop(what).cancel()

    return LimitedConnection
