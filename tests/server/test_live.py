"""A real server: slow, impatient and silent clients, the examples, an orderly end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from piafusion.imaging.io import encode_image, read_image
from tests.conftest import scene
from tests.server.live import TOKEN, Live, everything, serving
from tests.test_docs import CURL

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = (
    "POST /v1/fuse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
    "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n"
)


def head(length: int) -> bytes:
    return HEAD.format(TOKEN, length).encode()


def body(pair: dict[str, bytes], **fields: str) -> bytes:
    parts = [(f'"{name}"; filename="x"', data) for name, data in pair.items()]
    parts += [(f'"{name}"', value.encode()) for name, value in fields.items()]
    lines = [
        f"--B\r\nContent-Disposition: form-data; name={name}\r\n\r\n".encode() + data + b"\r\n"
        for name, data in parts
    ]
    return b"".join(lines) + b"--B--\r\n"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    options = ("--model", "piafusion-fast", "--stall", "1", "--max-megabytes", "9")
    with serving(*options) as server:
        yield server


def get(live: Live, path: str) -> str:
    request = urllib.request.Request(live.url + path, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read().decode()


def run(live: Live, *command: object, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIAFUSION_URL": live.url, "PIAFUSION_TOKEN": token}
    words = [str(word) for word in command]
    return subprocess.run(
        words, capture_output=True, text=True, env=environment, check=False, timeout=60
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_example(live: Live, pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    infrared, visible = pair_files
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as pairs:
        pairs.write(infrared, "ir/a.png")
        pairs.write(visible, "vi/a.png")
    out, zipped = tmp_path / "fused.png", tmp_path / "fused.zip"
    script = EXAMPLES / "fuse.sh"
    done = run(live, script, infrared, visible, out, tmp_path / "pairs.zip", zipped)
    assert done.returncode == 0, done.stderr
    assert "piafusion-metrics: MI=" in done.stdout
    assert read_image(out).shape == (96, 128, 3)
    assert zipfile.ZipFile(zipped).namelist() == ["a.jpeg", "failed.json"]
    failed = run(live, script, infrared, visible, tmp_path / "no.png", token="wrong")  # noqa: S106
    assert failed.returncode == 1
    assert "expected the server's token" in failed.stderr
    assert not (tmp_path / "no.png").exists()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_line_of_the_docs(
    live: Live, pair_files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pair_files[0].parent)
    line = [word.replace("http://127.0.0.1:8000", live.url) for word in CURL]
    done = run(live, "curl", "--fail", "--header", f"Authorization: Bearer {TOKEN}", *line)
    assert done.returncode == 0, done.stderr
    assert read_image("fused.png").shape == (96, 128, 3)


def test_the_python_example(live: Live, pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "fused.png"
    done = run(live, sys.executable, EXAMPLES / "client.py", *pair_files, out)
    assert done.returncode == 0, done.stderr
    assert "day probability" in done.stdout
    assert read_image(out).shape == (96, 128, 3)
    failed = run(live, sys.executable, EXAMPLES / "client.py", __file__, __file__, out)
    assert "infrared: expected PNG, JPEG" in failed.stderr


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "],
    ids=["nothing", "half a line", "half a head"],
)
def test_who_never_ends_a_head_is_cut_off(live: Live, sent: bytes) -> None:
    start = time.monotonic()
    with live.connection(sent) as client:
        assert everything(client) == b""
    assert 0.2 < time.monotonic() - start < 8


def test_a_head_by_the_byte_is_cut_off(live: Live) -> None:
    start = time.monotonic()
    with live.connection() as client:
        try:
            while time.monotonic() - start < 8:
                client.sendall(b"G")
                time.sleep(0.2)
        except OSError:
            pass
    assert time.monotonic() - start < 8


def test_who_stalls_in_a_body_gets_a_timeout(live: Live, pair: dict[str, bytes]) -> None:
    with live.connection(head(50_000) + body(pair)[:500]) as client:
        assert b" 408 " in everything(client).split(b"\r\n")[0]


def test_who_hangs_up_leaves_nothing(live: Live, pair: dict[str, bytes]) -> None:
    large = body({"infrared": bytes(2**23 + 2**19), "visible": b""})
    for _ in range(5):
        with live.connection(head(len(large)), large[: 2**23 + 2**18]):  # more than memory holds
            pass
    for _ in range(5):
        with live.connection(head(len(body(pair))) + body(pair)):
            pass
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        idle = "piafusion_places_taken 0.0" in get(live, "/metrics")
        left = [path for path in live.files() if "(deleted)" in path or "/tmp" in path]  # noqa: S108
        if idle and not left:
            break
        time.sleep(0.1)
    assert idle
    assert left == []


def test_who_never_reads_is_cut_off(live: Live) -> None:
    ask = b"GET /page/scenes/vi/street_D.png HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
    ask += f"Bearer {TOKEN}\r\n\r\n".encode()
    with live.connection(ask * 60) as client:
        time.sleep(2)
        got = len(everything(client))
    assert got < 60 * 470_000


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(600),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        head(10).replace(b": 10", b": -10"),
        head(10).replace(b"Content-Length: 10", b"Content-Length: 1\r\nContent-Length: 2"),
    ],
    ids=["tls", "header", "headers", "path", "no host", "two hosts", "negative", "two lengths"],
)
def test_what_is_no_http_is_refused(live: Live, sent: bytes) -> None:
    with live.connection(sent) as client:
        assert everything(client)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")


def test_too_much_is_refused_before_it_comes(live: Live) -> None:
    with live.connection(head(10**9), bytes(2**20)) as client:
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"expected a request of at most 9 MiB" in answer


def test_it_is_alive_after_all_that(live: Live, pair_files: tuple[Path, Path]) -> None:
    assert json.loads(get(live, "/readyz"))["status"] == "ready"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{live.url}/v1/models", timeout=60)


STUCK = """
import time
from piafusion.server.service import FusionService
FusionService.fuse = lambda *arguments: time.sleep(3600)
"""


def test_stuck_workers_are_told_and_do_not_stop_a_stop(pair: dict[str, bytes]) -> None:
    options = ("--model", "piafusion-fast", "--workers", "1", "--timeout", "1")
    with serving(*options, before=STUCK) as server:
        assert json.loads(get(server, "/readyz"))["status"] == "ready"
        with server.connection(head(len(body(pair))) + body(pair)) as client:
            assert b" 503 " in client.recv(2**16).split(b"\r\n")[0]
        time.sleep(0.2)
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(server, "/readyz")
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=60)  # a thread sleeps for an hour


def test_a_stop_lets_work_finish() -> None:
    infrared, visible = scene(1000, 1200)
    large = {
        "infrared": bytes(encode_image(infrared, ".tiff")),
        "visible": bytes(encode_image(visible, ".tiff")),
    }
    with serving("--model", "piafusion-fast") as server:
        slow = body(large, model="piafusion")  # which has to be loaded first
        with server.connection(head(len(slow)) + slow) as client:
            while "piafusion_places_taken 1.0" not in get(server, "/metrics"):
                time.sleep(0.02)
            server.process.send_signal(signal.SIGTERM)
            assert everything(client).startswith(b"HTTP/1.1 200 ")
        server.process.communicate(timeout=60)
        assert server.process.returncode in (0, -signal.SIGTERM)
