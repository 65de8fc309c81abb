from __future__ import annotations

import io
import json
import re
import zipfile

import numpy as np
import pytest
from starlette.testclient import TestClient

from piafusion import Fuser
from piafusion.imaging.align import Alignment, parse_alignment
from piafusion.imaging.io import decode_image, decode_photo, encode_image
from piafusion.imaging.views import parse_view
from piafusion.metrics import SPECS, evaluate
from piafusion.server.api import MEDIA_TYPES
from piafusion.server.kept import KeptPair, KeptPairs
from tests.conftest import scene
from tests.imaging.flir_files import both
from tests.server.bad_files import archive
from tests.server.test_attacks import ALIGNMENT

FUSER = Fuser("piafusion-fast", threads=1)


def test_a_pair_is_fused_as_by_the_fuser(client: TestClient, pair: dict[str, bytes]) -> None:
    response = client.post("/v1/fuse", files=pair, data={"metrics": "MI, SD,SF,VIF,Qabf"})
    assert response.status_code == 200
    infrared, visible = scene(96, 128)
    fused = decode_image(response.content, "fused")
    np.testing.assert_array_equal(fused, FUSER(infrared, visible))
    said = response.headers
    assert said["content-type"] == "image/png"
    assert said["piafusion-model"] == "piafusion-fast"
    assert said["piafusion-size"] == "128x96"
    assert said["piafusion-tone"] == "low=0, high=255, filled=0"
    assert 0 <= float(said["piafusion-day-probability"]) <= 1
    steps = [step.split(";dur=")[0] for step in said["server-timing"].split(", ")]
    assert steps == ["queue", "decode", "light", "fuse", "score", "encode"]
    scores = dict(each.split("=") for each in said["piafusion-metrics"].split(", "))
    right = evaluate(infrared, visible, fused, list(scores))
    assert {name: float(value) for name, value in scores.items()} == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_formats(format: str, client: TestClient, pair: dict[str, bytes]) -> None:
    response = client.post("/v1/fuse", files=pair, data={"format": format})
    assert response.headers["content-type"] == MEDIA_TYPES[format]
    fused, expected = decode_image(response.content, "fused"), FUSER(*scene(96, 128))
    difference = np.abs(fused.astype(int) - expected)
    assert difference.max() <= (40 if format == "jpeg" else 0)
    assert difference.mean() < 2


@pytest.mark.parametrize("method", ["average", "laplacian"])
def test_methods(method: str, client: TestClient, pair: dict[str, bytes]) -> None:
    response = client.post("/v1/fuse", files=pair, data={"method": method, "model": ""})
    assert response.headers["piafusion-model"] == method
    expected = Fuser(method=method)(*scene(96, 128))
    np.testing.assert_array_equal(decode_image(response.content, "fused"), expected)


def test_polarity_and_the_range_of_the_visible(client: TestClient, pair: dict[str, bytes]) -> None:
    infrared, visible = scene(96, 128)
    files = {
        "infrared": bytes(encode_image(255 - infrared, ".png")),
        "visible": bytes(encode_image(visible.astype(np.uint16) * 16, ".png")),
    }
    data = {"polarity": "black-hot", "visible_tone": "span:0,4080"}
    response = client.post("/v1/fuse", files=files, data=data)
    fused = decode_image(response.content, "fused")
    expected = decode_image(client.post("/v1/fuse", files=pair).content, "fused")
    assert np.abs(fused / 257 - expected).max() < 1.5
    for name in data:
        assert client.post("/v1/fuse", files=pair, data={name: "hot"}).status_code == 422


