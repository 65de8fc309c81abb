"""`piafusion serve` as a process, and clients that misbehave."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN = "open sesame"  # noqa: S105


@dataclass(frozen=True)
class Live:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def connection(self, *send: bytes) -> Iterator[socket.socket]:
        """Connect and send some bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
            for data in send:
                client.sendall(data)
            yield client

    def files(self) -> list[str]:
        """Return what the server has open, besides what it needs to listen."""
        paths = []
        for file in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                paths.append(str(file.readlink()))
            except FileNotFoundError:
                continue
        return paths


@contextmanager
def serving(*options: str, before: str = "") -> Iterator[Live]:
    """Start a server on a free port, after some code; stop it, if it still runs."""
    main = f"{before}\nfrom piafusion.cli import main\nmain()"
    command = [sys.executable, "-c", main, "serve", "--port", "0", "--precision", "float", *options]
    environment = {**os.environ, "PIAFUSION_TOKEN": TOKEN}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert "http://127.0.0.1:" in line, line + process.stderr.read()
            yield Live(process, int(line.split(":")[2].split("/")[0]))
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=60)


def everything(client: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    data = b""
    try:
        while piece := client.recv(2**16):
            data += piece
    except ConnectionResetError:
        pass
    return data
