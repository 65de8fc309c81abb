"""A server in this process, and the files that are sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from piafusion.imaging.io import encode_image
from tests.conftest import scene

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from piafusion.server.app import create_app
from piafusion.server.settings import ServerSettings

SMALL = ServerSettings(
    model="piafusion-fast", workers=2, max_megabytes=1, max_megapixels=0.5, max_pairs=8, timeout=60
)


def client_of(settings: ServerSettings) -> TestClient:
    return TestClient(
        create_app(settings), base_url="http://127.0.0.1", raise_server_exceptions=True
    )


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """A client of a server with small limits."""
    with client_of(SMALL) as client:
        yield client


@pytest.fixture(scope="session")
def pair() -> dict[str, bytes]:
    """The two files of a pair, as they are posted."""
    infrared, visible = scene(96, 128)
    return {
        "infrared": bytes(encode_image(infrared, ".png")),
        "visible": bytes(encode_image(visible, ".png")),
    }


@pytest.fixture
def pair_files(pair: dict[str, bytes], tmp_path: Path) -> tuple[Path, Path]:
    """The same on disk."""
    paths = tmp_path / "ir.png", tmp_path / "vi.png"
    for path, data in zip(paths, pair.values(), strict=True):
        path.write_bytes(data)
    return paths
