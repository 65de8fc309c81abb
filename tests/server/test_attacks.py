"""Bad uploads are refused with a clear 4xx, and the server goes on."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.server import bad_files
from tests.server.bad_files import FAILING, INFRAREDS, VISIBLES, ZIPS


def refused(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert "expected" in problem["detail"]
    assert "\n" not in problem["detail"]
    assert "/src/" not in problem["detail"]
    return problem["detail"]


def part(name: str, content: bytes, more: str = '; filename="x.png"') -> bytes:
    return b'--B\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
        name.encode(), more.encode(), content)  # fmt: skip


@pytest.mark.parametrize("name", VISIBLES)
def test_visible_pictures(name: str, client: TestClient, pair: dict[str, bytes]) -> None:
    data, status = VISIBLES[name]
    detail = refused(client.post("/v1/fuse", files={**pair, "visible": data}), status)
    assert "visible" in detail


@pytest.mark.parametrize("name", INFRAREDS)
def test_infrared_pictures(name: str, client: TestClient, pair: dict[str, bytes]) -> None:
    data, status = INFRAREDS[name]
    refused(client.post("/v1/fuse", files={**pair, "infrared": data}), status)


@pytest.mark.parametrize("name", ZIPS)
def test_zips(name: str, client: TestClient) -> None:
    data, status = ZIPS[name]
    refused(client.post("/v1/fuse/batch", files={"pairs": data}), status)


@pytest.mark.parametrize("data", [bad_files.crowd(20_000), bad_files.zip64(20_000)])
def test_a_directory_that_is_too_long_is_not_read(
    data: bytes, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(zipfile, "ZipInfo")
    refused(client.post("/v1/fuse/batch", files={"pairs": data}), 413)


@pytest.mark.parametrize("name", FAILING)
def test_zips_whose_pairs_fail(name: str, client: TestClient) -> None:
    response = client.post("/v1/fuse/batch", files={"pairs": FAILING[name]})
    assert response.status_code == 200
    with zipfile.ZipFile(io.BytesIO(response.content)) as answer:
        assert answer.namelist() == ["failed.json"]
        failed = json.loads(answer.read("failed.json"))
    assert failed
    for each in failed:
        assert "expected" in each["error"]


ALIGNMENT = {
    "piafusion_alignment": 1,
    "kind": "homography",
    "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "infrared": {"width": 128, "height": 96},
    "visible": {"width": 128, "height": 96},
    "quality": {"score": 1, "likeness": 1, "disagreement": 0, "residual": 0, "pairs": 1},
}


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "none"},
        {"model": "/etc/passwd"},
        {"model": "../weights/piafusion.onnx"},
        {"model": "illumination"},
        {"method": "none"},
        {"method": "__init__"},
        {"model": "paper", "method": "average"},
        {"tone": "none"},
        {"tone": "span:nan,nan"},
        {"tone": "percentile:99,1"},
        {"format": "exe"},
        {"format": "../png"},
        {"show": "all"},
        {"metrics": "none"},
        {"metrics": "MI,MI"},
        {"colour": "red"},
        {"alignment": "rig.json"},
        {"alignment": "[" * 5000},
        {"alignment": "1e999"},
        {"alignment": json.dumps({**ALIGNMENT, "matrix": [[float("nan")] * 3] * 3})},
        {"alignment": json.dumps({**ALIGNMENT, "matrix": [[0] * 3] * 3})},
        {"alignment": json.dumps({**ALIGNMENT, "infrared": {"width": 10**400, "height": 1}})},
        *(
            {"alignment": json.dumps({**ALIGNMENT, "matrix": matrix})}
            for matrix in (
                [[1e308, 0, 0], [0, 1e308, 0], [0, 0, 1]],
                [[1, 0, 1e300], [0, 1, -1e300], [0, 0, 1]],
                [[1, 0, 10**400], [0, 1, 0], [0, 0, 1]],
                [[1, 0, 0], [0, 1, 0], [1e30, 1e30, 1e-300]],
                [[[1]] * 3] * 3,
                {"a": 1},
                "1" * 5000,
            )
        ),
        {"alignment": json.dumps({**ALIGNMENT, "infrared": {"width": 1e308, "height": 1}})},
        {"alignment": json.dumps({**ALIGNMENT, "infrared": {"width": 128, "height": 10**399}})},
        {"alignment": json.dumps({**ALIGNMENT, "quality": {"score": [[[]]]}})},
        {"alignment": '{"piafusion_alignment": ' + "9" * 5000 + "}"},
        {"alignment": json.dumps({**ALIGNMENT, "visible": {"width": 500, "height": 96}})},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_fields(fields: dict[str, str], client: TestClient, pair: dict[str, bytes]) -> None:
    refused(client.post("/v1/fuse", files=pair, data=fields), 422)


GOOD = [part("infrared", bad_files.file_of(bad_files.INFRARED)), part("visible", bad_files.PNG)]
BODIES: dict[str, tuple[list[bytes], int]] = {
    "nothing": ([], 422),
    "no infrared": ([GOOD[1]], 422),
    "no visible": ([GOOD[0]], 422),
    "infrared twice": ([GOOD[0], GOOD[0]], 422),
    "three files": ([*GOOD, part("model", b"paper")], 400),
    "a field twice": ([*GOOD, part("tone", b"full", ""), part("tone", b"clahe", "")], 422),
    "text for a file": ([part("infrared", b"abc", ""), GOOD[1]], 422),
    "a part without a name": ([b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n"], 400),
    "a part without a head": ([b"--B\r\n\r\nx\r\n"], 400),
    "many fields": ([part(f"a{n}", b"", "") for n in range(5000)], 400),
    "a long field": ([*GOOD, part("alignment", b"a" * 100_000, "")], 400),
    "a long head": ([b"--B\r\nX: " + b"a" * 100_000 + b"\r\n\r\nx\r\n"], 400),
    "a name that is no text": ([part("infrared", b"", '; filename="\xff\xfe"'), GOOD[1]], 422),
    "a path for a name": ([part("infrared", b"x", '; filename="../../x"'), GOOD[1]], 415),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str, client: TestClient) -> None:
    parts, status = BODIES[name]
    head = {"Content-Type": "multipart/form-data; boundary=B"}
    refused(client.post("/v1/fuse", content=b"".join(parts) + b"--B--\r\n", headers=head), status)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data; boundary=B", b"".join(GOOD)[:-50], 400),
        ("multipart/form-data; boundary=C", b"".join(GOOD), 400),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=", b"x", 400),
        ("multipart/form-data; boundary=" + "B" * 5000, b"x", 400),
        ("application/json", b'{"infrared": 1}', 415),
        ("application/x-www-form-urlencoded", b"infrared=1", 415),
        ("image/png", bad_files.PNG, 415),
        ("multipart/form-data; boundary=B", bytes(2**20 + 1), 413),
    ],
    ids=["cut", "other boundary", "none", "empty", "long", "json", "urlencoded", "png", "large"],
)
def test_content_types(kind: str, body: bytes, status: int, client: TestClient) -> None:
    refused(client.post("/v1/fuse", content=body, headers={"Content-Type": kind}), status)


def test_a_body_that_does_not_tell_its_size(client: TestClient) -> None:
    head = {"Content-Type": "multipart/form-data; boundary=B"}
    chunks = (piece for piece in [GOOD[0][:-2], *[bytes(2**17)] * 20])
    refused(client.post("/v1/fuse", content=chunks, headers=head), 413)


@pytest.mark.parametrize(
    "path",
    ["/page/../app.py", "/page/%2e%2e/app.py", "/page/scenes/../../x", "/v1", "/etc/passwd"],
)
def test_no_other_file_is_served(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 404


def test_it_is_still_alive(client: TestClient, pair: dict[str, bytes]) -> None:
    assert client.post("/v1/fuse", files=pair).status_code == 200
    taken = [line for line in client.get("/metrics").text.splitlines() if "taken " in line]
    assert taken[-1] == "piafusion_places_taken 0.0"