def test_a_photo_that_holds_both(client: TestClient, pair: dict[str, bytes]) -> None:
    response = client.post("/v1/fuse", files={"infrared": both()})
    assert response.headers["piafusion-size"] == "320x240"
    found = FUSER.fuse_photo(decode_photo(both(), "photo"))
    np.testing.assert_array_equal(decode_image(response.content, "fused"), found.image)
    applied = parse_alignment(response.headers["piafusion-alignment"])
    np.testing.assert_allclose(applied.matrix, found.alignment.matrix, atol=1e-9)
    seen = client.post("/v1/fuse", files={"infrared": both()}, data={"show": "visible"})
    assert decode_image(seen.content, "visible").shape == (240, 320, 3)
    alone = client.post("/v1/fuse", files={"infrared": pair["infrared"]})
    assert alone.status_code == 422
    assert "give the infrared and the visible file" in alone.json()["detail"]


def test_strength(client: TestClient, pair: dict[str, bytes]) -> None:
    visible = decode_image(
        client.post("/v1/fuse", files=pair, data={"show": "visible"}).content, "visible"
    )
    answers = [
        client.post("/v1/fuse", files=pair, data=data)
        for data in ({"strength": "0"}, {"strength": "0.5"}, {})
    ]
    assert [answer.headers["Piafusion-Strength"] for answer in answers] == ["0", "0.5", "0.5"]
    nothing, natural, default = (decode_image(answer.content, "fused") for answer in answers)
    np.testing.assert_array_equal(nothing, visible)
    np.testing.assert_array_equal(natural, default)
    for bad in ("1.1", "nan", "much"):
        assert client.post("/v1/fuse", files=pair, data={"strength": bad}).status_code == 422
    refused = client.post("/v1/fuse", files=pair, data={"strength": "1", "method": "average"})
    assert refused.status_code == 422
    assert "judges places" in refused.json()["detail"]
    plain = client.post("/v1/fuse", files=pair, data={"method": "average"})
    assert "Piafusion-Strength" not in plain.headers


def test_a_picture_is_no_pair_with_itself(client: TestClient, pair: dict[str, bytes]) -> None:
    response = client.post("/v1/fuse", files={**pair, "visible": pair["infrared"]})
    assert response.status_code == 422
    assert "found one file for both" in response.json()["detail"]


def test_raw_counts_with_a_tone(client: TestClient, pair: dict[str, bytes]) -> None:
    counts = scene(96, 128)[0].astype(np.float32) + 7000
    counts[0, 0] = np.nan
    files = {**pair, "infrared": bytes(encode_image(counts, ".tiff"))}
    response = client.post("/v1/fuse", files=files, data={"tone": "span:7000,7200"})
    assert response.headers["piafusion-tone"] == "low=7000, high=7200, filled=1"
    assert client.post("/v1/fuse", files=files).status_code == 422
    files["infrared"] = bytes(encode_image(scene(96, 128)[0].astype(np.uint16) + 7000, ".png"))
    plain = client.post("/v1/fuse", files=files)
    assert "spread them with --tone percentile" in plain.headers["piafusion-advice"]
    sixteen = {**pair, "visible": bytes(encode_image(np.full((96, 128), 900, np.uint16), ".png"))}
    refused = client.post("/v1/fuse", files=sixteen, data={"format": "jpeg"})
    assert refused.status_code == 422
    assert "write .png, .tif, .tiff" in refused.json()["detail"]


def test_the_two_as_they_are_fused(client: TestClient, pair: dict[str, bytes]) -> None:
    shifted = {**ALIGNMENT, "matrix": [[1, 0, 4], [0, 1, 0], [0, 0, 1]]}
    asked = {"show": "infrared", "alignment": json.dumps(shifted)}
    response = client.post("/v1/fuse", files=pair, data=asked)
    shown = decode_image(response.content, "shown")
    infrared, visible = scene(96, 128)
    assert np.abs(shown[20:70, 20:100].astype(int) - infrared[20:70, 24:104]).max() <= 1
    assert json.loads(response.headers["piafusion-alignment"])["matrix"][0][2] == 4
    response = client.post("/v1/fuse", files=pair, data={"show": "visible", "format": "tiff"})
    np.testing.assert_array_equal(decode_image(response.content, "shown"), visible)


