from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from piafusion.errors import UsageError
from piafusion.server import guard
from piafusion.server.app import create_app
from piafusion.server.settings import ServerSettings
from tests.server.conftest import SMALL, client_of


def test_every_answer_is_kept_in_its_place(client: TestClient) -> None:
    for path in ("/", "/v1/models", "/nowhere", "/page/script.js"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9"])
def test_pages_of_other_sites_may_not_ask(
    origin: str, client: TestClient, pair: dict[str, bytes]
) -> None:
    response = client.post("/v1/fuse", files=pair, headers={"Origin": origin})
    assert response.status_code == 403
    own = client.post("/v1/fuse", files=pair, headers={"Origin": "http://127.0.0.1"})
    assert own.status_code == 200


def test_cors_only_for_whom_it_was_asked() -> None:
    with client_of(replace(SMALL, origins=("https://friend.example",))) as client:
        friend = client.get("/v1/models", headers={"Origin": "https://friend.example"})
        assert friend.headers["access-control-allow-origin"] == "https://friend.example"
        assert "Piafusion-Model" in friend.headers["access-control-expose-headers"]
        ask = {"Access-Control-Request-Method": "POST", "Origin": "https://friend.example"}
        assert client.options("/v1/fuse", headers=ask).status_code == 200
        other = client.get("/v1/models", headers={"Origin": "https://evil.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


def test_names_of_the_server() -> None:
    with client_of(replace(SMALL, hosts=("127.0.0.1", "fusion.example"))) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/readyz", headers={"Host": "fusion.example:80"}).status_code == 200
        assert client.get("/readyz", headers={"Host": "rebound.example"}).status_code == 421


def test_token() -> None:
    with client_of(replace(SMALL, token="sesame")) as client:  # noqa: S106
        for path in ("/", "/healthz", "/readyz", "/page/script.js", "/page/scenes/ir/street_D.png"):
            assert client.get(path).status_code == 200
        for given in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic sesame"},
                      {"Authorization": "Bearer sesame\xff".encode("latin-1")},
                      {"Authorization": "Bearer"}):  # fmt: skip
            for path in ("/v1/models", "/metrics", "/openapi.json"):
                refused = client.get(path, headers=given)  # type: ignore[arg-type]
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"].startswith("Bearer")
        good = client.get("/v1/models", headers={"Authorization": "bearer sesame"})
        assert good.status_code == 200


def test_a_post_without_a_body(client: TestClient) -> None:
    request = client.build_request("POST", "/v1/fuse")
    del request.headers["content-length"]
    assert client.send(request).status_code == 411


def test_one_client_cannot_take_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests of one address wait for their bodies; a third is refused, another's is not."""
    monkeypatch.setattr(guard, "MOST_OF_ONE", 2)
    monkeypatch.setattr(guard, "MOST_UPLOADS", 3)
    app = create_app(replace(SMALL, stall=0.2))
    piece = {"type": "http.request", "body": b"--B", "more_body": True}

    async def run() -> list[int]:
        hosts = ["10.0.0.1"] * 3 + ["2001:db8::1", "10.0.0.2"]
        return await asyncio.gather(*(post(app, [piece], host) for host in hosts))

    assert asyncio.run(run()) == [408, 408, 429, 408, 503]
    assert asyncio.run(run()) == [408, 408, 429, 408, 503]  # all places were given back


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_whom_a_request_is_from(host: str, sender: str) -> None:
    assert guard._sender({"type": "http", "client": (host, 1)}) == sender
    assert guard._sender({"type": "http", "client": None}) == ""


def test_who_hangs_up_while_sending_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with client_of(SMALL) as client:
        piece = {"type": "http.request", "body": b"--B\r\n", "more_body": True}
        status = ask(client.app, path="/v1/fuse", messages=[piece, {"type": "http.disconnect"}])
        assert status == 499
        assert 'status="499"' in client.get("/metrics").text
        assert 'status="500"' not in client.get("/metrics").text
    assert not caplog.records


def ask(app: Any, *, path: str, messages: list[dict[str, Any]], length: int = 10) -> int:
    """Post to an app whose client says what it says, and return the status."""
    return asyncio.run(asyncio.wait_for(post(app, messages, None, path, length), 20))


async def post(
    app: Any,
    messages: list[dict[str, Any]],
    host: str | None,
    path: str = "/v1/fuse",
    length: int = 10,
) -> int:
    """Post as one address does."""
    waiting = iter(messages)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        message = next(waiting, None)
        if message is None:
            await asyncio.sleep(3600)
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-length", str(length).encode()),
                    (b"content-type", b"multipart/form-data; boundary=B")],
        "client": (host, 1) if host else None,
    }  # fmt: skip
    await app(scope, receive, send)
    return int(sent[0]["status"])


def test_a_silent_client_is_given_up() -> None:
    piece = {"type": "http.request", "body": b"--B\r\n", "more_body": True}
    assert ask(create_app(replace(SMALL, stall=0.1)), path="/v1/fuse", messages=[piece]) == 408
    app = create_app(replace(SMALL, timeout=0.1))
    more = {**piece, "body": b"X: a"}
    assert ask(app, path="/v1/fuse", messages=[piece, more]) == 408


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"timeout": float("nan")},
        {"max_megapixels": -1},
        {"queue": -1},
        {"token": ""},
        {"origins": ("example.org",)},
        {"origins": ("https://example.org/page",)},
    ],
    ids=str,
)
def test_settings_that_let_nothing_pass(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        ServerSettings(**wrong)
