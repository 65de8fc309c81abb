"""A client of `piafusion serve` without other packages: client.py IR VI FUSED.

PIAFUSION_URL is the address of the server. PIAFUSION_TOKEN is its token, if it needs one.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path


def fuse(
    server: str,
    infrared: Path,
    visible: Path,
    *,
    token: str | None = None,
    tries: int = 5,
    **fields: str,
) -> tuple[bytes, Mapping[str, str]]:
    """Return the file of the fused picture, and the headers with which the server describes it.

    Args:
        server: Address of the server, such as http://127.0.0.1:8000.
        infrared: A picture file.
        visible: A picture file.
        token: Token of the server.
        tries: How often to ask while the server is busy.
        fields: Fields of the form: model, method, tone, alignment, format, metrics.

    Raises:
        RuntimeError: If the server refuses; the message says why.
    """
    files = {"infrared": infrared, "visible": visible}
    body, kind = _form(fields, files)
    headers = {"Content-Type": kind}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{server}/v1/fuse", body, headers)  # noqa: S310
    for left in reversed(range(tries)):
        try:
            with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
                return response.read(), dict(response.headers)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (429, 503) and left:
                    time.sleep(float(error.headers.get("Retry-After", "1")))
                    continue
                raise RuntimeError(json.load(error)["detail"]) from error
    raise RuntimeError("expected at least one try")


def _form(fields: Mapping[str, str], files: Mapping[str, Path]) -> tuple[bytes, str]:
    """Return a multipart form and its content type."""
    boundary = secrets.token_hex(16)
    parts = [
        (f'name="{name}"', value.encode()) for name, value in fields.items()
    ] + [
        (f'name="{name}"; filename="{name}{path.suffix}"', path.read_bytes())
        for name, path in files.items()
    ]  # fmt: skip
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


if __name__ == "__main__":
    picture, said = fuse(
        os.environ.get("PIAFUSION_URL", "http://127.0.0.1:8000"),
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        token=os.environ.get("PIAFUSION_TOKEN"),
    )
    Path(sys.argv[3]).write_bytes(picture)
    print(f"{sys.argv[3]}: day probability {said['piafusion-day-probability']}")