def test_views_values_and_a_bar(client: TestClient, pair: dict[str, bytes]) -> None:
    infrared, visible = scene(96, 128)
    asked = {"view": "hot:100,grey", "view_palette": "inferno"}
    response = client.post("/v1/fuse", files=pair, data=asked)
    drawn = decode_image(response.content, "view")
    view = parse_view("hot:100,grey", "inferno")
    np.testing.assert_array_equal(drawn, Fuser("piafusion-fast", view=view)(infrared, visible))
    barred = client.post("/v1/fuse", files=pair, data={**asked, "bar": "true"})
    bar = client.post("/v1/fuse", files=pair, data={**asked, "show": "bar"})
    both_sides = decode_image(barred.content, "barred"), decode_image(bar.content, "bar")
    np.testing.assert_array_equal(both_sides[0][:, 128:], both_sides[1])
    values = client.post("/v1/fuse", files=pair, data={"show": "values"})
    assert values.headers["content-type"] == "application/octet-stream"
    found = np.frombuffer(values.content, "<f4").reshape(96, 128)
    np.testing.assert_array_equal(found, infrared)
    assert "piafusion-unit" not in values.headers
    photo = client.post("/v1/fuse", files={"infrared": both()}, data={"show": "values"})
    assert photo.headers["piafusion-unit"] == "celsius"
    degrees = np.frombuffer(photo.content, "<f4").reshape(240, 320)
    assert np.isfinite(degrees).any()
    for wrong in ({"view": "msx"}, {"view": "flicker", "format": "jpeg"}, {"show": "bar"}):
        assert client.post("/v1/fuse", files=pair, data=wrong).status_code == 422
    offered = client.get("/v1/models").json()
    assert "hot" in {each["name"] for each in offered["views"]}
    assert "inferno" in offered["palettes"]


