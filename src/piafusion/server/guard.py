"""Checks before every route: who may send a request, how large it is, how long it takes."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections import Counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from piafusion.server.counters import Counters
from piafusion.server.problems import HttpProblem
from piafusion.server.settings import MOST_OF_ONE, MOST_UPLOADS, ServerSettings
from piafusion.server.work_queue import WorkQueue

_OPEN_PATHS = frozenset({"/", "/docs", "/healthz", "/readyz"})
_OPEN_FOLDER = "/page/"

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_DRAINED = 2**22  # bytes of a refused body that are still read, so that the client reads the answer
_DRAIN_SECONDS = 1.0
_LONGEST_PATH = 200  # characters in the log
_LONGEST_HEAD = 2**15  # bytes of all headers and the path

_access = logging.getLogger("piafusion.access")


class Guard:
    """ASGI middleware that refuses requests before a route sees them."""

    def __init__(
        self, app: ASGIApp, settings: ServerSettings, queue: WorkQueue, counters: Counters
    ) -> None:
        """Protect an application."""
        self._app, self._settings, self._queue, self._counters = app, settings, queue, counters
        self._uploads: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, sender = time.perf_counter(), 500, _sender(scope)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._admit(scope, receive, noted, sender)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._counters.requests.labels(route, str(status)).inc()
            seconds = time.perf_counter() - start
            self._counters.seconds.labels(route).observe(seconds)
            path = scope["path"].encode("unicode_escape").decode()[:_LONGEST_PATH]
            _access.info(
                "%s %s %s %d, %.0f ms",
                *(sender, scope["method"], path, status, 1000 * seconds),
            )

    async def _admit(self, scope: Scope, receive: Receive, send: Send, sender: str) -> None:
        try:
            self._check(scope, sender)
        except HttpProblem as problem:
            await _drain(scope, receive)
            await problem.response()(scope, receive, send)
            return
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self._uploads[sender] += 1
        try:
            await self._app(scope, _Body(receive, self._settings), send)
        finally:
            self._uploads[sender] -= 1
            self._uploads += Counter()  # forgets who has none

    def _check(self, scope: Scope, sender: str) -> None:
        headers, settings = Headers(scope=scope), self._settings
        head = [
            scope["raw_path"],
            scope["query_string"],
            *(part for h in headers.raw for part in h),
        ]
        if sum(map(len, head)) > _LONGEST_HEAD:
            raise HttpProblem(
                431,
                "long-head",
                f"expected at most {_LONGEST_HEAD} bytes of headers, found more; send less of them",
                {"Connection": "close"},
            )
        host = headers.get("host", "")
        if settings.hosts and _name(host) not in settings.hosts:
            raise HttpProblem(
                421,
                "unknown-host",
                f"expected a host out of {', '.join(settings.hosts)}, found {_name(host)!r}; "
                "start the server with --allow-host",
            )
        origin = headers.get("origin")
        if origin is not None and _is_foreign(origin, host) and origin not in settings.origins:
            raise HttpProblem(
                403,
                "foreign-origin",
                f"expected a page of this server, found one of {origin[:100]!r}; start the "
                "server with --cors for it",
            )
        if scope["path"] not in _OPEN_PATHS and not scope["path"].startswith(_OPEN_FOLDER):
            self._check_token(headers.get("authorization", ""))
        if scope["method"] == "POST":
            self._check_body(headers)
            self._check_uploads(sender)

    def _check_token(self, given: str) -> None:
        token = self._settings.token
        if token is None:
            return
        scheme, _, credentials = given.partition(" ")
        same = hmac.compare_digest(credentials.strip().encode(), token.encode())
        if scheme.lower() != "bearer" or not same:
            raise HttpProblem(
                401,
                "no-token",
                "expected the server's token in `Authorization: Bearer`, found "
                f"{'another one' if given else 'none'}; ask who runs the server",
                {"WWW-Authenticate": 'Bearer realm="piafusion"'},
            )

    def _check_body(self, headers: Headers) -> None:
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            raise HttpProblem(
                411, "no-length", "expected a body, found none; send a multipart form"
            )
        if length is not None and (
            not length.isdecimal() or int(length) > self._settings.max_bytes
        ):
            raise _too_large(self._settings, f"{length[:20]} bytes")

    def _check_uploads(self, sender: str) -> None:
        if self._uploads[sender] >= MOST_OF_ONE:
            raise HttpProblem(
                429,
                "too-many",
                f"expected at most {MOST_OF_ONE} requests of one client at a time, found more; try "
                "again after the seconds of Retry-After",
                {"Retry-After": "1"},
            )
        if self._uploads.total() >= MOST_UPLOADS:
            raise self._queue.busy()


class _Body:
    """Receives the body of a request, within its limits."""

    def __init__(self, receive: Receive, settings: ServerSettings) -> None:
        self._receive, self._settings = receive, settings
        self._until = time.monotonic() + settings.timeout
        self._size, self._more = 0, True

    async def __call__(self) -> Message:
        if not self._more:
            return await self._receive()
        left = min(self._settings.stall, self._until - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0))
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise HttpProblem(
                408,
                "too-slow",
                f"expected the request within {self._settings.timeout:g} seconds and never "
                f"{self._settings.stall:g} seconds without a byte, found a slower one; send "
                "less at once",
                {"Connection": "close"},
            ) from error
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._more = message.get("more_body", False)
            if self._size > self._settings.max_bytes:
                raise _too_large(self._settings, "more")
        return message


async def _drain(scope: Scope, receive: Receive) -> None:
    """Read a part of a refused body: only then does its sender read the answer."""
    headers = Headers(scope=scope)
    if scope["method"] != "POST" or "expect" in headers:
        return  # a client that waits for "100 Continue" has sent nothing yet

    async def discard() -> None:
        size, more = 0, True
        while more and size < _DRAINED:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)

    try:
        await asyncio.wait_for(discard(), _DRAIN_SECONDS)
    except (TimeoutError, asyncio.TimeoutError):
        return


def _too_large(settings: ServerSettings, found: str) -> HttpProblem:
    return HttpProblem(
        413,
        "too-large",
        f"expected a request of at most {settings.max_megabytes:g} MiB, found {found}; send less "
        "at once",
        {"Connection": "close"},
    )


def _sender(scope: Scope) -> str:
    """Return the address of the client; for IPv6 its network, which belongs to one client.

    Headers such as X-Forwarded-For are not used: anybody can write them.
    """
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))


def _is_foreign(origin: str, host: str) -> bool:
    """Tell whether an Origin header names another site than the Host header."""
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def _name(host: str) -> str:
    """Return a Host header without its port."""
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
