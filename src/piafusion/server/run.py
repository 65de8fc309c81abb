"""Starts the application in uvicorn, and stops it after the running requests."""

from __future__ import annotations

import asyncio
import faulthandler
import ipaddress
import logging
import math
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from piafusion.errors import UsageError, system_reason
from piafusion.server.app import create_app
from piafusion.server.settings import ServerSettings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
"""Names of a server that only this machine reaches."""

LEVELS = ("error", "warning", "info", "debug")
_FORMATS = dict.fromkeys(LEVELS, "piafusion: %(message)s")
_FORMATS |= dict.fromkeys(LEVELS[2:], "%(asctime)s %(levelname)s %(name)s: %(message)s")
_BACKLOG = 128
_HEAD = 2**15  # bytes that the head of a request may have
_LAST = 0.8  # seconds to end after the last request


class Listener(uvicorn.Server):
    """A server that prints its address, and ends for certain after a signal.

    Running requests get the time that a request may take. After that Python would still wait for
    busy threads, for ever if need be; the timer of faulthandler does not.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; `app.state.ending` ends answers that would otherwise go on for ever."""
        if not self.should_exit:
            if isinstance(self.config.app, FastAPI):
                self.config.app.state.ending = True
            limit = self.config.timeout_graceful_shutdown or 0
            faulthandler.dump_traceback_later(limit + _LAST, exit=True)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print the address."""
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(f"piafusion serves http://{name}:{port}/ (Ctrl-C stops it)", flush=True)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        UsageError: If the address is taken or none of this machine's.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server(
            (host.strip("[]"), port), family=family, backlog=_BACKLOG, reuse_port=False
        )
    except (OSError, OverflowError) as error:
        reason = system_reason(error)
        raise UsageError(
            f"{host}:{port}: expected a free address of this machine, found: {reason}; choose "
            "another with --host and --port"
        ) from error
    # Connections inherit it. Else the body of an answer waits 40 ms, until its head is confirmed.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.setblocking(False)
    return bound


def run(
    settings: ServerSettings,
    bound: socket.socket,
    make_app: Callable[[ServerSettings], FastAPI] = create_app,
    level: str = "warning",
) -> bool:
    """Serve until a signal comes; running requests are still answered.

    Args:
        settings: The settings of the server.
        bound: A listening socket, see `listen`.
        make_app: Makes the application.
        level: How much the log on standard error holds, one of `LEVELS`; from "info" on, a line
            for each request.

    Returns:
        Whether Ctrl-C has stopped it.

    Raises:
        PiafusionError: If a model cannot be loaded.
    """
    with closing(bound):
        logging.basicConfig(stream=sys.stderr, format=_FORMATS[level], level=level.upper())
        logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the client is told
        config = uvicorn.Config(
            make_app(settings),
            http=limited_connection(settings.stall),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=_HEAD,
            timeout_graceful_shutdown=math.ceil(settings.timeout),
            timeout_keep_alive=math.ceil(settings.stall),
        )
        try:
            Listener(config).run([bound])
        except KeyboardInterrupt:
            return True
    return False


def limited_connection(seconds: float) -> type[asyncio.Protocol]:
    """Return a protocol that closes a connection after `seconds` of waiting.

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