def test_an_estimated_alignment(
    client: TestClient, pair: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted = parse_alignment(
        json.dumps({**ALIGNMENT, "matrix": [[1, 0, 4], [0, 1, 0], [0, 0, 1]]})
    )

    def estimate(
        pairs: list[tuple[np.ndarray, np.ndarray]],
        files: tuple[bytes, bytes],
        fov: tuple[float, float] | None,
    ) -> Alignment:
        ((infrared, visible),) = pairs
        assert fov == (20.6, 45)
        assert files == tuple(pair.values())
        assert (infrared.dtype, visible.shape) == (np.float32, (96, 128, 3))
        return shifted

    monkeypatch.setattr("piafusion.server.service.estimate_told", estimate)
    refused = client.post("/v1/fuse", files=pair, data={"alignment": "auto", "fov": "20.6"})
    assert (refused.status_code, "two angles" in refused.text) == (422, True)
    asked = {"alignment": "auto", "fov": "20.6,45"}
    response = client.post("/v1/fuse", files=pair, data=asked)
    assert json.loads(response.headers["piafusion-alignment"])["matrix"][0][2] == 4
    expected = FUSER.adjusted(alignment=shifted)(*scene(96, 128))
    np.testing.assert_array_equal(decode_image(response.content, "fused"), expected)


def test_small_pictures_lose_the_metrics_they_are_too_small_for(client: TestClient) -> None:
    infrared, visible = scene(12, 12)
    files = {
        "infrared": bytes(encode_image(infrared, ".png")),
        "visible": bytes(encode_image(visible, ".png")),
    }
    response = client.post("/v1/fuse", files=files, data={"metrics": "VIF,SD"})
    assert response.headers["piafusion-metrics"].startswith("SD=")
    assert "piafusion-day-probability" not in response.headers
    assert client.post("/v1/fuse", files=files, data={"metrics": "VIF"}).status_code == 200


def test_a_batch(client: TestClient, pair: dict[str, bytes]) -> None:
    broken = pair["visible"][:-30]
    data = archive(
        *((f"{side}/{name}", pair[what])
          for name in ("a.png", "b.png") for side, what in (("ir", "infrared"), ("vi", "visible"))),
        ("ir/c.png", pair["infrared"]), ("vi/c.png", broken), ("ir/d.png", pair["infrared"]),
        ("vi/readme.txt", b"passed over"), ("__MACOSX/ir/a.png", b"too"), ("ir/", b""),
    )  # fmt: skip
    response = client.post("/v1/fuse/batch", files={"pairs": data}, data={"format": "tiff"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as answer:
        assert answer.testzip() is None
        assert answer.namelist() == ["a.tiff", "b.tiff", "failed.json"]
        fused = decode_image(answer.read("a.tiff"), "a")
        failed = json.loads(answer.read("failed.json"))
    np.testing.assert_array_equal(fused, FUSER(*scene(96, 128)))
    assert [each["name"] for each in failed] == ["c", "d"]
    assert failed[0]["error"].startswith("vi/c.png: expected a whole image file")


@pytest.mark.parametrize(
    ("names", "match", "fused"),
    [
        (("pairs/ir/a.png", "pairs/vi/a.png"), "", ["a"]),
        (("IR/a.png", "VI/a.PNG"), "", ["a"]),
        (("./ir/a.png", "./vi/a.png"), "", ["a"]),
        (("ir\\a.png", "vi\\a.png"), "", ["a"]),
        (("ir/12:30.png", "vi/12:30.png"), "", ["12:30"]),
        (("thermal/a.png", "rgb/a.png"), "", ["a"]),
        (("ir/\u00e9.png", "vi/e\u0301.png"), "", ["\u00e9"]),
        (("d/ir/a.png", "d/vi/a.png", "n/ir/a.png", "n/vi/a.png"), "", ["d/a", "n/a"]),
        (("ir/1i.png", "vi/1v.png"), "*i=*v", ["1v"]),
        (("flight/1_T.JPG", "flight/1_W.JPG", "flight/1_S.JPG"), "*_T=*_W", ["1_W"]),
        (("ir/a.png", "vi/a.png", "ir/b\nb.png", f"ir/{'c' * 600}.png"), "", ["a"]),
    ],
)
def test_names_in_a_zip(names, match, fused, client: TestClient, pair: dict[str, bytes]) -> None:
    """A folder around the pairs, other systems' names, and one odd name, which costs itself."""
    infrared = re.compile(r"(?i)(^|.*/|\\)(ir|thermal)[/\\].*|.*_T\..*")
    data = archive(
        *((name, pair["infrared" if infrared.match(name) else "visible"]) for name in names)
    )
    response = client.post("/v1/fuse/batch", files={"pairs": data}, data={"match": match})
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as answer:
        assert answer.namelist() == [*(f"{name}.png" for name in fused), "failed.json"]
        failed = json.loads(answer.read("failed.json"))
    assert len(failed) == len(names) - 2 * len(fused) - match.count("_T")
    for each in failed:
        assert "expected a name of at most 512 printable characters" in each["error"]


def test_a_zip_without_pairs_is_told_the_pattern(
    client: TestClient, pair: dict[str, bytes]
) -> None:
    for names in (("ir/1i.png", "vi/1v.png"), ("all/1i.png", "all/1v.png")):
        data = archive(*zip(names, pair.values(), strict=True))
        refused = client.post("/v1/fuse/batch", files={"pairs": data})
        assert refused.json()["detail"].endswith("send the field match with *i=*v")
        wrong = client.post("/v1/fuse/batch", files={"pairs": data}, data={"match": "i=v"})
        assert (wrong.status_code, refused.status_code) == (422, 422)
        assert "expected IR=VI" in wrong.json()["detail"]


def test_lists_and_probes(client: TestClient) -> None:
    listed = client.get("/v1/models").json()
    assert listed["default"] == "piafusion-fast"
    shipped = {"paper", "paper-released", "piafusion", "piafusion-fast", "piafusion-nano"}
    assert shipped == {each["name"] for each in listed["models"]}
    assert "average" in {each["name"] for each in listed["methods"]}
    assert listed["metrics"] == list(SPECS)
    assert client.get("/healthz").json()["status"] == "alive"
    assert client.get("/readyz").json()["status"] == "ready"
    counted = client.get("/metrics")
    assert counted.headers["content-type"].startswith("text/plain")
    assert 'piafusion_requests_total{route="/healthz",status="200"}' in counted.text
    assert "process_resident_memory_bytes" in counted.text


def test_the_manual_needs_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/docs", headers={"Authorization": ""})
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"https?://|<script", answer.text)
    for told in ("POST /v1/fuse/batch", "view_palette", "The pair is not kept any more."):
        assert told in answer.text


def test_the_log_has_a_line_for_each_request(client: TestClient, caplog) -> None:
    caplog.set_level("INFO", "piafusion.access")
    client.get("/healthz")
    client.get("/a%0ab")
    first, second = caplog.messages
    assert re.fullmatch(r"testclient GET /healthz 200, \d+ ms", first)
    assert re.fullmatch(r"testclient GET /a\\nb 404, \d+ ms", second)


def test_a_pair_that_is_kept(client: TestClient, pair: dict[str, bytes], monkeypatch) -> None:
    sent = client.post("/v1/fuse", files=pair, data={"keep": "true"})
    name = sent.headers["piafusion-pair"]
    for options in ({}, {"strength": "0.8"}, {"view": "edges"}, {"tone": "percentile"}):
        whole = client.post("/v1/fuse", files=pair, data=options)
        again = client.post("/v1/fuse", files={"pair": (None, name)}, data=options)
        assert again.content == whole.content, options
        assert "piafusion-pair" not in {**again.headers, **whole.headers}

    def refuse(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr("piafusion.engines.onnx.OnnxEngine.run", refuse)
    other = {"tone": "percentile", "strength": "0.2", "view": "checker"}  # no run for these
    assert client.post("/v1/fuse", files={"pair": (None, name)}, data=other).status_code == 200
    monkeypatch.setattr("piafusion.server.kept.SECONDS", -1.0)
    gone = client.post("/v1/fuse", files={"pair": (None, name)})
    assert (gone.status_code, gone.json()["type"].split(":")[-1]) == (410, "pair-gone")
    both = client.post("/v1/fuse", files={**pair, "pair": (None, name)})
    assert both.json()["detail"].startswith("pair: expected a kept pair or files, found both")


def test_kept_pairs_make_room_for_others(monkeypatch) -> None:
    monkeypatch.setattr("piafusion.server.kept._MOST_BYTES", 250)
    kept, pairs = KeptPairs(), [KeptPair(bytes(100), None) for _ in range(3)]
    first, second, third = (kept.keep(pair) for pair in pairs[:2] + [pairs[0]])
    assert [kept.get(name or "") for name in (first, second, third)] == [None, pairs[1], pairs[0]]
    assert kept.keep(KeptPair(bytes(300), None)) is None


def test_the_schema_is_typed(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    form = schema["paths"]["/v1/fuse"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["anyOf"] == [{"required": ["infrared"]}, {"required": ["pair"]}]
    assert form["schema"]["properties"]["format"]["enum"] == list(MEDIA_TYPES)
    answers = schema["paths"]["/v1/fuse"]["post"]["responses"]
    assert {"200", "413", "415", "422", "503"} <= set(answers)
    assert "ProblemDetails" in schema["components"]["schemas"]
    assert set(schema["paths"]) == {
        "/v1/fuse", "/v1/fuse/batch", "/v1/models", "/healthz", "/readyz", "/metrics"
    }  # fmt: skip
